// How good a set of scores is, and how far two sets are apart.
#ifndef QFORGE_BENCH_DLRM_METRICS_H_
#define QFORGE_BENCH_DLRM_METRICS_H_

#include <vector>

namespace dlrm {

// The cross entropy of each label (0 or 1) under the probability that its logit stands for.
std::vector<double> LogLosses(const std::vector<float>& logits, const std::vector<float>& labels);

double Mean(const std::vector<double>& values);

// The probability that a random positive scores above a random negative, ties counted half. NaN
// where one of the two classes is empty.
double AreaUnderCurve(const std::vector<float>& scores, const std::vector<float>& labels);

struct LossChange {
  double relative = 0.0;        // (mean loss - mean baseline loss) / mean baseline loss
  double standard_error = 0.0;  // of `relative`, from the paired differences
};
// Of two sets of losses on the same requests, at least two of them.
LossChange CompareLosses(const std::vector<double>& losses, const std::vector<double>& baseline);

struct LogitDifference {
  double mean = 0.0;  // of the absolute differences
  double max = 0.0;
};
LogitDifference CompareLogits(const std::vector<float>& logits, const std::vector<float>& baseline);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_METRICS_H_
