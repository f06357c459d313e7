// soft_error_campaign: flips bits, and counts what is found of it, what is not, and what it costs
// to look. See bench/README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/progress.h"
#include "soft_errors/campaign.h"
#include "soft_errors/float_campaign.h"
#include "soft_errors/lookup_campaign.h"
#include "soft_errors/product_campaign.h"
#include "support/isas.h"
#include "support/report.h"

namespace qforge::bench {
namespace {

using nlohmann::json;

constexpr char kLookups[] = "embedding_bag";

void PrintHeader() {
  std::printf("%-52s %9s  %-15s  %10s  %6s  %s\n", "", "overhead", "(quartiles)", "clean rows",
              "alarms", "detected, by place");
}

void Print(const CaseResult& result) {
  std::printf("%-52s %7.2f %%  (%5.2f to %5.2f)  %10lld  %5lld%s ", result.name.c_str(),
              100 * result.overhead.median, 100 * result.overhead.low, 100 * result.overhead.high,
              static_cast<long long>(result.clean_rows),
              static_cast<long long>(result.false_positives),
              result.false_positives > 0 ? "<" : " ");
  for (const PlaceResult& place : result.places) {
    std::printf(" %s %lld of %lld%s", place.place.c_str(), static_cast<long long>(place.detected),
                static_cast<long long>(place.harmful),
                result.finds_all && place.detected < place.harmful ? " <" : "");
    if (&place != &result.places.back()) std::printf(",");
  }
  std::printf("\n");
  std::fflush(stdout);
}

void AddTo(json* entries, const CaseResult& result) {
  for (const PlaceResult& place : result.places) {
    json by_bit = json::array();
    for (const BitResult& bit : place.by_bit) {
      by_bit.push_back({{"changed_result", bit.harmful}, {"detected", bit.detected}});
    }
    entries->push_back({{"name", result.name + "/" + place.place},
                        {"injections", place.injections},
                        {"changed_result", place.harmful},
                        {"detected", place.detected},
                        {"detected_without_effect", place.harmless_detected},
                        {"detection_rate", place.DetectionRate()},
                        {"overhead", result.overhead.median},
                        {"overhead_low", result.overhead.low},
                        {"overhead_high", result.overhead.high},
                        {"clean_rows", result.clean_rows},
                        {"false_positives", result.false_positives},
                        {"by_bit", by_bit}});
  }
}

// Floats: which bits of a sum are found, over all cases.
void PrintBits(const std::vector<CaseResult>& results) {
  std::array<BitResult, 32> bits;
  bool any = false;
  for (const CaseResult& result : results) {
    if (result.finds_all) continue;
    for (size_t bit = 0; bit < bits.size(); ++bit) {
      any = true;
      bits[bit].harmful += result.places.back().by_bit[bit].harmful;
      bits[bit].detected += result.places.back().by_bit[bit].detected;
    }
  }
  if (!any) return;
  std::printf("\nFlips in sums of floats that were detected, by bit:\n");
  for (int bit = 31; bit >= 0; --bit) {
    const BitResult& of = bits[static_cast<size_t>(bit)];
    const char* what = bit == 31 ? "sign" : bit >= 23 ? "exponent" : "mantissa";
    std::printf("  %2d %-9s %5.1f %%\n", bit, what,
                of.harmful == 0
                    ? 0.0
                    : 100.0 * static_cast<double>(of.detected) / static_cast<double>(of.harmful));
  }
}

void PrintSummary(const std::vector<CaseResult>& results) {
  std::vector<double> overheads;
  int64_t rows = 0, alarms = 0, harmful = 0, detected = 0;
  for (const CaseResult& result : results) {
    overheads.push_back(result.overhead.median);
    rows += result.clean_rows;
    alarms += result.false_positives;
    for (const PlaceResult& place : result.places) {
      harmful += place.harmful;
      detected += place.detected;
    }
  }
  std::printf(
      "\n%lld of %lld faults that changed a result were detected; %lld false alarms in %lld clean "
      "rows.\nOverhead: median %.2f %%, largest %.2f %%.\n",
      static_cast<long long>(detected), static_cast<long long>(harmful),
      static_cast<long long>(alarms), static_cast<long long>(rows),
      100 * Quartiles(overheads).median,
      100 * *std::max_element(overheads.begin(), overheads.end()));
}

struct Run {
  std::string title;
  std::function<CaseResult(const CampaignOptions&)> run;
};

bool Contains(const std::vector<std::string>& names, const std::string& name) {
  return std::count(names.begin(), names.end(), name) != 0;
}

std::vector<Run> RunsOf(const std::vector<std::string>& families, const std::vector<Isa>& isas,
                        int64_t table_rows) {
  std::vector<Run> runs;
  for (const Isa isa : isas) {
    for (const std::string& family : families) {
      if (family == kLookups) {
        for (LookupCase which : LookupCases()) {
          which.isa = isa;
          which.rows = table_rows;
          runs.push_back(
              {std::string(RowFormatName(which.format)) +
                   ", d = " + std::to_string(which.dimension),
               [which](const auto& options) { return RunLookupCampaign(which, options); }});
        }
        continue;
      }
      for (ProductCase which : PublishedLayers()) {
        which.family = family;
        which.isa = isa;
        const bool is_float = Contains(FloatFamilies(), family);
        runs.push_back({"M, N, K = " + std::to_string(which.rows) + ", " +
                            std::to_string(which.outputs) + ", " + std::to_string(which.inputs),
                        [which, is_float](const auto& options) {
                          return is_float ? RunFloatCampaign(which, options)
                                          : RunProductCampaign(which, options);
                        }});
      }
    }
  }
  return runs;
}

void Main(int argc, char** argv) {
  CLI::App app(
      "Flips bits in products and tables and counts what checks find, what they miss, and what "
      "they "
      "cost.");
  std::vector<std::string> isa_names;
  std::vector<std::string> families = {"int8"};
  std::string json_path;
  bool full = false;
  CampaignOptions options;
  app.add_option("--isa", isa_names, "instruction sets, or all (default: the best)")
      ->delimiter(',');
  std::vector<std::string> known_families = ProductFamilies();
  for (const std::string& family : FloatFamilies()) known_families.push_back(family);
  known_families.push_back(kLookups);
  int64_t table_rows = LookupCase().rows;
  app.add_option("--table-rows", table_rows, "of embedding_bag")
      ->check(CLI::Range(1000, 100000000))
      ->capture_default_str();
  app.add_option("--families", families, "of products, and embedding_bag")
      ->delimiter(',')
      ->check(CLI::IsMember(known_families))
      ->capture_default_str();
  app.add_flag("--full", full, "ten times the injections, ten million clean rows, 31 rounds");
  auto* const injections = app.add_option("--injections", options.injections, "per shape and place")
                               ->check(CLI::Range(1, 1000000))
                               ->capture_default_str();
  auto* const rounds = app.add_option("--rounds", options.rounds, "of the overhead")
                           ->check(CLI::Range(1, 100000))
                           ->capture_default_str();
  app.add_option("--threads", options.threads)->check(CLI::Range(1, 1024))->capture_default_str();
  app.add_option("--seed", options.seed, "of data and faults")->capture_default_str();
  app.add_option("--json", json_path, "also write the figures to this file");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error));
  }
  const std::vector<Isa> isas = ChooseIsas(isa_names);
  const std::vector<Run> runs = RunsOf(families, isas, table_rows);
  if (full) {
    if (injections->count() == 0) options.injections = 1000;
    if (rounds->count() == 0) options.rounds = 31;
    options.clean_rows = 10000000 / static_cast<int64_t>(runs.size()) + 1;
  }

  std::printf(
      "%s\n\nOne flipped bit at a time, %lld per case and place, seed %llu: of those that change a "
      "result, how many are detected.\n\n",
      MachineText().c_str(), static_cast<long long>(options.injections),
      static_cast<unsigned long long>(options.seed));
  PrintHeader();
  std::vector<CaseResult> results;
  json entries = json::array();
  for (const Run& run : runs) {
    {
      Progress progress(run.title);
      progress.Update(static_cast<double>(results.size()) / static_cast<double>(runs.size()));
      results.push_back(run.run(options));
    }
    Print(results.back());
    AddTo(&entries, results.back());
  }
  PrintSummary(results);
  PrintBits(results);
  if (!json_path.empty()) {
    WriteJson({{"machine", MachineText()}, {"seed", options.seed}, {"entries", entries}},
              json_path);
  }
}

}  // namespace
}  // namespace qforge::bench

int main(int argc, char** argv) {
  try {
    qforge::bench::Main(argc, argv);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "soft_error_campaign: %s\n", error.what());
    return 1;
  }
  return 0;
}
