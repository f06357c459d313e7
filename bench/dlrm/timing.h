// Speed of engines that do the same work, measured in turns so that they meet the same machine.
#ifndef QFORGE_BENCH_DLRM_TIMING_H_
#define QFORGE_BENCH_DLRM_TIMING_H_

#include <cstdint>
#include <vector>

#include "common/progress.h"
#include "dlrm/engine.h"
#include "dlrm/requests.h"

namespace dlrm {

struct BatchTiming {
  int64_t batch = 0;                 // requests scored together
  double requests_per_second = 0.0;  // the median of several turns
  double p50_microseconds = 0.0;     // of one batch
  double p99_microseconds = 0.0;
  double mlp_requests_per_second = 0.0;  // the two MLPs alone; the same median
};

// The smallest value that at least `fraction` of the values do not exceed. Reorders `values`, of
// which there must be one.
double Quantile(std::vector<double>& values, double fraction);

// One result per engine. Takes about `seconds` in all; `requests` has at least `batch` rows.
std::vector<BatchTiming> MeasureBatch(const std::vector<Engine*>& engines, const Requests& requests,
                                      int64_t batch, double seconds,
                                      qforge::bench::Progress& progress);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_TIMING_H_
