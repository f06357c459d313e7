#include "dlrm/soft_errors.h"

#include <algorithm>
#include <memory>
#include <nlohmann/json.hpp>
#include <random>

#include "common/progress.h"
#include "dlrm/check.h"
#include "dlrm/checked_embeddings.h"
#include "dlrm/engine.h"
#include "dlrm/fp32_embeddings.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/int8_mlp.h"
#include "dlrm/text_table.h"

namespace dlrm {
namespace {

using qforge::SoftErrorPolicy;

constexpr int64_t kBatch = 128;

// A model whose MLPs and tables follow one policy, with places for faults in its layers.
class Serving {
 public:
  Serving(const qforge::Context& context, const SyntheticData& data, const Samples& interactions,
          std::shared_ptr<TableMemory> memory, SoftErrorPolicy policy)
      : monitor_(std::make_unique<qforge::SoftErrorMonitor>()),
        bottom_checks_{policy, monitor_.get(), {}},
        top_checks_{policy, monitor_.get(), {}} {
    const Model& model = data.model;
    const Samples dense(data.calibration.dense.data(), data.calibration.rows,
                        model.dense_features());
    constexpr auto kScaling = qforge::InputScaling::kDynamicPerRow;
    auto bottom = std::make_shared<Int8Mlp>(context, model.bottom, /*relu_last=*/true, kScaling,
                                            dense, kBatch, &bottom_checks_);
    auto top = std::make_shared<Int8Mlp>(context, model.top, /*relu_last=*/false, kScaling,
                                         interactions, kBatch, &top_checks_);
    // Rows with a flipped bit stay so: looking again does not help, repairing does.
    const SoftErrorPolicy of_rows =
        policy == SoftErrorPolicy::kRecompute ? SoftErrorPolicy::kFail : policy;
    engine_ =
        std::make_unique<Engine>(context, model,
                                 std::make_shared<CheckedEmbeddings>(
                                     context, model, std::move(memory), of_rows, monitor_.get()),
                                 bottom, top, kBatch);
  }

  Engine& engine() { return *engine_; }
  qforge::SoftErrorCounts counts() const { return monitor_->counts(); }
  size_t layers() const { return bottom_checks_.injections.size() + top_checks_.injections.size(); }
  qforge::SoftErrorInjection& injection(size_t layer) {
    const size_t bottom = bottom_checks_.injections.size();
    return *(layer < bottom ? bottom_checks_.injections[layer]
                            : top_checks_.injections[layer - bottom]);
  }

