// qforge_quantize_table: turns a tensor of a safetensors file into an embedding table, and shows
// what each format costs.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <cstdarg>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "common/progress.h"
#include "common/safetensors.h"
#include "qforge/context.h"
#include "qforge/embedding_table.h"

namespace {

using qforge::DataType;
using qforge::EmbeddingTable;
using qforge::RangeSearch;
using qforge::RowFormat;
using qforge::TableQuantizationOptions;
using qforge::bench::SafeTensorsFile;

template <class T>
T ValueOrThrow(qforge::Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return std::move(result).value();
}

// The enumerator that the library calls `text`. `argument` is what asked for it.
template <class Enumeration>
Enumeration Parse(const char* argument, const std::string& text,
                  std::initializer_list<Enumeration> all, const char* (*name)(Enumeration)) {
  std::string names;
  for (const Enumeration value : all) {
    if (text == name(value)) return value;
    names += (names.empty() ? "" : ", ") + std::string(name(value));
  }
  throw std::runtime_error(std::string(argument) + ": '" + text + "' is none of " + names);
}

RowFormat ParseFormat(const std::string& text) {
  return Parse("--format", text,
               {RowFormat::kF32, RowFormat::kF16, RowFormat::kBF16, RowFormat::kU8, RowFormat::kU4,
                RowFormat::kU2, RowFormat::kCodebook4, RowFormat::kTwoTier4, RowFormat::kE4M3,
                RowFormat::kE5M2},
               qforge::RowFormatName);
}

RangeSearch ParseMethod(const std::string& text) {
  return Parse("--method", text,
               {RangeSearch::kMinMax, RangeSearch::kSymmetric, RangeSearch::kGreedy,
                RangeSearch::kHistogram, RangeSearch::kKMeans},
               qforge::RangeSearchName);
}

DataType ParseParameters(const std::string& text) {
  return Parse("--parameters", text, {DataType::kF32, DataType::kF16}, qforge::DataTypeName);
}

bool HasRange(RowFormat format) {
  return format == RowFormat::kU8 || format == RowFormat::kU4 || format == RowFormat::kU2;
}

bool HasCodebook(RowFormat format) {
  return format == RowFormat::kCodebook4 || format == RowFormat::kTwoTier4;
}

RangeSearch UsualMethod(RowFormat format) {
  if (HasRange(format)) return RangeSearch::kGreedy;
  return HasCodebook(format) ? RangeSearch::kKMeans : RangeSearch::kMinMax;
}

// A tensor in memory.
struct Tensor {
  std::string name;
  std::string dtype;
  std::vector<float> floats;
  std::vector<qforge::Half> halves;
  qforge::InputMatrix rows;
};

bool IsMatrix(const qforge::bench::TensorInfo& info) {
  return info.shape.size() == 2 &&
         (info.dtype == "F32" || info.dtype == "F16" || info.dtype == "BF16");
}

std::string Matrices(const SafeTensorsFile& file) {
  std::string names;
  for (const auto& [name, info] : file.tensors()) {
    if (!IsMatrix(info)) continue;
    names += (names.empty() ? "" : ", ") + name;
  }
  return names.empty() ? "it has none" : "it has " + names;
}

Tensor ReadTensor(const std::string& path, const std::string& name) {
  SafeTensorsFile file(path);
  const auto found = file.tensors().find(name);
  if (found == file.tensors().end() || !IsMatrix(found->second)) {
    file.Fail("has no matrix of F32, F16 or BF16 called '" + name + "'; " + Matrices(file));
  }
  const std::vector<int64_t>& shape = found->second.shape;
  Tensor tensor;
  tensor.name = name;
  tensor.dtype = found->second.dtype;
  if (tensor.dtype == "F16") {
    tensor.halves = file.ReadHalves(name, shape);
    tensor.rows = qforge::InputMatrix(tensor.halves.data(), shape[0], shape[1]);
    return tensor;
  }
  if (tensor.dtype == "F32") {
    tensor.floats = file.ReadFloats(name, shape);
  } else {
    for (const qforge::BFloat16 value : file.ReadBFloat16s(name, shape)) {
      tensor.floats.push_back(qforge::ToFloat(value));
    }
  }
  tensor.rows = qforge::InputMatrix(tensor.floats.data(), shape[0], shape[1]);
  return tensor;
}

struct Outcome {
  std::string format;
  std::string method;
  int64_t bytes = 0;
  double of_fp32 = 0.0;
  double loss = 0.0;
  double seconds = 0.0;
};

// Quantises and measures. The table goes to `table` where that is given.
Outcome Run(const qforge::Context& context, const Tensor& tensor, TableQuantizationOptions options,
            EmbeddingTable* table) {
  Outcome outcome;
  outcome.format = RowFormatName(options.format);
  if (options.format == RowFormat::kU8) {
    outcome.format += options.parameters == DataType::kF16 ? " (f16)" : " (f32)";
  }
  outcome.method = HasRange(options.format) || HasCodebook(options.format)
                       ? RangeSearchName(options.method)
                       : "rounding";
  qforge::bench::Progress progress("quantising to " + outcome.format + ", " + outcome.method);
  options.progress = [](void* argument, int64_t done, int64_t rows) noexcept {
    static_cast<qforge::bench::Progress*>(argument)->Update(static_cast<double>(done) /
                                                            static_cast<double>(rows));
    return true;
  };
  options.progress_argument = &progress;

  const auto start = std::chrono::steady_clock::now();
  EmbeddingTable made = ValueOrThrow(EmbeddingTable::Quantize(context, tensor.rows, options));
  outcome.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  outcome.bytes = made.bytes();
  const double fp32_bytes = 4.0 * static_cast<double>(tensor.rows.rows * tensor.rows.cols);
  outcome.of_fp32 = fp32_bytes == 0.0 ? 1.0 : static_cast<double>(outcome.bytes) / fp32_bytes;
  outcome.loss = ValueOrThrow(made.Loss(context, tensor.rows));
  if (table != nullptr) *table = std::move(made);
  return outcome;
}

// Every format with every method that it takes; the smallest tables first, then the best.
std::vector<Outcome> Compare(const qforge::Context& context, const Tensor& tensor,
                             const TableQuantizationOptions& options) {
  std::vector<Outcome> outcomes;
  const auto add = [&](RowFormat format, RangeSearch method, DataType parameters) {
    TableQuantizationOptions variant = options;
    variant.format = format;
    variant.method = method;
    variant.parameters = parameters;
    outcomes.push_back(Run(context, tensor, variant, nullptr));
  };
  for (int i = 0; i < qforge::kRowFormatCount; ++i) {
    const RowFormat format = static_cast<RowFormat>(i);
    if (!HasRange(format)) {
      add(format, UsualMethod(format), DataType::kNone);
      continue;
    }
    for (const RangeSearch method : {RangeSearch::kMinMax, RangeSearch::kSymmetric,
                                     RangeSearch::kGreedy, RangeSearch::kHistogram}) {
      add(format, method, DataType::kNone);
      if (format == RowFormat::kU8) add(format, method, DataType::kF16);
    }
  }
  std::stable_sort(outcomes.begin(), outcomes.end(), [](const Outcome& a, const Outcome& b) {
    return std::pair(a.bytes, a.loss) < std::pair(b.bytes, b.loss);
  });
  return outcomes;
}

// --- Output -------------------------------------------------------------------------------------

__attribute__((format(printf, 1, 2))) std::string Format(const char* format, ...) {
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

// 1234567 as "1,234,567".
std::string Grouped(int64_t value) {
  std::string digits = std::to_string(value);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

void PrintTable(const std::vector<Outcome>& outcomes) {
  using Row = std::array<std::string, 6>;
  std::vector<Row> rows = {{"format", "method", "bytes", "of fp32", "L2 loss", "seconds"}};
  for (const Outcome& o : outcomes) {
    rows.push_back({o.format, o.method, Grouped(o.bytes), Format("%.2f %%", 100.0 * o.of_fp32),
                    Format("%.5f", o.loss), Format("%.2f", o.seconds)});
  }
  constexpr size_t kTextColumns = 2;
  std::array<size_t, 6> widths{};
  for (const Row& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  for (const Row& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      const std::string padding(widths[i] - row[i].size(), ' ');
      line += i == 0 ? "" : "  ";
      line += i < kTextColumns ? row[i] + padding : padding + row[i];
    }
    std::printf("%s\n", line.c_str());
  }
}

void WriteJson(const std::string& path, const Tensor& tensor,
               const std::vector<Outcome>& outcomes) {
  nlohmann::ordered_json json = {{"tensor", tensor.name},
                                 {"dtype", tensor.dtype},
                                 {"rows", tensor.rows.rows},
                                 {"columns", tensor.rows.cols}};
  auto& tables = json["tables"] = nlohmann::ordered_json::array();
  for (const Outcome& o : outcomes) {
    tables.push_back({{"format", o.format},
                      {"method", o.method},
                      {"bytes", o.bytes},
                      {"of_fp32", o.of_fp32},
                      {"l2_loss", o.loss},
                      {"seconds", o.seconds}});
  }
  std::ofstream file(path);
  file << json.dump(2) << "\n";
  if (!file.flush()) throw std::runtime_error(path + " cannot be written");
}

// --- Arguments ----------------------------------------------------------------------------------

struct Arguments {
  std::string input;
  std::string tensor;
  std::string output;
  std::string json;
  bool compare = false;
  int threads = 0;  // 0: all processors
  TableQuantizationOptions options;
};

qforge::Context MakeContext(int threads) {
  qforge::ContextOptions options;
  options.max_threads =
      threads != 0 ? threads : static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  auto context = qforge::Context::Create(options);
  // Built without a thread pool; one thread is what there is if no other number was asked for.
  if (threads == 0 && context.status().code() == qforge::StatusCode::kUnsupported) {
    context = qforge::Context::Create();
  }
  return ValueOrThrow(std::move(context));
}

// Saving comes last, and quantising can take minutes: whether a file can be made where the table
// goes is tried before.
void TryOutput(const std::string& path) {
  const std::string trial = path + ".trial";
  const bool made = static_cast<bool>(std::ofstream(trial));
  std::remove(trial.c_str());
  if (!made) throw std::runtime_error(path + " cannot be written");
}

void Main(const Arguments& arguments) {
  if (!arguments.compare) TryOutput(arguments.output);
  const qforge::Context context = MakeContext(arguments.threads);
  const Tensor tensor = ReadTensor(arguments.input, arguments.tensor);
  std::printf("%s: %s rows of %s, %s; as fp32 %s bytes\n\n", tensor.name.c_str(),
              Grouped(tensor.rows.rows).c_str(), Grouped(tensor.rows.cols).c_str(),
              tensor.dtype.c_str(), Grouped(tensor.rows.rows * tensor.rows.cols * 4).c_str());

  std::vector<Outcome> outcomes;
  if (arguments.compare) {
    outcomes = Compare(context, tensor, arguments.options);
  } else {
    EmbeddingTable table = ValueOrThrow(
        EmbeddingTable::Borrow(nullptr, 0, {.format = RowFormat::kF32, .dimension = 1}));
    outcomes.push_back(Run(context, tensor, arguments.options, &table));
    const qforge::Status saved = table.Save(arguments.output);
    if (!saved.ok()) throw std::runtime_error(saved.message());
  }
  PrintTable(outcomes);
  if (arguments.compare) {
    std::printf(
        "\nL2 loss: the mean over rows of |x - q(x)| / |x|. In brackets: the type of u8's scale "
        "and bias.\n");
  } else {
    std::printf("\nsaved as %s\n", arguments.output.c_str());
  }
  if (!arguments.json.empty()) WriteJson(arguments.json, tensor, outcomes);
}

}  // namespace

int main(int argc, char** argv) {
  Arguments arguments;
  TableQuantizationOptions& options = arguments.options;
  std::string format = "u4", method, parameters;
  bool parameters_first = false;
  CLI::App app(
      "Turns a matrix of a safetensors file into an embedding table for qforge: quantises its "
      "rows,\nsaves them, and prints size and loss. With --compare it does so for every format and "
      "method,\nand saves nothing.",
      "qforge_quantize_table");
  app.footer(
      "Examples:\n"
      "  qforge_quantize_table --input m.safetensors --tensor emb.0 --compare\n"
      "  qforge_quantize_table --input m.safetensors --tensor emb.0 --format u4 --output e.qtable");
  app.get_formatter()->column_width(30);
  app.add_option("--input", arguments.input, "the safetensors file")->type_name("FILE")->required();
  app.add_option("--tensor", arguments.tensor,
                 "a matrix of F32, F16 or BF16 in it, a row per entity")
      ->type_name("NAME")
      ->required();
  const auto* const output =
      app.add_option("--output", arguments.output, "where the table goes")->type_name("FILE");
  auto* const compare = app.add_flag("--compare", arguments.compare,
                                     "show every format and method, and save nothing");
  // What describes one table says nothing about all of them.
  const auto of_one_table = [&](CLI::Option* option) { return option->excludes(compare); };
  of_one_table(app.add_option("--format", format,
                              "f32, f16, bf16, e4m3, e5m2, u8, u4, u2, codebook4 or twotier4"))

      ->type_name("NAME")
      ->capture_default_str();
  of_one_table(
      app.add_option("--method", method,
                     "for u8, u4 and u2: minmax, symmetric, greedy (default) or histogram; for "
                     "codebooks: kmeans"))
      ->type_name("NAME");
  app.add_option("--threads", arguments.threads, "to use; default: as many as there are processors")
      ->type_name("N")
      ->check(CLI::Range(1, 1024).description(""));
  app.add_option("--json", arguments.json, "also write the figures to this file")
      ->type_name("FILE");
  constexpr char kDetails[] = "Details";
  of_one_table(
      app.add_option("--parameters", parameters, "type of u8's scale and bias: f32 or f16"))
      ->type_name("NAME")
      ->group(kDetails);
  of_one_table(app.add_flag("--parameters-first", parameters_first,
                            "put scale and bias, centres or codebook in front of a row's values"))
      ->group(kDetails);
  of_one_table(app.add_option("--stride", options.stride,
                              "bytes from row to row; default: no gap between them"))
      ->type_name("N")
      ->group(kDetails);
  of_one_table(app.add_flag("--row-checksum", options.row_checksum,
                            "end each row with a checksum, by which look-ups see flipped bits"))
      ->group(kDetails);
  of_one_table(
      app.add_option("--exponent-bias", options.exponent_bias, "of e4m3 (default 7) and e5m2 (15)"))
      ->type_name("N")
      ->group(kDetails);
  app.add_option("--bins", options.bins, "steps of greedy, bins of histogram")
      ->type_name("N")
      ->capture_default_str()
      ->group(kDetails);
  app.add_option("--shrink", options.shrink, "the part of a range that greedy may take off")
      ->type_name("X")
      ->capture_default_str()
      ->group(kDetails);
  app.add_option("--clusters", options.clusters, "codebooks of twotier4")
      ->type_name("N")
      ->capture_default_str()
      ->group(kDetails);
  app.add_option("--iterations", options.iterations, "rounds of twotier4, at most")
      ->type_name("N")
      ->capture_default_str()
      ->group(kDetails);
  app.add_option("--seed", options.seed, "of twotier4")
      ->type_name("N")
      ->capture_default_str()
      ->group(kDetails);
  CLI11_PARSE(app, argc, argv);

  try {
    if (arguments.compare == (output->count() != 0)) {
      throw std::runtime_error("give either --output or --compare");
    }
    options.format = ParseFormat(format);
    options.method = method.empty() ? UsualMethod(options.format) : ParseMethod(method);
    if (!parameters.empty()) options.parameters = ParseParameters(parameters);
    if (parameters_first) options.place = qforge::ParameterPlace::kFirst;
    Main(arguments);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qforge_quantize_table: %s\n", error.what());
    return 1;
  }
  return 0;
}
