// dlrm: answers recommendation requests with MLPs and embedding rows in several formats, and shows
// all beside each other.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include "dlrm/accuracy_report.h"
#include "dlrm/check.h"
#include "dlrm/experiment.h"
#include "dlrm/report.h"
#include "dlrm/soft_errors.h"
#include "dlrm/variants.h"

namespace {

void WriteFile(const std::string& path, const std::string& text) {
  std::ofstream file(path);
  file << text;
  file.close();
  if (!file) throw dlrm::Error(path + " cannot be written");
}

std::string List(const std::vector<std::string>& names) {
  std::string list;
  for (const std::string& name : names) list += (list.empty() ? "" : ", ") + name;
  return list;
}

std::vector<std::string> IsaNames() {
  std::vector<std::string> names;
  for (int i = 0; i < qforge::kIsaCount; ++i) {
    names.push_back(qforge::IsaName(static_cast<qforge::Isa>(i)));
  }
  return names;
}

int Run(int argc, char** argv) {
  dlrm::ExperimentOptions options;
  bool report = false;
  std::optional<double> soft_error_rate;
  double min_signal_to_noise = dlrm::AccuracyOptions().min_signal_to_noise;
  dlrm::SyntheticOptions& synthetic = options.synthetic;
  std::string isa;
  std::string json_path;

  CLI::App app(
      "DLRM inference (arXiv 1906.00091) in fp32 and, through qforge, with MLPs and embedding rows "
      "in several formats: accuracy, speed and size beside each other.\nWithout arguments it makes "
      "a model in the shape of Criteo Kaggle and answers Zipf-distributed requests.",
      "dlrm");
  app.footer("Example: dlrm --model m.safetensors --calib c.safetensors --eval e.safetensors");
  app.get_formatter()->column_width(28);

  constexpr char kFiles[] = "A model of your own (three safetensors files)";
  app.add_option("--model", options.model, "weights, with __metadata__ for the shape")
      ->type_name("FILE")
      ->group(kFiles);
  app.add_option("--calib", options.calibration, "requests that activation ranges are taken from")
      ->type_name("FILE")
      ->group(kFiles);
  app.add_option("--eval", options.evaluation, "requests with labels to score")
      ->type_name("FILE")
      ->group(kFiles);
  constexpr char kSynthetic[] = "The synthetic model (without --model)";
  app.add_option("--rows-scale", synthetic.rows_scale,
                 "part of the real 33.8 million embedding rows; 1 takes 2.2 GB")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->capture_default_str()
      ->group(kSynthetic);
  app.add_option("--seed", synthetic.seed, "of weights and requests")
      ->type_name("N")
      ->capture_default_str()
      ->group(kSynthetic);

  app.add_option("--mlp", options.mlps,
                 "formats of the MLPs to compare: " + List(dlrm::MlpFormatNames()))
      ->type_name("NAME")
      ->delimiter(',')
      ->default_str("all")
      ->group("MLPs");

  constexpr char kEmbeddings[] = "Embedding tables";
  app.add_option("--embedding", options.embeddings,
                 "formats to compare with fp32: " + List(dlrm::EmbeddingFormatNames()))
      ->type_name("NAME")
      ->delimiter(',')
      ->default_str("fp32,u8,u4")
      ->group(kEmbeddings);
  app.add_option("--embedding-method", options.embedding_methods,
                 "ways to choose the range of a row of u8, u4 or u2: " +
                     List(dlrm::EmbeddingMethodNames()) + ", or all")
      ->type_name("NAME")
      ->delimiter(',')
      ->default_str("minmax; for u4 and u2 also greedy")
      ->group(kEmbeddings);

  constexpr char kAccuracy[] = "Accuracy of the MLPs, instead of sizes and speed";
  app.add_flag("--report", report, "what int8 costs layer by layer and by choice of ranges")
      ->group(kAccuracy);
  app.add_option("--min-sqnr", min_signal_to_noise,
                 "dB; layers with less are chosen to stay in fp32")
      ->type_name("X")
      ->capture_default_str()
      ->group(kAccuracy);

  app.add_option("--soft-errors", soft_error_rate,
                 "faults per request: what flipped bits do, and what checks find of them, instead")
      ->type_name("X")
      ->check(CLI::Range(0.0, 1.0).description(""))
      ->group("Soft errors");

  constexpr char kMeasuring[] = "Measuring";
  app.add_option("--threads", options.threads, "to use")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""))
      ->capture_default_str()
      ->group(kMeasuring);
  app.add_option("--isa", isa,
                 "use no instructions above this set, in fp32 as in int8: " + List(IsaNames()))
      ->type_name("NAME")
      ->group(kMeasuring);
  app.add_option("--batch", options.batches, "requests scored together, one or more sizes")
      ->type_name("N")
      ->delimiter(',')
      ->check(CLI::Validator(CLI::PositiveNumber).description(""))
      ->default_str("1,16,128")
      ->group(kMeasuring);
  app.add_option("--seconds", options.seconds, "to measure each batch size")
      ->type_name("X")
      ->check(CLI::Validator(CLI::PositiveNumber).description(""))
      ->capture_default_str()
      ->group(kMeasuring);
  app.add_option("--json", json_path, "also write all figures to this file")->type_name("FILE");
  CLI11_PARSE(app, argc, argv);

  if (options.model.empty() != options.calibration.empty() ||
      options.model.empty() != options.evaluation.empty()) {
    throw dlrm::Error("--model, --calib and --eval go together: give all three or none");
  }
  if (options.embedding_methods == std::vector<std::string>{"all"}) {
    options.embedding_methods = dlrm::EmbeddingMethodNames();
  }
  if (!isa.empty()) {
    options.max_isa = dlrm::Take(qforge::ParseIsa(isa.c_str()));
    // For what is not given a context: quantisation of arrays.
    setenv("QFORGE_MAX_ISA", isa.c_str(), /*overwrite=*/0);
  }
  if (report) {
    const dlrm::AccuracyResult accuracy = dlrm::MeasureAccuracy({options, min_signal_to_noise});
    std::fputs(dlrm::TextReport(accuracy).c_str(), stdout);
    if (!json_path.empty()) WriteFile(json_path, dlrm::JsonReport(accuracy));
    return 0;
  }
  if (soft_error_rate) {
    const dlrm::SoftErrorResult errors = dlrm::MeasureSoftErrors({options, *soft_error_rate});
    std::fputs(dlrm::TextReport(errors).c_str(), stdout);
    if (!json_path.empty()) WriteFile(json_path, dlrm::JsonReport(errors));
    return 0;
  }
  const dlrm::ExperimentResult result = dlrm::RunExperiment(options);
  std::fputs(dlrm::TextReport(result).c_str(), stdout);
  if (!json_path.empty()) WriteFile(json_path, dlrm::JsonReport(result));
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  try {
    return Run(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "dlrm: %s\n", error.what());
    return 1;
  }
}
