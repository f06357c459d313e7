#include "compare/judgement.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <optional>

namespace qforge::compare {
namespace {

// How well quartiles say what the variance is: as the variance of some ten values does.
constexpr double kDegreesOfQuartiles = 10;

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
  if (with_variance > 0) {
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
  side.variance = std::max(between, side.variance.value_or(0));
  side.degrees = std::max(side.degrees, static_cast<double>(side.runs - 1));
  return side;
}

// Student's t that 99 % of values lie within, rounded towards fewer degrees of freedom.
double Quantile(double degrees) {
  constexpr std::array kOneToThirty = {63.66, 9.925, 5.841, 4.604, 4.032, 3.707, 3.499, 3.355,
                                       3.250, 3.169, 3.106, 3.055, 3.012, 2.977, 2.947, 2.921,
                                       2.898, 2.878, 2.861, 2.845, 2.831, 2.819, 2.807, 2.797,
                                       2.787, 2.779, 2.771, 2.763, 2.756, 2.750};
  const double last = static_cast<double>(kOneToThirty.size());
  return kOneToThirty[static_cast<size_t>(std::clamp(degrees, 1.0, last)) - 1];
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
                double threshold) {
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

  const double noise = std::exp(Quantile(Degrees(base, fresh)) *
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
