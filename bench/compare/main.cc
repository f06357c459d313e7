// qforge_compare: tells a slowdown between two runs of a benchmark from noise. See bench/README.md.
#include <CLI/CLI.hpp>
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <stdexcept>
#include <string>
#include <vector>

#include "compare/entries.h"
#include "compare/judgement.h"

namespace qforge::compare {
namespace {

struct Compared {
  std::string name;
  Judgement judgement;
};

const char* Text(Verdict verdict) {
  switch (verdict) {
    case Verdict::kSlower:
      return "SLOWER";
    case Verdict::kFaster:
      return "faster";
    case Verdict::kDisturbed:
      return "disturbed";
    case Verdict::kUnknown:
      return "noise unknown";
    case Verdict::kSame:
      break;
  }
  return "";
}

std::string Time(double seconds) {
  char text[32];
  for (const auto& [unit, scale] : {std::pair("s", 1.0), {"ms", 1e3}, {"us", 1e6}}) {
    if (seconds * scale < 1) continue;
    std::snprintf(text, sizeof(text), "%.4g %s", seconds * scale, unit);
    return text;
  }
  std::snprintf(text, sizeof(text), "%.4g ns", seconds * 1e9);
  return text;
}

std::string Ratio(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", value);
  return text;
}

void Print(const std::vector<Compared>& all, bool times) {
  size_t width = 5;
  for (const Compared& one : all) width = std::max(width, one.name.size());
  const int columns = static_cast<int>(width);
  std::printf("%-*s  %10s  %10s  %8s  %-16s\n", columns, "entry", "base", "new", "new/base",
              "interval");
  for (const auto& [name, judgement] : all) {
    if (judgement.verdict == Verdict::kDisturbed) {
      std::printf("%-*s  %10s  %10s  %8s  %-16s  %s\n", columns, name.c_str(), "", "", "", "",
                  Text(judgement.verdict));
      continue;
    }
    char interval[40] = "";
    if (judgement.verdict != Verdict::kUnknown) {
      std::snprintf(interval, sizeof(interval), "%.3f to %.3f", judgement.low, judgement.high);
    }
    const auto figure = [&](double value) { return times ? Time(value) : Ratio(value); };
    std::printf("%-*s  %10s  %10s  %8.3f  %-16s  %s\n", columns, name.c_str(),
                figure(judgement.base).c_str(), figure(judgement.fresh).c_str(), judgement.ratio,
                interval, Text(judgement.verdict));
  }
}

// What only one side has: an entry that fails is such a one.
void PrintMissing(const Entries& in, const Entries& from, const char* side) {
  int missing = 0;
  for (const std::string& name : in.names) {
    if (from.samples.count(name) != 0) continue;
    if (++missing <= 5) std::printf("only in %s: %s\n", side, name.c_str());
  }
  if (missing > 5) std::printf("only in %s: %d more\n", side, missing - 5);
}

long Count(const std::vector<Compared>& all, Verdict verdict) {
  return std::count_if(all.begin(), all.end(),
                       [&](const Compared& one) { return one.judgement.verdict == verdict; });
}

void PrintSummary(const std::vector<Compared>& all, double threshold) {
  double sum = 0;
  long count = 0;
  for (const Compared& one : all) {
    if (one.judgement.verdict == Verdict::kDisturbed) continue;
    sum += std::log(one.judgement.ratio);
    ++count;
  }
  std::printf("\n%zu compared", all.size());
  if (count > 0) {
    std::printf(", new/base %.3f in the geometric mean",
                std::exp(sum / static_cast<double>(count)));
  }
  std::printf(".\nBeyond noise and %.3g %%: %ld slower, %ld faster; %ld are not.\n",
              100 * threshold, Count(all, Verdict::kSlower), Count(all, Verdict::kFaster),
              Count(all, Verdict::kSame));
  const long disturbed = Count(all, Verdict::kDisturbed), unknown = Count(all, Verdict::kUnknown);
  if (disturbed > 0) {
    std::printf("Not judged: %ld that other processes disturbed; measure again.\n", disturbed);
  }
  if (unknown > 0) {
    std::printf("Not judged: %ld of one figure per side; repeat, or give several files.\n",
                unknown);
  }
}

// Whether nothing is slower.
bool Main(int argc, char** argv) {
  CLI::App app(
      "Compares two runs of a benchmark, entry by entry, and tells slowdowns from noise. Exit "
      "code: "
      "0 without, 1 with a slowdown, 2 for input that cannot be compared.",
      "qforge_compare");
  std::vector<std::string> pair, base_files, fresh_files;
  double threshold_percent = 0;
  bool of_limit = false;
  app.add_option("files", pair, "BASE.json NEW.json")->expected(2)->type_name("");
  app.add_option("--base", base_files, "instead: several runs of the one side")->type_name("FILE");
  app.add_option("--new", fresh_files, "and of the other")->type_name("FILE");
  auto* const threshold_option =
      app.add_option(
             "--threshold", threshold_percent,
             "percent: smaller differences are no slowdowns however sure they are (default: "
             "3 with several files per side, else 10)")
          ->check(CLI::Range(0.0, 1000.0));
  app.add_flag("--of-limit", of_limit,
               "compare times over those of the limits that were measured in the same rounds, "
               "which another clock does not move");
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::exit(app.exit(error) == 0 ? 0 : 2);
  }
  if (!pair.empty() && base_files.empty() && fresh_files.empty()) {
    base_files = {pair[0]};
    fresh_files = {pair[1]};
  } else if (!pair.empty() || base_files.empty() || fresh_files.empty()) {
    throw std::runtime_error("give either BASE.json NEW.json or --base and --new");
  }

  const Quantity quantity = of_limit ? Quantity::kOfLimit : Quantity::kTime;
  const bool several = base_files.size() > 1 && fresh_files.size() > 1;
  if (threshold_option->count() == 0) threshold_percent = several ? 3 : 10;
  const double threshold = threshold_percent / 100;
  const Entries base = ReadEntries(base_files, quantity);
  const Entries fresh = ReadEntries(fresh_files, quantity);
  std::vector<Compared> all;
  for (const std::string& name : base.names) {
    if (fresh.samples.count(name) == 0) continue;
    all.push_back({name, {}});
  }
  for (auto& [name, judgement] : all) {
    judgement = Judge(base.samples.at(name), fresh.samples.at(name), threshold, all.size());
  }
  if (all.empty()) throw std::runtime_error("the two sides have no entry in common");
  if (Count(all, Verdict::kUnknown) == static_cast<long>(all.size())) {
    throw std::runtime_error(
        "neither side says how its figures vary: repeat (--benchmark_repetitions) or give several "
        "files");
  }
  Print(all, base.seconds);
  PrintMissing(base, fresh, "base");
  PrintMissing(fresh, base, "new");
  PrintSummary(all, threshold);
  if (!several) {
    std::printf(
        "One file of a side says nothing of how much processes differ; --base and --new take "
        "several.\n");
  }
  return Count(all, Verdict::kSlower) == 0;
}

}  // namespace
}  // namespace qforge::compare

int main(int argc, char** argv) {
  try {
    return qforge::compare::Main(argc, argv) ? 0 : 1;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "qforge_compare: %s\n", error.what());
    return 2;
  }
}
