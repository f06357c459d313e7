// Everything the demo does between its options and its table.
#ifndef QFORGE_BENCH_DLRM_EXPERIMENT_H_
#define QFORGE_BENCH_DLRM_EXPERIMENT_H_

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "dlrm/embedding_format.h"
#include "dlrm/metrics.h"
#include "dlrm/synthetic.h"
#include "dlrm/timing.h"
#include "qforge/isa.h"

namespace dlrm {

struct ExperimentOptions {
  // Paths of safetensors files: all three, or none for the synthetic model.
  std::string model;
  std::string calibration;
  std::string evaluation;
  SyntheticOptions synthetic;

  std::vector<std::string> mlps = {"fp32", "fp16", "bf16", "int8"};  // of MlpFormatNames()
  // As EmbeddingFormats() takes them.
  std::vector<std::string> embeddings = {"fp32", "u8", "u4"};
  std::vector<std::string> embedding_methods;

  int threads = 1;
  qforge::Isa max_isa = qforge::kHighestIsa;
  std::vector<int64_t> batches = {1, 16, 128};
  double seconds = 4.0;  // of measuring, per batch size
};

// One way to run the model. The first is the baseline that the others are compared with.
struct VariantResult {
  std::string name;
  std::string description;
  EmbeddingFormat embedding;
  int64_t embedding_bytes = 0;
  int64_t mlp_weight_bytes = 0;
  double logloss = 0.0;
  double auc = 0.0;
  LossChange loss_change;
  LogitDifference logit_difference;
  std::vector<BatchTiming> batches;
};

struct ExperimentResult {
  std::string model_name;
  std::string model_text;       // its MLPs and tables
  int64_t embedding_bytes = 0;  // in fp32
  int64_t calibration_requests = 0;
  int64_t evaluation_requests = 0;
  std::string isa;
  int threads = 0;
  // Largest difference of the fp32 logits from those in the evaluation file, if it has any.
  std::optional<double> fp32_file_difference;
  std::vector<VariantResult> variants;
};

// What the options name, or the synthetic model. Throws Error.
SyntheticData LoadData(const qforge::Context& context, const ExperimentOptions& options);
std::string ModelName(const ExperimentOptions& options);
std::string ModelText(const Model& model);  // its MLPs and tables

// Throws Error.
ExperimentResult RunExperiment(const ExperimentOptions& options);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_EXPERIMENT_H_
