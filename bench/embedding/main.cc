// embedding_bag_bench: how fast pooled look-ups run, beside what the memory allows and what FBGEMM
// reaches. See bench/README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <string>
#include <vector>

#include "embedding/benchmarks.h"
#include "embedding/formats.h"
#include "embedding/table.h"
#include "support/isas.h"
#include "support/paired_benchmark.h"
#include "support/report.h"

namespace qforge::bench {
namespace {

struct Choice {
  std::vector<std::string> formats;  // empty: all
  std::vector<int64_t> dimensions = {16, 32, 64, 128, 256};
  std::vector<int64_t> rows = {kInCache.rows, kOutOfCache.rows};
  double gigabytes = 6;  // of memory for tables
};

// The cases of `choice`; says which do not fit into the memory.
std::vector<Case> MakeCases(const Choice& choice) {
  std::vector<Format> formats;
  for (const std::string& name : choice.formats) formats.push_back(FindFormat(name));
  if (formats.empty()) formats = AllFormats();
  std::vector<Case> cases;
  for (const Setting& setting : {kInCache, kOutOfCache}) {
    if (std::count(choice.rows.begin(), choice.rows.end(), setting.rows) == 0) continue;
    for (const Format& format : formats) {
      for (const int64_t dimension : choice.dimensions) {
        const Case which{format, dimension, setting};
        if (static_cast<double>(which.table_bytes()) > choice.gigabytes * 1e9) {
          std::fprintf(stderr, "skipped: %s, a table of %.1f GB; --memory allows %.1f\n",
                       which.Name().c_str(), static_cast<double>(which.table_bytes()) * 1e-9,
                       choice.gigabytes);
        } else {
          cases.push_back(which);
        }
      }
    }
  }
  return cases;
}

void Main(int argc, char** argv) {
  CLI::App app(
      "Measures pooled embedding look-ups, with the memory's limit and FBGEMM beside them.");
  Choice choice;
  std::vector<std::string> isa_names;
  std::string json_path;
  bool table = false;
  int rounds = 31;
  app.add_option("--isa", isa_names, "instruction sets, or all (default: the best)")
      ->delimiter(',');
  app.add_option("--formats", choice.formats, "of tables (default: all)")->delimiter(',');
  app.add_option("--d", choice.dimensions, "dimensions, up to 256")
      ->delimiter(',')
      ->check(CLI::Range(1, 256))
      ->capture_default_str();
  app.add_option("--rows", choice.rows, "2000: in the caches; 4000000: out of them (default: both)")
      ->delimiter(',')
      ->check(CLI::IsMember(std::vector<int64_t>{kInCache.rows, kOutOfCache.rows}));
  app.add_option("--memory", choice.gigabytes, "GB; larger tables are skipped")
      ->capture_default_str();
  auto* const table_flag =
      app.add_flag("--table", table, "print one row per format and dimension instead");
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
  const std::vector<Case> cases = MakeCases(choice);
  if (!table) {
    return RunGoogleBenchmark("embedding_bag_bench", app.remaining(),
                              [&] { RegisterBenchmarks(cases, isas); });
  }
  if (!app.remaining().empty()) {
    throw std::runtime_error("--table does not know " + app.remaining().front());
  }
  const nlohmann::json figures = PrintTables(cases, isas, rounds);
  if (!json_path.empty()) WriteJson(figures, json_path);
}

}  // namespace
}  // namespace qforge::bench

int main(int argc, char** argv) {
  try {
    qforge::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "embedding_bag_bench: %s\n", error.what());
    return 1;
  }
  return 0;
}
