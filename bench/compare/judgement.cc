#include "compare/judgement.h"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <optional>

namespace qforge::compare {
namespace {

// How well quartiles say what the variance is: as the variance of some ten values does.
constexpr double kDegreesOfQuartiles = 10;

// How often one of all intervals may miss, if nothing but noise is there.
constexpr double kOutside = 0.01;

struct Side {
  int runs = 0;
  double mean = 0;                 // of logarithms
  std::optional<double> variance;  // of a run
  double degrees = 0;              // of freedom, of the variance

  double variance_of_mean() const { return *variance / runs; }
};

Side Summarize(const std::vector<Sample>& samples) {
  Side side;
  double within = 0;
  int with_variance = 0;
  for (const Sample& sample : samples) {
    if (sample.disturbed) continue;
    ++side.runs;
    side.mean += std::log(sample.value);
    if (!sample.variance) continue;
    ++with_variance;
    within += *sample.variance;
  }
  if (side.runs == 0) return side;
  side.mean /= side.runs;
  // Figures that are all the same say that nobody looked, and not that nothing varies.
  if (within > 0) {
    side.variance = within / with_variance;
    side.degrees = kDegreesOfQuartiles;
  }
  if (side.runs < 2) return side;
  double between = 0;
  for (const Sample& sample : samples) {
    if (sample.disturbed) continue;
    const double difference = std::log(sample.value) - side.mean;
    between += difference * difference;
  }
  between /= side.runs - 1;
  if (between > side.variance.value_or(0)) {
    side.variance = between;
    side.degrees = side.runs - 1;
  }
  return side;
}

// The share of values of Student's t that lie within +-t (Abramowitz and Stegun, 26.7.3 and 4).
double ShareWithin(double t, int degrees) {
  const double angle = std::atan(t / std::sqrt(degrees));
  const double cosine = std::cos(angle);
  double sum = 0, term = degrees % 2 == 0 ? 1 : cosine;
  for (int i = 2 + degrees % 2; i <= degrees; i += 2) {
    sum += term;
    term *= cosine * cosine * (i - 1) / i;
  }
  if (degrees % 2 == 0) return std::sin(angle) * sum;
  return (angle + std::sin(angle) * sum) * 2 / std::numbers::pi;
}

// Student's t that all but the share `outside` of values lie within, by bisection. Degrees are
// rounded down.
double Quantile(double degrees, double outside) {
  const int whole = static_cast<int>(std::clamp(degrees, 1.0, 1000.0));
  double low = 0, high = 1;
  while (1 - ShareWithin(high, whole) > outside) high *= 2;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (1 - ShareWithin(middle, whole) > outside ? low : high) = middle;
  }
  return high;
}

// Welch and Satterthwaite.
double Degrees(const Side& a, const Side& b) {
  const double of_a = a.variance_of_mean(), of_b = b.variance_of_mean();
  const double below = of_a * of_a / a.degrees + of_b * of_b / b.degrees;
  return below == 0 ? 1 : (of_a + of_b) * (of_a + of_b) / below;
}

void TakeVarianceOf(const Side& other, Side* side) {
  if (side->variance) return;
  side->variance = other.variance;
  side->degrees = other.degrees;
}

}  // namespace

Judgement Judge(const std::vector<Sample>& base_samples, const std::vector<Sample>& fresh_samples,
                double threshold, size_t entries) {
  Judgement judgement;
  Side base = Summarize(base_samples), fresh = Summarize(fresh_samples);
  if (base.runs == 0 || fresh.runs == 0) {
    judgement.verdict = Verdict::kDisturbed;
    return judgement;
  }
  judgement.base = std::exp(base.mean);
  judgement.fresh = std::exp(fresh.mean);
  judgement.ratio = std::exp(fresh.mean - base.mean);
  TakeVarianceOf(fresh, &base);
  TakeVarianceOf(base, &fresh);
  if (!base.variance) return judgement;

  const double outside = kOutside / static_cast<double>(entries);
  const double noise = std::exp(Quantile(Degrees(base, fresh), outside) *
                                std::sqrt(base.variance_of_mean() + fresh.variance_of_mean()));
  judgement.low = judgement.ratio / noise;
  judgement.high = judgement.ratio * noise;
  if (judgement.low > 1 && judgement.ratio > 1 + threshold) {
    judgement.verdict = Verdict::kSlower;
  } else if (judgement.high < 1 && judgement.ratio < 1 / (1 + threshold)) {
    judgement.verdict = Verdict::kFaster;
  } else {
    judgement.verdict = Verdict::kSame;
  }
  return judgement;
}

}  // namespace qforge::compare
