#include "dlrm/report.h"

#include <algorithm>
#include <functional>
#include <nlohmann/json.hpp>
#include <utility>

#include "dlrm/text_table.h"

namespace dlrm {
namespace {

// A row per variant.
class Table {
 public:
  using Cell = std::function<std::string(const VariantResult&)>;

  Table(std::string title, const ExperimentResult& result)
      : table_(std::move(title)), variants_(result.variants) {
    Column("", [](const VariantResult& variant) { return variant.name; });
  }

  void Column(const std::string& heading, const Cell& cell) {
    std::vector<std::string> cells;
    for (const VariantResult& variant : variants_) cells.push_back(cell(variant));
    table_.Column(heading, std::move(cells));
  }

  // As Column, for what only makes sense beside the baseline.
  void ComparisonColumn(const std::string& heading, const Cell& cell) {
    Column(heading, [&](const VariantResult& variant) {
      return &variant == &variants_.front() ? "" : cell(variant);
    });
  }

  // Two columns: a rate, and how many times the baseline's it is.
  void RateColumns(const std::string& heading,
                   const std::function<double(const VariantResult&)>& rate) {
    Column(heading, [&](const VariantResult& variant) { return Grouped(rate(variant)); });
    ComparisonColumn("", [&](const VariantResult& variant) {
      return Format("%.2fx", rate(variant) / rate(variants_.front()));
    });
  }

  std::string Text() const { return table_.Text(); }

 private:
  TextTable table_;
  const std::vector<VariantResult>& variants_;
};

std::string Heading(const ExperimentResult& result) {
  std::string text =
      "DLRM inference in fp32, and with MLPs and embedding rows in several formats\n\n";
  size_t label_width = std::string("requests").size();
  for (const auto& variant : result.variants) {
    label_width = std::max(label_width, variant.name.size());
  }
  const auto line = [&](const std::string& label, const std::string& value) {
    text += LabelledLine(label, label_width, value);
  };
  line("model", result.model_name + ": " + result.model_text);
  line("requests", Grouped(static_cast<double>(result.evaluation_requests)) + " evaluated, " +
                       Grouped(static_cast<double>(result.calibration_requests)) +
                       " others for calibration");
  line("machine",
       result.isa + Format(", %d thread%s", result.threads, result.threads == 1 ? "" : "s"));
  if (result.fp32_file_difference) {
    line("check", Format("fp32 logits differ from the evaluation file's by at most %.1g",
                         *result.fp32_file_difference));
  }
  for (const VariantResult& variant : result.variants) line(variant.name, variant.description);
  return text;
}

double PartOfFp32(const ExperimentResult& result, const VariantResult& variant) {
  return static_cast<double>(variant.embedding_bytes) / static_cast<double>(result.embedding_bytes);
}

std::string BatchText(int64_t batch) {
  return batch == 1 ? "one at a time" : "in batches of " + Grouped(static_cast<double>(batch));
}

std::string OverviewTable(const ExperimentResult& result) {
  Table table("Size, accuracy, speed", result);
  table.Column("tables", [](const auto& v) { return Bytes(v.embedding_bytes); });
  table.Column("of fp32",
               [&](const auto& v) { return Format("%.2f %%", 100.0 * PartOfFp32(result, v)); });
  table.Column("MLPs", [](const auto& v) { return Bytes(v.mlp_weight_bytes); });
  table.Column("log loss", [](const auto& v) { return Format("%.6f", v.logloss); });
  table.ComparisonColumn("change", [](const auto& v) {
    return Format("%+.4f %% ± %.4f %%", 100.0 * v.loss_change.relative,
                  100.0 * v.loss_change.standard_error);
  });
  table.Column("AUC", [](const auto& v) { return Format("%.6f", v.auc); });
  table.RateColumns("requests/s",
                    [](const auto& v) { return v.batches.back().requests_per_second; });
  return table.Text();
}

std::string LogitTable(const ExperimentResult& result) {
  Table table("Difference of logits from fp32", result);
  table.ComparisonColumn("mean",
                         [](const auto& v) { return Format("%.5f", v.logit_difference.mean); });
  table.ComparisonColumn("largest",
                         [](const auto& v) { return Format("%.5f", v.logit_difference.max); });
  return table.Text();
}

std::string SpeedTable(const ExperimentResult& result, size_t index) {
  const auto timing = [index](const VariantResult& v) { return v.batches[index]; };
  const int64_t batch = timing(result.variants.front()).batch;
  Table table(
      batch == 1 ? "One request at a time" : "Batches of " + Grouped(static_cast<double>(batch)),
      result);
  table.RateColumns("requests/s", [&](const auto& v) { return timing(v).requests_per_second; });
  table.RateColumns("in the MLPs alone",
                    [&](const auto& v) { return timing(v).mlp_requests_per_second; });
  table.Column("latency p50",
               [&](const auto& v) { return Format("%.1f µs", timing(v).p50_microseconds); });
  table.Column("p99", [&](const auto& v) { return Format("%.1f µs", timing(v).p99_microseconds); });
  return table.Text();
}

}  // namespace

std::string TextReport(const ExperimentResult& result) {
  std::string text = Heading(result) + OverviewTable(result) + LogitTable(result);
  for (size_t i = 0; i < result.variants.front().batches.size(); ++i) text += SpeedTable(result, i);
  return text + "\n± is one standard error of the paired differences; change and x compare with " +
         result.variants.front().name + ".\nThe first table's requests are answered " +
         BatchText(result.variants.front().batches.back().batch) + ".\n";
}

std::string JsonReport(const ExperimentResult& result) {
  nlohmann::ordered_json json;
  auto& setup = json["setup"];
  setup = {{"model", result.model_name},
           {"model_shape", result.model_text},
           {"embedding_bytes", result.embedding_bytes},
           {"calibration_requests", result.calibration_requests},
           {"evaluation_requests", result.evaluation_requests},
           {"isa", result.isa},
           {"threads", result.threads}};
  if (result.fp32_file_difference) {
    setup["max_difference_from_file_logits"] = *result.fp32_file_difference;
  }
  for (const VariantResult& variant : result.variants) {
    auto& entry = json[variant.name];
    entry = {{"description", variant.description},
             {"embedding_format", variant.embedding.name},
             {"embedding_bytes", variant.embedding_bytes},
             {"embedding_bytes_of_fp32", PartOfFp32(result, variant)},
             {"mlp_weight_bytes", variant.mlp_weight_bytes},
             {"logloss", variant.logloss},
             {"auc", variant.auc}};
    if (variant.embedding.has_method) {
      entry["embedding_method"] = qforge::RangeSearchName(variant.embedding.method);
    }
    if (&variant != &result.variants.front()) {
      entry["relative_logloss_change"] = variant.loss_change.relative;
      entry["relative_logloss_change_standard_error"] = variant.loss_change.standard_error;
      entry["mean_logit_difference"] = variant.logit_difference.mean;
      entry["max_logit_difference"] = variant.logit_difference.max;
    }
    auto& batches = entry["batches"] = nlohmann::ordered_json::array();
    for (const BatchTiming& timing : variant.batches) {
      batches.push_back({{"batch", timing.batch},
                         {"requests_per_second", timing.requests_per_second},
                         {"p50_us", timing.p50_microseconds},
                         {"p99_us", timing.p99_microseconds},
                         {"mlp_requests_per_second", timing.mlp_requests_per_second}});
    }
  }
  return json.dump(2) + "\n";
}

}  // namespace dlrm
