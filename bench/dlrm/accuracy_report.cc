#include "dlrm/accuracy_report.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <nlohmann/json.hpp>

#include "dlrm/text_table.h"

namespace dlrm {
namespace {

template <class Row>
std::vector<std::string> Cells(const std::vector<Row>& rows,
                               const std::function<std::string(const Row&)>& cell) {
  std::vector<std::string> cells;
  for (const Row& row : rows) cells.push_back(cell(row));
  return cells;
}

std::string Heading(const AccuracyResult& result) {
  std::string text = "What int8 costs in accuracy, by layer and by choice of ranges\n\n";
  size_t label_width = 0;
  for (const WayAccuracy& way : result.ways) label_width = std::max(label_width, way.name.size());
  text += LabelledLine("model", label_width, result.model_name + ": " + result.model_text);
  text += LabelledLine("requests", label_width,
                       Grouped(static_cast<double>(result.evaluation_requests)) + " evaluated, " +
                           Grouped(static_cast<double>(result.calibration_requests)) +
                           " others for ranges and layers");
  text += LabelledLine(
      "machine", label_width,
      result.isa + Format(", %d thread%s", result.threads, result.threads == 1 ? "" : "s"));
  for (const WayAccuracy& way : result.ways) {
    text += LabelledLine(way.name, label_width, way.description);
  }
  return text;
}

std::string LayerTable(const AccuracyResult& result) {
  TextTable table(
      "Layers in int8, " + result.methods.front() +
      Format(", and what %.4g dB for each layer keeps in fp32", result.min_signal_to_noise));
  const auto column = [&](const std::string& heading,
                          const std::function<std::string(const LayerAccuracy&)>& cell) {
    table.Column(heading, Cells(result.layers, cell));
  };
  column("layer", [](const auto& l) { return l.name; });
  column("K x N", [](const auto& l) {
    return std::to_string(l.inputs) + " x " + std::to_string(l.outputs);
  });
  column("SQNR, dB", [](const auto& l) { return Format("%.1f", l.errors[0].SignalToNoise()); });
  column("output, rms", [](const auto& l) {
    const auto& error = l.errors[0];
    return Format("%.4f", std::sqrt(error.signal / static_cast<double>(error.count)));
  });
  column("error, largest", [](const auto& l) { return Format("%.4f", l.errors[0].max_absolute); });
  column("mean |error|",
         [](const auto& l) { return Format("%.5f", l.errors[0].MeanAbsoluteError()); });
  column("mean error", [](const auto& l) { return Format("%+.5f", l.errors[0].MeanError()); });
  column("precision", [](const auto& l) { return std::string(l.in_fp32 ? "fp32" : "int8"); });
  return table.Text();
}

std::string MethodTable(const AccuracyResult& result) {
  TextTable table("SQNR of layers by range method, dB");
  table.Column("layer", Cells<LayerAccuracy>(result.layers, [](const auto& l) { return l.name; }));
  for (size_t i = 0; i < result.methods.size(); ++i) {
    table.Column(result.methods[i], Cells<LayerAccuracy>(result.layers, [i](const auto& l) {
                   return Format("%.1f", l.errors[i].SignalToNoise());
                 }));
  }
  return table.Text();
}

std::string WayTable(const AccuracyResult& result) {
  TextTable table("The model on the evaluated requests");
  const auto column = [&](const std::string& heading,
                          const std::function<std::string(const WayAccuracy&)>& cell) {
    table.Column(heading, Cells(result.ways, cell));
  };
  const auto comparison = [&](const std::string& heading,
                              const std::function<std::string(const WayAccuracy&)>& cell) {
    column(heading, [&](const WayAccuracy& way) {
      return &way == &result.ways.front() ? std::string() : cell(way);
    });
  };
  column("", [](const auto& w) { return w.name; });
  column("log loss", [](const auto& w) { return Format("%.6f", w.logloss); });
  comparison("change", [](const auto& w) {
    return Format("%+.4f %% ± %.4f %%", 100.0 * w.loss_change.relative,
                  100.0 * w.loss_change.standard_error);
  });
  comparison("logit difference, mean",
             [](const auto& w) { return Format("%.5f", w.logit_difference.mean); });
  comparison("largest", [](const auto& w) { return Format("%.5f", w.logit_difference.max); });
  return table.Text();
}

}  // namespace

std::string TextReport(const AccuracyResult& result) {
  double all = 0.0;
  for (const LayerAccuracy& layer : result.layers) {
    all += static_cast<double>(layer.inputs * layer.outputs);
  }
  return Heading(result) + LayerTable(result) + MethodTable(result) + WayTable(result) +
         Format("\nIn fp32 under the budget: %lld of %zu layers, %.1f %% of the multiply-adds.\n",
                static_cast<long long>(result.choice.higher), result.layers.size(),
                100.0 * result.choice.cost / all) +
         "SQNR: power of a layer's fp32 output over that of the error that quantising its input "
         "and its\nweights makes, on the requests for ranges; errors are in units of that output. "
         "± is one standard\nerror of the paired differences from fp32.\n";
}

std::string JsonReport(const AccuracyResult& result) {
  nlohmann::ordered_json json;
  json["setup"] = {{"model", result.model_name},
                   {"model_shape", result.model_text},
                   {"calibration_requests", result.calibration_requests},
                   {"evaluation_requests", result.evaluation_requests},
                   {"isa", result.isa},
                   {"threads", result.threads},
                   {"min_signal_to_noise_db", result.min_signal_to_noise}};
  for (const LayerAccuracy& layer : result.layers) {
    auto& entry = json["layers"][layer.name];
    entry = {{"inputs", layer.inputs},
             {"outputs", layer.outputs},
             {"precision", layer.in_fp32 ? "fp32" : "int8"}};
    for (size_t i = 0; i < result.methods.size(); ++i) {
      const qforge::ErrorStatistics& error = layer.errors[i];
      entry[result.methods[i]] = {{"signal_to_noise_db", error.SignalToNoise()},
                                  {"max_absolute_error", error.max_absolute},
                                  {"mean_absolute_error", error.MeanAbsoluteError()},
                                  {"mean_error", error.MeanError()},
                                  {"mean_squared_error", error.MeanSquaredError()}};
    }
  }
  for (const WayAccuracy& way : result.ways) {
    auto& entry = json["ways"][way.name];
    entry = {{"description", way.description}, {"logloss", way.logloss}};
    if (&way == &result.ways.front()) continue;
    entry["relative_logloss_change"] = way.loss_change.relative;
    entry["relative_logloss_change_standard_error"] = way.loss_change.standard_error;
    entry["mean_logit_difference"] = way.logit_difference.mean;
    entry["max_logit_difference"] = way.logit_difference.max;
  }
  return json.dump(2) + "\n";
}

}  // namespace dlrm
