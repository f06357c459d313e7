#include "dlrm/experiment.h"

#include <algorithm>
#include <filesystem>

#include "common/progress.h"
#include "dlrm/check.h"
#include "dlrm/variants.h"

namespace dlrm {
using qforge::bench::Progress;

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

std::string ModelText(const Model& model) {
  return "bottom MLP " + ShapeText(model.bottom) + ", top MLP " + ShapeText(model.top) + ", " +
         std::to_string(model.tables.size()) + " tables of dimension " + std::to_string(model.dim) +
         ", " + std::to_string(model.table_rows()) + " rows in all";
}

std::string ModelName(const ExperimentOptions& options) {
  return options.model.empty() ? "synthetic, in the shape of Criteo Kaggle"
                               : std::filesystem::path(options.model).filename().string();
}

ExperimentResult RunExperiment(const ExperimentOptions& options) {
  const std::vector<EmbeddingFormat> formats =
      EmbeddingFormats(options.embeddings, options.embedding_methods);
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
  const std::vector<Variant> variants =
      MakeVariants(context, data.model, data.calibration, options.mlps, formats, max_rows);

  ExperimentResult result;
  result.model_name = ModelName(options);
  result.model_text = ModelText(data.model);
  result.embedding_bytes = data.model.table_bytes();
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
                               .embedding = variant.embedding,
                               .embedding_bytes = variant.engine->embedding_bytes(),
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
