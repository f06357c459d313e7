// soft_error_campaign: flips bits, and counts what is found of it, what is not, and what it costs
// to look. See bench/README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "common/progress.h"
#include "soft_errors/campaign.h"
#include "soft_errors/product_campaign.h"
#include "support/isas.h"
#include "support/report.h"

namespace qforge::bench {
namespace {

using nlohmann::json;

void PrintHeader(const std::vector<std::string>& places) {
  std::printf("%-44s  %8s  %-15s", "", "overhead", "(quartiles)");
  for (const std::string& place : places) std::printf("  %-22s", place.c_str());
  std::printf("  %10s  %6s\n", "clean rows", "alarms");
}

void Print(const CaseResult& result) {
  std::printf("%-44s  %6.2f %%  (%5.2f to %5.2f)", result.name.c_str(),
              100 * result.overhead.median, 100 * result.overhead.low, 100 * result.overhead.high);
  for (const PlaceResult& place : result.places) {
    char text[64];
    std::snprintf(text, sizeof(text), "%lld of %lld%s", static_cast<long long>(place.detected),
                  static_cast<long long>(place.harmful),
                  place.detected < place.harmful ? " <" : "");
    std::printf("  %-22s", text);
  }
  std::printf("  %10lld  %6lld%s\n", static_cast<long long>(result.clean_rows),
              static_cast<long long>(result.false_positives),
              result.false_positives > 0 ? " <" : "");
  std::fflush(stdout);
}

void AddTo(json* entries, const CaseResult& result) {
  for (const PlaceResult& place : result.places) {
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
                        {"false_positives", result.false_positives}});
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

void Main(int argc, char** argv) {
  CLI::App app(
      "Flips bits in products and counts what their checks find, what they miss, and what they "
      "cost.");
  std::vector<std::string> isa_names;
  std::vector<std::string> families = {"int8"};
  std::string json_path;
  bool full = false;
  CampaignOptions options;
  app.add_option("--isa", isa_names, "instruction sets, or all (default: the best)")
      ->delimiter(',');
  app.add_option("--families", families, "of products")
      ->delimiter(',')
      ->check(CLI::IsMember(ProductFamilies()))
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
  const std::vector<ProductCase> layers = PublishedLayers();
  const std::vector<Isa> isas = ChooseIsas(isa_names);
  const int64_t case_count = static_cast<int64_t>(layers.size() * isas.size() * families.size());
  if (full) {
    if (injections->count() == 0) options.injections = 1000;
    if (rounds->count() == 0) options.rounds = 31;
    options.clean_rows = 10000000 / case_count + 1;
  }

  std::printf(
      "%s\n\nOne flipped bit at a time, %lld per shape and place, seed %llu: of those that "
      "change a result, how many are detected.\n\n",
      MachineText().c_str(), static_cast<long long>(options.injections),
      static_cast<unsigned long long>(options.seed));
  PrintHeader({"flips in B", "flips in accumulators"});
  std::vector<CaseResult> results;
  json entries = json::array();
  for (const Isa isa : isas) {
    for (const std::string& family : families) {
      for (ProductCase which : layers) {
        which.family = family;
        which.isa = isa;
        {
          Progress progress("M, N, K = " + std::to_string(which.rows) + ", " +
                            std::to_string(which.outputs) + ", " + std::to_string(which.inputs));
          progress.Update(static_cast<double>(results.size()) / static_cast<double>(case_count));
          results.push_back(RunProductCampaign(which, options));
        }
        Print(results.back());
        AddTo(&entries, results.back());
      }
    }
  }
  PrintSummary(results);
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