 private:
  std::unique_ptr<qforge::SoftErrorMonitor> monitor_;
  MlpChecks bottom_checks_;
  MlpChecks top_checks_;
  std::unique_ptr<Engine> engine_;
};

// Of layer `index` of both MLPs, the bottom one's first.
int64_t MlpOutputs(const Model& model, size_t index) {
  const size_t bottom = model.bottom.size();
  return index < bottom ? model.bottom[index].outputs : model.top[index - bottom].outputs;
}

AnswersWithFaults Compare(const std::string& name, const std::vector<float>& logits,
                          const std::vector<float>& clean, const std::vector<float>& labels) {
  const std::vector<double> losses = LogLosses(logits, labels);
  return {name, Mean(losses), CompareLosses(losses, LogLosses(clean, labels)),
          CompareLogits(logits, clean)};
}

}  // namespace

SoftErrorResult MeasureSoftErrors(const SoftErrorExperimentOptions& options) {
  qforge::ContextOptions context_options;
  context_options.max_threads = options.experiment.threads;
  context_options.max_isa = options.experiment.max_isa;
  const qforge::Context context = Take(qforge::Context::Create(context_options));
  const SyntheticData data = LoadData(context, options.experiment);
  const Model& model = data.model;
  const Requests& requests = data.evaluation;

  // The fp32 model says what the top MLP gets.
  Engine fp32(context, model, std::make_shared<Fp32Embeddings>(context, model),
              std::make_shared<Fp32Mlp>(context, model.bottom, /*relu_last=*/true, kBatch),
              std::make_shared<Fp32Mlp>(context, model.top, /*relu_last=*/false, kBatch), kBatch);
  const std::vector<float> top_inputs = fp32.TopInputs(data.calibration);
  const Samples interactions(top_inputs.data(), data.calibration.rows, model.top_inputs());
  const auto memory = std::make_shared<TableMemory>(context, model);
  Serving unprotected(context, data, interactions, memory, SoftErrorPolicy::kReport);
  Serving checked(context, data, interactions, memory, SoftErrorPolicy::kRecompute);

  SoftErrorResult result;
  result.model_name = ModelName(options.experiment);
  result.model_text = ModelText(model);
  result.evaluation_requests = requests.rows;
  result.isa = qforge::IsaName(context.isa());
  result.threads = context.thread_count();
  result.rate = options.rate;
  result.faults = {{.place = "accumulators of layers"}, {.place = "rows of tables"}};

  const std::vector<float> clean = unprotected.engine().Score(requests);
  std::vector<float> with_faults(clean.size());
  std::vector<float> with_checks(clean.size());
  std::mt19937_64 random(options.experiment.synthetic.seed);
  const auto below = [&](int64_t bound) {
    return std::uniform_int_distribution<int64_t>(0, bound - 1)(random);
  };
  std::bernoulli_distribution strikes(std::min(1.0, options.rate * static_cast<double>(kBatch)));
  qforge::bench::Progress progress("answering requests");
  size_t place = 0;
  for (int64_t first = 0; first < requests.rows; first += kBatch) {
    progress.Update(static_cast<double>(first) / static_cast<double>(requests.rows));
    const int64_t rows = std::min(kBatch, requests.rows - first);
    const bool struck = strikes(random);
    const size_t layer = static_cast<size_t>(below(static_cast<int64_t>(checked.layers())));
    const size_t table = static_cast<size_t>(below(static_cast<int64_t>(memory->tables())));
    const int64_t request = below(rows);
    const int64_t bit = below(memory->row_bytes() * 8);
    const Bags& bags = requests.bags[table];
    const int64_t position = bags.offsets[static_cast<size_t>(first + request)];
    const bool looks_up = position < bags.offsets[static_cast<size_t>(first + request + 1)];
    const int64_t row = looks_up ? bags.indices[static_cast<size_t>(position)] : 0;
    const int64_t column = below(MlpOutputs(model, layer));
    const auto strike = [&](Serving& serving) {
      if (place == 1) return memory->Flip(table, row, bit);
      qforge::SoftErrorInjection& injection = serving.injection(layer);
      injection.row = request;
      injection.column = column;
      injection.bit = static_cast<int>(bit % 32);
      injection.times = 1;
    };
    const uint64_t before = checked.counts().detected;
    if (struck) strike(unprotected);
    unprotected.engine().Run(requests, first, rows, with_faults.data() + first);
    if (struck) memory->Repair(table, row);
    if (struck) strike(checked);
    checked.engine().Run(requests, first, rows, with_checks.data() + first);
    if (struck) memory->Repair(table, row);

    const bool detected = checked.counts().detected > before;
    if (!struck) {
      result.false_alarms += detected ? 1 : 0;
      continue;
    }
    const bool changed = !std::equal(with_faults.begin() + first,
                                     with_faults.begin() + first + rows, clean.begin() + first);
    FaultCounts& counts = result.faults[place];
    ++counts.injected;
    counts.detected += detected ? 1 : 0;
    counts.changed += changed ? 1 : 0;
    counts.changed_detected += changed && detected ? 1 : 0;
    place = 1 - place;
  }
  result.checked = static_cast<int64_t>(checked.counts().checked);
  result.answers = {Compare("no faults", clean, clean, requests.labels),
                    Compare("faults", with_faults, clean, requests.labels),
                    Compare("faults, checks on", with_checks, clean, requests.labels)};
  return result;
}

std::string TextReport(const SoftErrorResult& result) {
  constexpr size_t kLabelWidth = 8;
  std::string text = "Flipped bits while serving, int8 MLPs and 8-bit rows\n\n";
  text += LabelledLine("model", kLabelWidth, result.model_name + ": " + result.model_text);
  text +=
      LabelledLine("requests", kLabelWidth,
                   Grouped(static_cast<double>(result.evaluation_requests)) + " in batches of " +
                       std::to_string(kBatch) + Format(", %.4g faults a request", result.rate));
  text += LabelledLine(
      "machine", kLabelWidth,
      result.isa + Format(", %d thread%s", result.threads, result.threads == 1 ? "" : "s"));
  text += LabelledLine("checks", kLabelWidth,
                       "products are computed again, rows repaired from a second copy");

  TextTable faults("What was caught");
  std::vector<std::string> places, injected, detected, changed, changed_detected;
  for (const FaultCounts& counts : result.faults) {
    const auto count = [](int64_t value) { return Grouped(static_cast<double>(value)); };
    places.push_back(counts.place);
    injected.push_back(count(counts.injected));
    detected.push_back(count(counts.detected));
    changed.push_back(count(counts.changed));
    changed_detected.push_back(count(counts.changed_detected));
  }
  faults.Column("faults in", places);
  faults.Column("injected", injected);
  faults.Column("detected", detected);
  faults.Column("changed an answer", changed);
  faults.Column("of these detected", changed_detected);
  text += faults.Text();

  TextTable answers("What it would have done");
  std::vector<std::string> names, losses, changes, means, largest;
  for (const AnswersWithFaults& way : result.answers) {
    const bool first = &way == &result.answers.front();
    names.push_back(way.name);
    losses.push_back(Format("%.6f", way.logloss));
    changes.push_back(first ? ""
                            : Format("%+.4f %% ± %.4f %%", 100.0 * way.loss_change.relative,
                                     100.0 * way.loss_change.standard_error));
    means.push_back(first ? "" : Format("%.5f", way.logit_difference.mean));
    largest.push_back(first ? "" : Format("%.5g", way.logit_difference.max));
  }
  answers.Column("", names);
  answers.Column("log loss", losses);
  answers.Column("change", changes);
  answers.Column("logit difference, mean", means);
  answers.Column("largest", largest);
  return text + answers.Text() +
         Format("\n%lld false alarm(s) in ", static_cast<long long>(result.false_alarms)) +
         Grouped(static_cast<double>(result.checked)) +
         " checked rows of products and bags. A fault that no answer depends on, as\none in a "
         "negative sum before a ReLU, changes none. ± is one standard error of the paired\n"
         "differences.\n";
}

std::string JsonReport(const SoftErrorResult& result) {
  nlohmann::ordered_json json;
  json["setup"] = {{"model", result.model_name},
                   {"model_shape", result.model_text},
                   {"evaluation_requests", result.evaluation_requests},
                   {"isa", result.isa},
                   {"threads", result.threads},
                   {"faults_per_request", result.rate}};
  for (const FaultCounts& counts : result.faults) {
    json["faults"][counts.place] = {{"injected", counts.injected},
                                    {"detected", counts.detected},
                                    {"changed_an_answer", counts.changed},
                                    {"changed_an_answer_detected", counts.changed_detected}};
  }
  json["checked"] = result.checked;
  json["false_positives"] = result.false_alarms;
  for (const AnswersWithFaults& way : result.answers) {
    json["answers"][way.name] = {
        {"logloss", way.logloss},
        {"relative_logloss_change", way.loss_change.relative},
        {"relative_logloss_change_standard_error", way.loss_change.standard_error},
        {"mean_logit_difference", way.logit_difference.mean},
        {"max_logit_difference", way.logit_difference.max}};
  }
  return json.dump(2) + "\n";
}

}  // namespace dlrm
