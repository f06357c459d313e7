// What flipped bits do to the model's answers, and what checks find of them: dlrm --soft-errors.
#ifndef QFORGE_BENCH_DLRM_SOFT_ERRORS_H_
#define QFORGE_BENCH_DLRM_SOFT_ERRORS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dlrm/experiment.h"
#include "dlrm/metrics.h"

namespace dlrm {

struct SoftErrorExperimentOptions {
  ExperimentOptions experiment;  // formats, batches and seconds do not matter
  // Faults per request. At most one strikes in a batch of 128: a bit of an accumulator of a layer,
  // or of a row that the batch looks up, in turn.
  double rate = 0.001;
};

// Faults at one place.
struct FaultCounts {
  std::string place;
  int64_t injected = 0;
  int64_t detected = 0;
  int64_t changed = 0;           // changed a logit where nothing was done about them
  int64_t changed_detected = 0;  // of these
};

// The answers to all evaluated requests.
struct AnswersWithFaults {
  std::string name;
  double logloss = 0.0;
  LossChange loss_change;  // against the same model without faults
  LogitDifference logit_difference;
};

struct SoftErrorResult {
  std::string model_name;
  std::string model_text;
  int64_t evaluation_requests = 0;
  std::string isa;
  int threads = 0;
  double rate = 0.0;
  std::vector<FaultCounts> faults;
  int64_t checked = 0;                     // rows of products and bags
  int64_t false_alarms = 0;                // in batches without a fault
  std::vector<AnswersWithFaults> answers;  // without faults, with them, and with checks
};

// int8 MLPs and u8 rows. Throws Error.
SoftErrorResult MeasureSoftErrors(const SoftErrorExperimentOptions& options);

std::string TextReport(const SoftErrorResult& result);
std::string JsonReport(const SoftErrorResult& result);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_SOFT_ERRORS_H_
