#include "dlrm/report.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <functional>
#include <nlohmann/json.hpp>

namespace dlrm {
namespace {

constexpr size_t kLabelWidth = 34;
constexpr size_t kColumnWidth = 24;
constexpr size_t kIndent = 12;
constexpr size_t kLineWidth = 82;

__attribute__((format(printf, 1, 2))) std::string Format(const char* format, ...) {
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

// 1234567 as "1,234,567".
std::string Grouped(double value) {
  std::string digits = Format("%.0f", value);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string Bytes(int64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 10'000) return Grouped(value) + " B";
  if (bytes < 10'000'000) return Grouped(value / 1e3) + " kB";
  return Grouped(value / 1e6) + " MB";
}

// Columns on the terminal: code points, as the text has no others than of width one.
size_t Width(const std::string& text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return width;
}

std::string Padding(const std::string& text, size_t width) {
  return std::string(width - std::min(width, Width(text)), ' ');
}

// Broken at spaces into lines that start at kIndent, but for the first.
std::string Wrapped(const std::string& text) {
  std::string lines;
  size_t column = kIndent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (column > kIndent && column + 1 + Width(word) > kLineWidth) {
      lines += "\n" + std::string(kIndent, ' ');
      column = kIndent;
    } else if (column > kIndent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += Width(word);
    begin = end + 1;
  }
  return lines;
}

using Cell = std::function<std::string(const VariantResult&)>;

class Table {
 public:
  explicit Table(const ExperimentResult& result) : variants_(result.variants) {}

  void Heading(const std::string& label) {
    text_ += "\n";
    Row(label, [](const VariantResult& variant) { return variant.name; });
    text_ += std::string(kLabelWidth + variants_.size() * kColumnWidth, '-') + "\n";
  }

  void Row(const std::string& label, const Cell& cell) {
    text_ += label + Padding(label, kLabelWidth);
    for (const VariantResult& variant : variants_) {
      const std::string value = cell(variant);
      text_ += Padding(value, kColumnWidth) + value;
    }
    text_ += "\n";
  }

  // As Row, for what only makes sense beside the baseline.
  void ComparisonRow(const std::string& label, const Cell& cell) {
    Row(label, [&](const VariantResult& variant) {
      return &variant == &variants_.front() ? "" : cell(variant);
    });
  }

  // As Row, for rates: how many times the baseline's each of the others is.
  void RateRow(const std::string& label, const std::function<double(const VariantResult&)>& rate) {
    Row(label, [&](const VariantResult& variant) {
      const std::string value = Grouped(rate(variant));
      if (&variant == &variants_.front()) return value;
      return Format("(%.2fx)  ", rate(variant) / rate(variants_.front())) + value;
    });
  }

  const std::string& text() const { return text_; }

 private:
  const std::vector<VariantResult>& variants_;
  std::string text_;
};

std::string Heading(const ExperimentResult& result) {
  std::string text = "DLRM inference, " + result.variants.front().name + " beside";
  for (size_t i = 1; i < result.variants.size(); ++i) {
    text += (i == 1 ? " " : ", ") + result.variants[i].name;
  }
  text += "\n\n";
  const auto line = [&](const std::string& label, const std::string& value) {
    text += "  " + label + Padding(label, kIndent - 2) + Wrapped(value) + "\n";
  };
  line("model", result.model_name + ": " + result.model_text);
  line("requests", Grouped(static_cast<double>(result.evaluation_requests)) + " evaluated, " +
                       Grouped(static_cast<double>(result.calibration_requests)) +
                       " others for calibration");
  line("machine",
       result.isa + Format(", %d thread%s", result.threads, result.threads == 1 ? "" : "s"));
  line("all", "embeddings (" + Bytes(result.embedding_bytes) + ") and interaction in fp32");
  for (const VariantResult& variant : result.variants) line(variant.name, variant.description);
  if (result.fp32_file_difference) {
    line("check", Format("fp32 logits differ from the evaluation file's by at most %.1g",
                         *result.fp32_file_difference));
  }
  return text;
}

}  // namespace

std::string TextReport(const ExperimentResult& result) {
  Table table(result);
  table.Heading("Accuracy");
  table.Row("log loss", [](const auto& v) { return Format("%.6f", v.logloss); });
  table.ComparisonRow("  relative change", [](const auto& v) {
    return Format("%+.4f %% ± %.4f %%", 100.0 * v.loss_change.relative,
                  100.0 * v.loss_change.standard_error);
  });
  table.Row("AUC", [](const auto& v) { return Format("%.6f", v.auc); });
  table.ComparisonRow("mean logit difference",
                      [](const auto& v) { return Format("%.5f", v.logit_difference.mean); });
  table.ComparisonRow("largest logit difference",
                      [](const auto& v) { return Format("%.5f", v.logit_difference.max); });
  table.Row("MLP weights, packed", [](const auto& v) { return Bytes(v.mlp_weight_bytes); });

  for (size_t i = 0; i < result.variants.front().batches.size(); ++i) {
    const auto timing = [i](const VariantResult& v) { return v.batches[i]; };
    const int64_t batch = timing(result.variants.front()).batch;
    table.Heading(batch == 1 ? "One request at a time"
                             : "Batches of " + Grouped(static_cast<double>(batch)));
    table.RateRow("requests per second",
                  [&](const auto& v) { return timing(v).requests_per_second; });
    table.RateRow("  in the MLPs alone",
                  [&](const auto& v) { return timing(v).mlp_requests_per_second; });
    table.Row("latency p50",
              [&](const auto& v) { return Format("%.1f µs", timing(v).p50_microseconds); });
    table.Row("latency p99",
              [&](const auto& v) { return Format("%.1f µs", timing(v).p99_microseconds); });
  }
  return Heading(result) + table.text() +
         "\n± is one standard error of the paired differences. (x) compares with " +
         result.variants.front().name + ".\n";
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
             {"mlp_weight_bytes", variant.mlp_weight_bytes},
             {"logloss", variant.logloss},
             {"auc", variant.auc}};
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
