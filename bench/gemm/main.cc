// gemm_bench: how fast products run, beside what the machine allows and what peers reach. See
// bench/README.md.
#include <CLI/CLI.hpp>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "gemm/benchmarks.h"
#include "gemm/operands.h"
#include "gemm/shapes.h"
#include "gemm/sparse.h"
#include "gemm/table.h"
#include "qforge/isa.h"
#include "support/isas.h"
#include "support/paired_benchmark.h"
#include "support/report.h"

namespace qforge::bench {
namespace {

void Main(int argc, char** argv) {
  CLI::App app(
      "Measures products of int8 and floats, with limits of the machine and peers beside them.");
  std::vector<std::string> isa_names, family_names;
  std::string weights_name;
  std::string shapes_path, json_path;
  bool table = false, sparse = false;
  int rounds = 31;
  app.add_option("--isa", isa_names, "instruction sets, or all (default: the best)")
      ->delimiter(',');
  auto* const family = app.add_option("--family", family_names,
                                      "int8 (default), int8_acc16, int8_outlier, fp32, fp16, bf16")
                           ->delimiter(',');
  auto* const weights =
      app.add_option("--weights", weights_name,
                     "how weights are distributed (default: normal where that matters to speed)")
          ->check(CLI::IsMember({"uniform", "normal"}));
  app.add_option("--shapes", shapes_path, "a file of shapes (default: the published ones)");
  auto* const table_flag = app.add_flag("--table", table, "print one row per shape instead");
  app.add_flag("--sparse", sparse, "print one row per shape and density of sparse weights instead")
      ->excludes(table_flag)
      ->excludes(family)
      ->excludes(weights);
  app.add_option("--rounds", rounds, "of a table, more is steadier (default: 31)")
      ->check(CLI::Range(1, 100000));
  app.add_option("--json", json_path, "also write the figures of the table to this file");
  app.footer(
      "Without --table and --sparse, all flags of Google Benchmark work: --benchmark_filter=REGEX, "
      "--benchmark_out=FILE ...");
  app.allow_extras();
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }

  const std::vector<Isa> isas = ChooseIsas(isa_names);
  const std::vector<Shape> shapes =
      shapes_path.empty() ? PublishedShapes() : ReadShapes(shapes_path);
  OperandsChoice choice;
  if (!family_names.empty()) {
    choice.families.clear();
    for (const std::string& name : family_names) choice.families.push_back(ParseFamily(name));
  }
  if (!weights_name.empty()) {
    choice.weights =
        weights_name == "normal" ? WeightDistribution::kNormal : WeightDistribution::kUniform;
  }
  if (!table && !sparse) {
    if (!json_path.empty() || app.count("--rounds") > 0) {
      throw std::runtime_error("--rounds and --json are for --table and --sparse");
    }
    return RunGoogleBenchmark("gemm_bench", app.remaining(), [&] {
      RegisterBenchmarks(shapes, isas, choice);
      RegisterSparseBenchmarks(isas);
    });
  }
  if (!app.remaining().empty()) {
    throw std::runtime_error("tables do not know " + app.remaining().front());
  }
  const nlohmann::json figures =
      sparse ? PrintSparseTables(isas, rounds) : PrintTables(shapes, isas, choice, rounds);
  if (!json_path.empty()) WriteJson(figures, json_path);
}

}  // namespace
}  // namespace qforge::bench

int main(int argc, char** argv) {
  try {
    qforge::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "gemm_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
