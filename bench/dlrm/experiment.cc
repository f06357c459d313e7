#include "dlrm/experiment.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <utility>

#include "common/progress.h"
#include "dlrm/check.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/int8_mlp.h"

namespace dlrm {
namespace {

using qforge::bench::Progress;

// Mean absolute difference of int8 logits from fp32 logits that calibration accepts: in a log loss
// it is far below the 0.02 % that recommendation can spare.
constexpr double kLogitBudget = 0.02;

struct Variant {
  std::string name;
  std::string description;
  std::unique_ptr<Engine> engine;
};

SyntheticData LoadData(const qforge::Context& context, const ExperimentOptions& options) {
  if (options.model.empty()) return MakeSyntheticData(context, options.synthetic);
  const Progress progress("loading the model and the requests");
  SyntheticData data;
  data.model = LoadModel(options.model);
  data.calibration = LoadRequests(options.calibration, data.model);
  data.evaluation = LoadRequests(options.evaluation, data.model);
  if (data.evaluation.labels.empty()) throw Error(options.evaluation + " has no tensor 'label'");
  return data;
}

Variant MakeFp32(const qforge::Context& context, const Model& model, int64_t max_rows) {
  return {
      "fp32",
      std::string("MLPs: this program's own blocked ") + Fp32KernelsFor(context.isa()).name +
          " kernels, weights packed, bias and ReLU fused",
      std::make_unique<Engine>(
          context, model,
          std::make_unique<Fp32Mlp>(context, model.bottom, /*relu_last=*/true, max_rows),
          std::make_unique<Fp32Mlp>(context, model.top, /*relu_last=*/false, max_rows), max_rows)};
}

// Of the ways to quantise the MLPs' f32 inputs, from the fastest to the most accurate, the first
// that keeps the logits of the calibration requests close enough; else the last.
Variant MakeInt8(const qforge::Context& context, const Model& model, const Requests& calibration,
                 Engine& fp32) {
  const Progress progress("quantising the MLPs");
  const int64_t max_rows = fp32.max_rows();
  const Samples dense(calibration.dense.data(), calibration.rows, model.dense_features());
  const std::vector<float> top_inputs = fp32.TopInputs(calibration);
  const Samples interactions(top_inputs.data(), calibration.rows, model.top_inputs());
  const std::vector<float> fp32_logits = fp32.Score(calibration);

  Variant variant;
  variant.name = "int8";
  for (const auto& [scaling, scaling_text] :
       {std::pair(qforge::InputScaling::kPerTensor, ""),
        std::pair(qforge::InputScaling::kDynamicPerRow, ", inputs in each request's own range")}) {
    variant.engine = std::make_unique<Engine>(
        context, model,
        std::make_unique<Int8Mlp>(context, model.bottom, /*relu_last=*/true, scaling, dense,
                                  max_rows),
        std::make_unique<Int8Mlp>(context, model.top, /*relu_last=*/false, scaling, interactions,
                                  max_rows),
        max_rows);
    const double difference = CompareLogits(variant.engine->Score(calibration), fp32_logits).mean;
    variant.description =
        std::string("MLPs: qforge, s8 weights per channel, u8 activations in the ranges of the ") +
        "calibration set" + scaling_text;
    if (difference <= kLogitBudget) break;
  }
  return variant;
}

std::string ModelText(const Model& model) {
  return "bottom MLP " + ShapeText(model.bottom) + ", top MLP " + ShapeText(model.top) + ", " +
         std::to_string(model.tables.size()) + " tables of dimension " + std::to_string(model.dim) +
         ", " + std::to_string(model.table_rows()) + " rows in all";
}

}  // namespace

ExperimentResult RunExperiment(const ExperimentOptions& options) {
  qforge::ContextOptions context_options;
  context_options.max_threads = options.threads;
  context_options.max_isa = options.max_isa;
  const qforge::Context context = Take(qforge::Context::Create(context_options));

  const SyntheticData data = LoadData(context, options);
  const int64_t max_rows = *std::max_element(options.batches.begin(), options.batches.end());
  if (max_rows > data.evaluation.rows) {
    throw Error("a batch of " + std::to_string(max_rows) + " is larger than the evaluation set, " +
                std::to_string(data.evaluation.rows) + " requests");
  }
  std::vector<Variant> variants;
  variants.push_back(MakeFp32(context, data.model, max_rows));
  variants.push_back(MakeInt8(context, data.model, data.calibration, *variants.front().engine));

  ExperimentResult result;
  result.model_name = options.model.empty()
                          ? "synthetic, in the shape of Criteo Kaggle"
                          : std::filesystem::path(options.model).filename().string();
  result.model_text = ModelText(data.model);
  result.embedding_bytes = data.model.table_rows() * data.model.dim * sizeof(float);
  result.calibration_requests = data.calibration.rows;
  result.evaluation_requests = data.evaluation.rows;
  result.isa = qforge::IsaName(context.isa());
  result.threads = context.thread_count();

  const std::vector<float> baseline_logits = variants.front().engine->Score(data.evaluation);
  const std::vector<double> baseline_losses = LogLosses(baseline_logits, data.evaluation.labels);
  if (!data.evaluation.fp32_logits.empty()) {
    result.fp32_file_difference = CompareLogits(baseline_logits, data.evaluation.fp32_logits).max;
  }
  std::vector<Engine*> engines;
  for (const Variant& variant : variants) {
    const std::vector<float> logits = variant.engine->Score(data.evaluation);
    const std::vector<double> losses = LogLosses(logits, data.evaluation.labels);
    result.variants.push_back({.name = variant.name,
                               .description = variant.description,
                               .mlp_weight_bytes = variant.engine->mlp_weight_bytes(),
                               .logloss = Mean(losses),
                               .auc = AreaUnderCurve(logits, data.evaluation.labels),
                               .loss_change = CompareLosses(losses, baseline_losses),
                               .logit_difference = CompareLogits(logits, baseline_logits),
                               .batches = {}});
    engines.push_back(variant.engine.get());
  }
  for (const int64_t batch : options.batches) {
    Progress progress("measuring batches of " + std::to_string(batch));
    const std::vector<BatchTiming> timings =
        MeasureBatch(engines, data.evaluation, batch, options.seconds, progress);
    for (size_t i = 0; i < timings.size(); ++i) result.variants[i].batches.push_back(timings[i]);
  }
  return result;
}

}  // namespace dlrm
