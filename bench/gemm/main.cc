// gemm_bench: how fast products run, beside what the machine allows and what peers reach. See
// bench/README.md.
#include <benchmark/benchmark.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <exception>
#include <fstream>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "gemm/benchmarks.h"
#include "gemm/shapes.h"
#include "gemm/table.h"
#include "gemm/value_or_throw.h"
#include "qforge/isa.h"

namespace qforge::bench {
namespace {

// Best first: peers are measured beside the first.
std::vector<Isa> AllSupported() {
  std::vector<Isa> isas;
  for (int i = kIsaCount - 1; i >= 0; --i) {
    const Isa isa = static_cast<Isa>(i);
    if (isa != Isa::kScalar && IsaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

std::vector<Isa> ChooseIsas(const std::vector<std::string>& names) {
  if (names.empty()) return {ValueOrThrow(BestIsa())};
  if (names.size() == 1 && names.front() == "all") return AllSupported();
  std::vector<Isa> isas;
  for (const std::string& name : names) {
    const Isa isa = ValueOrThrow(ParseIsa(name.c_str()));
    if (!IsaSupported(isa)) throw std::runtime_error("this machine has no " + name);
    isas.push_back(isa);
  }
  return isas;
}

void RunBenchmarks(std::vector<std::string> arguments, const std::vector<Shape>& shapes,
                   const std::vector<Isa>& isas) {
  // Long enough for some thirty slices; Google Benchmark's own half second would be the product's
  // alone, with as much again for each of the parties beside it.
  const std::string min_time = "--benchmark_min_time=";
  if (std::none_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
        return argument.compare(0, min_time.size(), min_time) == 0;
      })) {
    arguments.push_back(min_time + "0.1");
  }
  arguments.insert(arguments.begin(), "gemm_bench");
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) {
    throw std::runtime_error("see --help");
  }
  RegisterBenchmarks(shapes, isas);
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

void Main(int argc, char** argv) {
  CLI::App app("Measures int8 products, with limits of the machine and peers beside them.");
  std::vector<std::string> isa_names;
  std::string shapes_path, json_path;
  bool table = false;
  int rounds = 31;
  app.add_option("--isa", isa_names, "instruction sets, or all (default: the best)")
      ->delimiter(',');
  app.add_option("--shapes", shapes_path, "a file of shapes (default: the published ones)");
  auto* const table_flag = app.add_flag("--table", table, "print one row per shape instead");
  app.add_option("--rounds", rounds, "of a table, more is steadier (default: 31)")
      ->needs(table_flag)
      ->check(CLI::Range(1, 100000));
  app.add_option("--json", json_path, "also write the figures of the table to this file")
      ->needs(table_flag);
  app.footer(
      "Without --table, all flags of Google Benchmark work: --benchmark_filter=REGEX, "
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
  if (!table) return RunBenchmarks(app.remaining(), shapes, isas);
  if (!app.remaining().empty()) {
    throw std::runtime_error("--table does not know " + app.remaining().front());
  }
  const nlohmann::json figures = PrintTables(shapes, isas, rounds);
  if (json_path.empty()) return;
  std::ofstream file(json_path);
  file << figures.dump(2) << "\n";
  if (!file.flush()) throw std::runtime_error("cannot write " + json_path);
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
