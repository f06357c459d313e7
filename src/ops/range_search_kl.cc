#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ops/range_search.h"

namespace qforge {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

// The relative entropy that RangeMethod::kKlDivergence minimises, of one range after the other.
class KlDivergence {
 public:
  explicit KlDivergence(const RangeDensity& density)
      : density_(density), original_(static_cast<size_t>(density.size())), quantized_(original_) {
    for (int64_t i = 0; i < density.size(); ++i) total_ += density.count(i);
  }

  double Of(const QuantizationSteps& steps) {
    std::fill(original_.begin(), original_.end(), 0.0);
    std::fill(quantized_.begin(), quantized_.end(), 0.0);
    double kept = 0.0;
    double at_lowest = 0.0;
    double at_highest = 0.0;
    int64_t piece = 0;
    int64_t first = -1;
    int64_t last = -1;
    for (double n = steps.lowest; n <= steps.highest && piece < density_.size(); n += 1.0) {
      const double count =
          AddStep((n - 0.5) * steps.scale, (n + 0.5) * steps.scale, &piece, &first, &last);
      kept += count;
      if (n == steps.lowest) at_lowest = count;
      if (n == steps.highest) at_highest = count;
    }
    // What is clipped counts at the ends, of the original alone: where the quantised distribution
    // has nothing there, it differs without limit.
    const double below = density_.CountBelow((steps.lowest - 0.5) * steps.scale);
    const double above = density_.CountAbove((steps.highest + 0.5) * steps.scale);
    if (kept == 0.0 || (below > 0.0 && at_lowest == 0.0) || (above > 0.0 && at_highest == 0.0)) {
      return kInfinity;
    }
    original_[static_cast<size_t>(first)] += below;
    original_[static_cast<size_t>(last)] += above;
    double divergence = 0.0;
    for (int64_t i = first; i <= last; ++i) {
      const double p = original_[static_cast<size_t>(i)] / total_;
      const double q = quantized_[static_cast<size_t>(i)] / kept;
      if (p > 0.0) divergence += p * std::log(p / q);
    }
    return divergence;
  }

 private:
  // The part of a piece that is rounded to a step. A point belongs to the lower of two.
  double PartIn(int64_t piece, double low, double high) const {
    const double begin = density_.begin(piece);
    const double end = density_.end(piece);
    if (begin == end) return begin > low && begin <= high ? 1.0 : 0.0;
    return std::max(std::min(end, high) - std::max(begin, low), 0.0) / (end - begin);
  }

  // Gives how many values the step has, which it spreads over its pieces. *piece is the first that
  // may reach above `low`.
  double AddStep(double low, double high, int64_t* piece, int64_t* first, int64_t* last) {
    while (*piece < density_.size() && density_.end(*piece) <= low) ++*piece;
    double count = 0.0;
    double pieces = 0.0;
    int64_t end = *piece;
    for (; end < density_.size() && density_.begin(end) <= high; ++end) {
      const double part = PartIn(end, low, high);
      if (part == 0.0) continue;
      count += part * density_.count(end);
      pieces += part;
      original_[static_cast<size_t>(end)] += part * density_.count(end);
      if (*first < 0) *first = end;
      *last = end;
    }
    if (count == 0.0) return 0.0;
    for (int64_t i = *piece; i < end; ++i) {
      quantized_[static_cast<size_t>(i)] += PartIn(i, low, high) * (count / pieces);
    }
    return count;
  }

  const RangeDensity& density_;
  double total_ = 0.0;
  std::vector<double> original_;
  std::vector<double> quantized_;
};

}  // namespace

RangeIndex SearchKlDivergence(const RangeDensity& density, const RangeCandidates& candidates) {
  RangeIndex best;
  if (density.size() == 0) return best;
  KlDivergence divergence(density);
  double least = divergence.Of(candidates.Steps(0, 0));
  const auto try_range = [&](int64_t i, int64_t j) {
    if (!candidates.IsRange(i, j)) return;
    // Entropy does not mind when a whole side of 0 is clipped.
    if ((i > 0 && candidates.low(i) == 0.0) || (j > 0 && candidates.high(j) == 0.0)) return;
    const QuantizationSteps steps = candidates.Steps(i, j);
    if (steps.scale < density.bin_width()) return;
    const double found = divergence.Of(steps);
    if (found < least) {
      least = found;
      best = {i, j};
    }
  };
  // Either end in turn, until none moves: `least` falls each time, so that this ends.
  for (RangeIndex before{-1, -1}; before.low != best.low || before.high != best.high;) {
    before = best;
    for (int64_t j = 0; j < candidates.highs(); ++j) try_range(before.low, j);
    const int64_t high = best.high;
    for (int64_t i = 0; i < candidates.lows(); ++i) try_range(i, high);
  }
  return best;
}

}  // namespace qforge
