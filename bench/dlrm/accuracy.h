// What int8 costs in accuracy, layer by layer and by the way ranges are chosen: dlrm --report.
#ifndef QFORGE_BENCH_DLRM_ACCURACY_H_
#define QFORGE_BENCH_DLRM_ACCURACY_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dlrm/experiment.h"
#include "dlrm/metrics.h"
#include "qforge/qforge.h"

namespace dlrm {

struct AccuracyOptions {
  ExperimentOptions experiment;       // embeddings, batches and seconds do not matter
  double min_signal_to_noise = 40.0;  // dB, of a layer that is quantised
};

struct LayerAccuracy {
  std::string name;  // "bottom.0"
  int64_t inputs = 0;
  int64_t outputs = 0;
  std::vector<qforge::ErrorStatistics> errors;  // on the calibration requests, one per method
  bool in_fp32 = false;                         // chosen under the budget, for the first method
};

// The model with all int8 layers made one way.
struct WayAccuracy {
  std::string name;
  std::string description;
  double logloss = 0.0;
  LossChange loss_change;  // against fp32
  LogitDifference logit_difference;
};

struct AccuracyResult {
  std::string model_name;
  std::string model_text;
  int64_t calibration_requests = 0;
  int64_t evaluation_requests = 0;
  std::string isa;
  int threads = 0;
  double min_signal_to_noise = 0.0;
  qforge::PrecisionChoice choice;
  std::vector<std::string> methods;  // of the ranges of inputs
  std::vector<LayerAccuracy> layers;
  std::vector<WayAccuracy> ways;  // the first is fp32
};

// Throws Error.
AccuracyResult MeasureAccuracy(const AccuracyOptions& options);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_ACCURACY_H_
