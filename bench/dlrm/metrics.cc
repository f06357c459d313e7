#include "dlrm/metrics.h"

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <numeric>

namespace dlrm {

std::vector<double> LogLosses(const std::vector<float>& logits, const std::vector<float>& labels) {
  std::vector<double> losses(logits.size());
  for (size_t i = 0; i < logits.size(); ++i) {
    // -log(sigmoid(z)) or -log(1 - sigmoid(z)), in a form that neither overflows nor cancels.
    const double z = logits[i];
    losses[i] = std::max(z, 0.0) - z * labels[i] + std::log1p(std::exp(-std::abs(z)));
  }
  return losses;
}

double Mean(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double AreaUnderCurve(const std::vector<float>& scores, const std::vector<float>& labels) {
  std::vector<size_t> order(scores.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(), [&](size_t a, size_t b) { return scores[a] < scores[b]; });

  // The statistic of Mann and Whitney; equal scores share their mean rank.
  double positives = 0.0;
  double rank_sum = 0.0;
  for (size_t first = 0; first < order.size();) {
    size_t last = first;
    double tied_positives = 0.0;
    for (; last < order.size() && scores[order[last]] == scores[order[first]]; ++last) {
      tied_positives += labels[order[last]];
    }
    const double mean_rank = 0.5 * static_cast<double>(first + 1 + last);
    rank_sum += tied_positives * mean_rank;
    positives += tied_positives;
    first = last;
  }
  const double negatives = static_cast<double>(order.size()) - positives;
  if (positives == 0.0 || negatives == 0.0) return std::numeric_limits<double>::quiet_NaN();
  return (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives);
}

LossChange CompareLosses(const std::vector<double>& losses, const std::vector<double>& baseline) {
  std::vector<double> differences(losses.size());
  std::transform(losses.begin(), losses.end(), baseline.begin(), differences.begin(),
                 [](double a, double b) { return a - b; });
  const double count = static_cast<double>(differences.size());
  const double mean = Mean(differences);
  double squares = 0.0;
  for (const double difference : differences) squares += (difference - mean) * (difference - mean);
  const double baseline_mean = Mean(baseline);
  return {mean / baseline_mean, std::sqrt(squares / (count - 1.0) / count) / baseline_mean};
}

LogitDifference CompareLogits(const std::vector<float>& logits,
                              const std::vector<float>& baseline) {
  LogitDifference result;
  for (size_t i = 0; i < logits.size(); ++i) {
    const double difference = std::abs(static_cast<double>(logits[i]) - baseline[i]);
    result.mean += difference / static_cast<double>(logits.size());
    result.max = std::max(result.max, difference);
  }
  return result;
}

}  // namespace dlrm
