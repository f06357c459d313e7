#include "ops/range_search.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ref/reference.h"

namespace qforge {
namespace {

// `end` and the edges of bins between it and `innermost`, distances from 0 on one side of it. Edges
// are floats, exactly (qforge/histogram.h).
std::vector<float> Ends(float end, double innermost, double bin_width) {
  const double outer = std::ceil(static_cast<double>(end) / bin_width) - 1.0;
  const double inner = std::floor(std::max(innermost, 0.0) / bin_width);
  std::vector<float> ends{end};
  // Beyond all histograms' bins: the bound of a clamp, to which it has moved all values. There are
  // no steps of 1 there.
  if (outer >= 0x1p24) return ends;
  if (outer >= inner) ends.reserve(static_cast<size_t>(outer - inner) + 2);
  for (double edge = outer; edge >= inner; edge -= 1.0) {
    ends.push_back(static_cast<float>(edge * bin_width));
  }
  return ends;
}

int64_t LastNotBelow(const std::vector<float>& descending, double x) {
  const auto below = std::partition_point(descending.begin(), descending.end(),
                                          [x](float end) { return static_cast<double>(end) >= x; });
  return std::max<int64_t>(below - descending.begin() - 1, 0);
}

// The errors of two parameters are looked at once, where the same come again and again.
bool Same(const QuantizationSteps& a, const QuantizationSteps& b) {
  return a.scale == b.scale && a.lowest == b.lowest;
}

}  // namespace

RangeCandidates::RangeCandidates(const RangeDensity& density, const ParameterOptions& options)
    : options_(options) {
  const float low = std::max(-density.range().min, 0.0f);
  const float high = std::max(density.range().max, 0.0f);
  // How far in there are values, from below and from above.
  const double below = density.size() == 0 ? 0.0 : -density.end(density.size() - 1);
  const double above = density.size() == 0 ? 0.0 : density.begin(0);
  if (options.symmetric) {
    lows_ = {0.0f};
    highs_ = Ends(std::max(low, high), std::max(below, above), density.bin_width());
  } else {
    lows_ = Ends(low, below, density.bin_width());
    highs_ = Ends(high, above, density.bin_width());
  }
}

int64_t RangeCandidates::LowAround(double x) const { return LastNotBelow(lows_, -x); }
int64_t RangeCandidates::HighAround(double x) const { return LastNotBelow(highs_, x); }

bool RangeCandidates::IsRange(int64_t i, int64_t j) const {
  return low(i) < high(j) || (i == 0 && j == 0);
}

QuantizationParameters RangeCandidates::Parameters(int64_t i, int64_t j) const {
  return ref::ChooseParameters(-lows_[static_cast<size_t>(i)], highs_[static_cast<size_t>(j)],
                               options_);
}

RangeIndex SearchL2Approximately(const RangeDensity& density, const RangeCandidates& candidates) {
  RangeIndex best;
  double best_error = density.L2Error(candidates.Steps(0, 0));
  int64_t step = std::max(candidates.lows(), candidates.highs()) / 2;
  while (step > 0) {
    const RangeIndex centre = best;
    for (const RangeIndex& move :
         {RangeIndex{step, 0}, RangeIndex{0, step}, RangeIndex{-step, 0}, RangeIndex{0, -step}}) {
      const int64_t i = std::clamp<int64_t>(centre.low + move.low, 0, candidates.lows() - 1);
      const int64_t j = std::clamp<int64_t>(centre.high + move.high, 0, candidates.highs() - 1);
      if (!candidates.IsRange(i, j)) continue;
      const double error = density.L2Error(candidates.Steps(i, j));
      if (error < best_error) {
        best_error = error;
        best = {i, j};
      }
    }
    if (best.low == centre.low && best.high == centre.high) step /= 2;
  }
  return best;
}

// What a range clips is lost in any case, and known in advance for each end. So of the ranges, a
// million where a histogram has values on either side of 0, only those are evaluated that clip less
// than the best one so far loses in all.
RangeIndex SearchL2(const RangeDensity& density, const RangeCandidates& candidates) {
  std::vector<double> clipped_below(static_cast<size_t>(candidates.lows()));
  std::vector<double> clipped_above(static_cast<size_t>(candidates.highs()));
  for (int64_t i = 0; i < candidates.lows(); ++i) {
    clipped_below[static_cast<size_t>(i)] = density.ClippedBelow(candidates.low(i));
  }
  for (int64_t j = 0; j < candidates.highs(); ++j) {
    clipped_above[static_cast<size_t>(j)] = density.ClippedAbove(candidates.high(j));
  }
  // Rounding must not make a bound of what is just as good.
  constexpr double kCertain = 1.0 - 1e-9;

  RangeIndex best = SearchL2Approximately(density, candidates);
  QuantizationSteps last = candidates.Steps(best.low, best.high);
  double best_error = density.L2Error(last);
  for (int64_t i = 0; i < candidates.lows(); ++i) {
    for (int64_t j = 0; j < candidates.highs(); ++j) {
      if (!candidates.IsRange(i, j)) continue;
      const QuantizationSteps steps = candidates.Steps(i, j);
      if (Same(steps, last)) continue;
      last = steps;
      // Where the parameters really clip: the zero-point and the scale have been rounded.
      const int64_t from = candidates.LowAround(steps.lowest * steps.scale);
      const int64_t to = candidates.HighAround(steps.highest * steps.scale);
      const double clipped =
          clipped_below[static_cast<size_t>(from)] + clipped_above[static_cast<size_t>(to)];
      if (clipped * kCertain >= best_error) continue;
      const double error = density.L2Error(steps);
      if (error < best_error) {
        best_error = error;
        best = {i, j};
      }
    }
  }
  return best;
}

}  // namespace qforge
