#include "ops/range_density.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ops/validate.h"

namespace qforge {
namespace {

// To the nearest integer, ties to even, for magnitudes below 2^51: no call, so that loops become
// vectors.
double Round(double x) {
  constexpr double kUnit = 0x1.8p52;
  return (x + kUnit) - kUnit;
}

double NearestStep(const QuantizationSteps& steps, double u) {
  u = u < steps.lowest ? steps.lowest : u;
  u = u > steps.highest ? steps.highest : u;
  return Round(u);
}

// The integral of (u - n)^2 up to u, with n the step nearest to u; plus a constant.
double ErrorIntegral(const QuantizationSteps& steps, double u) {
  const double n = NearestStep(steps, u);
  const double rest = u - n;
  return n * (1.0 / 12.0) + rest * rest * rest * (1.0 / 3.0);
}

// What the activation leaves of the line.
ValueRange KeptBy(const RangeOptions& options) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  switch (options.activation) {
    case Activation::kRelu:
      return {0.0f, kInfinity};
    case Activation::kClamp:
      return {options.clamp_min, options.clamp_max};
    default:
      break;
  }
  return {-kInfinity, kInfinity};
}

// The sum of (distance + t)^2 over `count` values t, even over [0, width].
double SumOfSquares(double count, double distance, double width) {
  return count * (distance * distance + distance * width + width * width * (1.0 / 3.0));
}

}  // namespace

QuantizationSteps::QuantizationSteps(const QuantizationParameters& parameters,
                                     const ParameterOptions& options)
    : scale(static_cast<double>(parameters.scale)),
      lowest(LowestOf(options) - parameters.zero_point),
      highest(HighestOf(options) - parameters.zero_point) {}

RangeDensity::RangeDensity(const Histogram& histogram, const RangeOptions& options)
    : bin_width_(histogram.bin_width()),
      finite_count_(static_cast<double>(histogram.finite_count())) {
  const ValueRange kept = KeptBy(options);
  range_ = {std::clamp(histogram.min(), kept.min, kept.max),
            std::clamp(histogram.max(), kept.min, kept.max)};
  const double low = static_cast<double>(kept.min);
  const double high = static_cast<double>(kept.max);
  const double min = static_cast<double>(histogram.min());
  const double max = static_cast<double>(histogram.max());
  const ArrayView<const uint64_t> counts = histogram.counts();
  const size_t pieces = static_cast<size_t>(counts.size()) + 2;
  for (auto* values : {&begins_, &ends_, &counts_, &densities_}) values->reserve(pieces);

  const double zeros = static_cast<double>(histogram.zeros());
  if (low > 0.0) Add(low, low, zeros);
  for (int64_t i = 0; i < counts.size(); ++i) {
    if (counts[i] == 0) continue;
    const double count = static_cast<double>(counts[i]);
    const double begin = std::max(histogram.Edge(i), min);
    const double end = std::min(histogram.Edge(i + 1), max);
    const double from = std::clamp(begin, low, high);
    const double to = std::clamp(end, low, high);
    if (from == to || (from == begin && to == end)) {
      Add(from, to, count);
    } else {
      const double density = count / (end - begin);
      Add(low, low, density * (from - begin));
      Add(from, to, density * (to - from));
      Add(high, high, density * (end - to));
    }
  }
  if (high < 0.0) Add(high, high, zeros);
}

void RangeDensity::Add(double begin, double end, double count) {
  if (count == 0.0 || (begin == 0.0 && end == 0.0)) return;
  if (begin == end && !ends_.empty() && begins_.back() == begin && ends_.back() == end) {
    counts_.back() += count;
    return;
  }
  begins_.push_back(begin);
  ends_.push_back(end);
  counts_.push_back(count);
  densities_.push_back(end > begin ? count / (end - begin) : 0.0);
  if (begin == end) points_.push_back(counts_.size() - 1);
}

double RangeDensity::CountBelow(double x) const {
  double sum = 0.0;
  for (int64_t i = 0; i < size() && begin(i) < x; ++i) {
    sum += end(i) <= x ? count(i) : count(i) * ((x - begin(i)) / (end(i) - begin(i)));
  }
  return sum;
}

double RangeDensity::CountAbove(double x) const {
  double sum = 0.0;
  for (int64_t i = size() - 1; i >= 0 && end(i) > x; --i) {
    sum += begin(i) >= x ? count(i) : count(i) * ((end(i) - x) / (end(i) - begin(i)));
  }
  return sum;
}

double RangeDensity::L2Error(const QuantizationSteps& steps) const {
  const double inverse = 1.0 / steps.scale;
  double sum = 0.0;
  for (size_t i = 0; i < counts_.size(); ++i) {
    const double integral =
        ErrorIntegral(steps, ends_[i] * inverse) - ErrorIntegral(steps, begins_[i] * inverse);
    sum += densities_[i] * integral;
  }
  sum *= steps.scale;
  for (const size_t i : points_) {
    const double u = ends_[i] * inverse;
    const double rest = u - NearestStep(steps, u);
    sum += counts_[i] * rest * rest;
  }
  // Differences of integrals may round to less than nothing.
  return std::max(sum * steps.scale * steps.scale / finite_count_, 0.0);
}

double RangeDensity::ClippedBelow(double x) const {
  double sum = 0.0;
  for (int64_t i = 0; i < size() && begin(i) < x; ++i) {
    const double to = std::min(end(i), x);
    const double part =
        end(i) <= x ? count(i) : densities_[static_cast<size_t>(i)] * (to - begin(i));
    sum += SumOfSquares(part, x - to, to - begin(i));
  }
  return sum / finite_count_;
}

double RangeDensity::ClippedAbove(double x) const {
  double sum = 0.0;
  for (int64_t i = size() - 1; i >= 0 && end(i) > x; --i) {
    const double from = std::max(begin(i), x);
    const double part =
        begin(i) >= x ? count(i) : densities_[static_cast<size_t>(i)] * (end(i) - from);
    sum += SumOfSquares(part, from - x, end(i) - from);
  }
  return sum / finite_count_;
}

}  // namespace qforge
