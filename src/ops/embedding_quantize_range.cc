#include "ops/embedding_quantize_range.h"

#include <algorithm>
#include <cmath>

#include "ref/table_quantization.h"

namespace qforge {
namespace {

// Memory is for what the method needs.
int64_t Bins(const TableQuantizationOptions& options) {
  return options.method == RangeSearch::kHistogram ? options.bins : 0;
}
int64_t Bounds(const TableQuantizationOptions& options) {
  const bool search =
      options.method == RangeSearch::kGreedy || options.method == RangeSearch::kHistogram;
  return search ? options.bins + 1 : 0;
}

int GreedySteps(const TableQuantizationOptions& options) {
  const double steps = options.bins * static_cast<double>(options.shrink);
  return std::min(static_cast<int>(std::lround(steps)), options.bins - 1);
}

// 2^-e for a largest magnitude in [2^e, 2^(e + 1)), as far as both this and its inverse are normal.
float FactorFor(float magnitude) {
  if (magnitude == 0.0f) return 1.0f;
  return std::ldexp(1.0f, -std::clamp(std::ilogb(magnitude), -126, 126));
}

}  // namespace

RangeFinder::RangeFinder(const TableQuantizationOptions& options, DataType parameters, int levels,
                         kernels::RangeLossesFunction* range_losses, MemoryCutter& memory)
    : method_(options.method),
      bins_(options.bins),
      greedy_steps_(GreedySteps(options)),
      parameters_(parameters),
      levels_(levels),
      range_losses_(range_losses),
      biases_(memory.Cut<float>(Bounds(options))),
      highs_(memory.Cut<double>(Bounds(options))),
      counts_(memory.Cut<double>(Bins(options))),
      sums_(memory.Cut<double>(Bins(options))),
      squares_(memory.Cut<double>(Bins(options))),
      below_(memory.Cut<double>(Bins(options) + 1)),
      above_(memory.Cut<double>(Bins(options) + 1)) {}

FoundRange RangeFinder::Find(float* row, int64_t count,
                             const kernels::ValueBounds& bounds) noexcept {
  const float magnitude = std::max(std::abs(bounds.min), std::abs(bounds.max));
  const float factor = FactorFor(magnitude);
  for (int64_t i = 0; i < count; ++i) row[i] *= factor;
  row_ = row;
  count_ = count;
  factor_ = factor;
  unfactor_ = 1.0 / static_cast<double>(factor);
  min_ = static_cast<double>(bounds.min * factor);
  max_ = static_cast<double>(bounds.max * factor);
  step_ = (max_ - min_) / bins_;

  if (method_ == RangeSearch::kSymmetric) {
    const double end = static_cast<double>(magnitude * factor);
    return Range(ref::ChooseBias((0.0 - end) * unfactor_, parameters_), end * unfactor_);
  }
  if (method_ == RangeSearch::kMinMax || min_ == max_) {
    return Range(ref::ChooseBias(min_ * unfactor_, parameters_), max_ * unfactor_);
  }
  return Range(method_ == RangeSearch::kGreedy ? GreedySearch() : HistogramSearch());
}

// As stored, of the row as it was.
FoundRange RangeFinder::Range(float bias, double hi) const noexcept {
  FoundRange found;
  found.scale = ref::ChooseScale(bias, hi, levels_, parameters_);
  found.bias = bias;
  found.range.scale = found.scale * factor_;
  found.range.inverse_scale = 1.0f / found.range.scale;
  found.range.bias = found.bias * factor_;
  found.range.levels = static_cast<float>(levels_);
  return found;
}

void RangeFinder::ListBounds(int steps) noexcept {
  for (int i = 0; i < steps; ++i) {
    biases_[i] = ref::ChooseBias((min_ + i * step_) * unfactor_, parameters_);
    highs_[i] = (max_ - i * step_) * unfactor_;
  }
}

void RangeFinder::Evaluate(Candidate* a, Candidate* b) const noexcept {
  const kernels::RowRange ranges[2] = {Range(*a).range, Range(*b).range};
  float losses[2];
  range_losses_(row_, count_, ranges, losses);
  a->loss = losses[0];
  b->loss = losses[1];
}

// A loss below this is smaller than `loss`, however the two were rounded: each term is rounded a
// few times, and each of the 16 partial sums once per term.
double RangeFinder::CertainlyBetter(float loss) const noexcept {
  const double rounding = (static_cast<double>(count_) / 16 + 16) * 0x1p-22;
  return static_cast<double>(loss) * std::max(1.0 - rounding, 0.0);
}

RangeFinder::Candidate RangeFinder::GreedySearch() noexcept {
  ListBounds(greedy_steps_ + 1);
  Candidate whole, again;
  Evaluate(&whole, &again);
  Candidate current = whole, best = whole;
  for (int step = 0; step < greedy_steps_; ++step) {
    Candidate left{current.left + 1, current.right, 0.0f};
    Candidate right{current.left, current.right + 1, 0.0f};
    Evaluate(&left, &right);
    // Which side it is looks random: no branch.
    const int go_left = left.loss < right.loss ? 1 : 0;
    current.left += go_left;
    current.right += 1 - go_left;
    current.loss = std::min(right.loss, left.loss);
    if (current.loss < best.loss) best = current;
  }
  return static_cast<double>(best.loss) < CertainlyBetter(whole.loss) ? best : whole;
}

// What is clipped is lost in any case, and known for each bound from the histogram. So of the
// bins^2 / 2 ranges only those are tried that clip less than the best one so far loses in all: some
// hundreds of 20,000.
RangeFinder::Candidate RangeFinder::HistogramSearch() noexcept {
  FindClippedLosses();
  Candidate whole, best = GreedySearch();
  ListBounds(bins_);
  Candidate start = best;
  Evaluate(&whole, &start);
  best.loss = start.loss;
  for (int left = 0; left < bins_ && below_[left] < static_cast<double>(best.loss); ++left) {
    for (int right = 0; left + right < bins_; right += 2) {
      if (below_[left] + above_[right] >= static_cast<double>(best.loss)) break;
      Candidate a{left, right, 0.0f};
      Candidate b{left, std::min(right + 1, bins_ - 1 - left), 0.0f};
      Evaluate(&a, &b);
      if (a.loss < best.loss) best = a;
      if (b.loss < best.loss) best = b;
    }
  }
  return static_cast<double>(best.loss) < CertainlyBetter(whole.loss) ? best : whole;
}

// below_[i]: the squared distances to the bound min + i * step of the values below it, added up;
// above_[i]: likewise to max - i * step and above.
void RangeFinder::FindClippedLosses() noexcept {
  std::fill_n(counts_, bins_, 0.0);
  std::fill_n(sums_, bins_, 0.0);
  std::fill_n(squares_, bins_, 0.0);
  for (int64_t i = 0; i < count_; ++i) {
    const double x = static_cast<double>(row_[i]) - min_;
    const int bin = std::min(static_cast<int>(x / step_), bins_ - 1);
    counts_[bin] += 1.0;
    sums_[bin] += x;
    squares_[bin] += x * x;
  }
  const auto accumulate = [&](double* clipped, bool from_below) {
    double count = 0.0, sum = 0.0, square = 0.0;
    for (int i = 0; i <= bins_; ++i) {
      const double bound = (from_below ? i : bins_ - i) * step_;
      clipped[i] = square - 2.0 * bound * sum + bound * bound * count;
      if (i == bins_) break;
      const int bin = from_below ? i : bins_ - 1 - i;
      count += counts_[bin];
      sum += sums_[bin];
      square += squares_[bin];
    }
  };
  accumulate(below_, /*from_below=*/true);
  accumulate(above_, /*from_below=*/false);
}

}  // namespace qforge
