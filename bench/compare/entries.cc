#include "compare/entries.h"

#include <cmath>
#include <cstdio>
#include <functional>
#include <set>

#include "common/json_value.h"

namespace qforge::compare {
namespace {

using bench::JsonValue;

// Between the quartiles of a normal distribution of variance 1.
constexpr double kInterquartileRange = 1.349;

void Add(const std::string& name, const Sample& sample, Entries* entries) {
  std::vector<Sample>& samples = entries->samples[name];
  if (samples.empty()) entries->names.push_back(name);
  samples.push_back(sample);
}

double VarianceOf(double low, double high) {
  const double deviation = std::log(high / low) / kInterquartileRange;
  return deviation * deviation;
}

// From the fields of those names; `inverse`: of 1 / x.
Sample FromQuartiles(const JsonValue& of, const std::string& median, const std::string& low,
                     const std::string& high, bool inverse = false) {
  const double value = of.Positive(median);
  return {inverse ? 1 / value : value, VarianceOf(of.Positive(low), of.Positive(high)), false};
}

bool Disturbed(const JsonValue& entry) {
  return entry.Has("disturbed") && entry.Number("disturbed") > 0.2;
}

std::string Integer(const JsonValue& entry, const std::string& field) {
  return std::to_string(entry.Integer(field));
}

std::string Suffix(const JsonValue& table) {
  return "/isa:" + table.Text("isa") + "/threads:" + Integer(table, "threads");
}

std::string ShapeName(const JsonValue& entry) {
  return Integer(entry, "m") + "x" + Integer(entry, "n") + "x" + Integer(entry, "k");
}

void ReadTable(const JsonValue& table, const std::string& list, Quantity quantity,
               const std::function<std::string(const JsonValue& entry)>& name_of,
               Entries* entries) {
  for (const JsonValue& entry : table.List(list)) {
    if (quantity == Quantity::kOfLimit && !entry.Has("of_limit")) continue;
    Sample sample = quantity == Quantity::kOfLimit
                        ? FromQuartiles(entry.At("of_limit"), "median", "low", "high", true)
                        : FromQuartiles(entry.At("seconds"), "median", "low", "high");
    sample.disturbed = Disturbed(entry);
    Add(name_of(entry), sample, entries);
  }
}

// Names are those of the entries that Google Benchmark runs.
void ReadTables(const JsonValue& file, Quantity quantity, Entries* entries) {
  for (const JsonValue& table : file.List("tables")) {
    const std::string suffix = Suffix(table);
    if (table.Has("shapes")) {
      ReadTable(
          table, "shapes", quantity,
          [&](const JsonValue& entry) {
            return table.Text("family") + "/" + ShapeName(entry) + suffix;
          },
          entries);
    } else if (table.Has("entries")) {
      ReadTable(
          table, "entries", quantity,
          [&](const JsonValue& entry) {
            return "embedding_bag/" + entry.Text("format") + "/d:" + Integer(entry, "d") +
                   "/rows:" + Integer(table, "rows") + suffix;
          },
          entries);
    } else {
      ReadTable(
          table, "rows", quantity,
          [&](const JsonValue& entry) {
            char density[32];
            std::snprintf(density, sizeof(density), "/density:%g", entry.Number("density"));
            return "int8_sparse/" + ShapeName(entry) + density + suffix +
                   (entry.Flag("accumulate") ? "/accumulate" : "");
          },
          entries);
    }
  }
}

// The places where faults were injected share the overhead of their case.
void ReadCampaign(const JsonValue& file, Entries* entries) {
  std::set<std::string> seen;
  for (const JsonValue& entry : file.List("entries")) {
    const std::string name = entry.Text("name");
    const std::string of_case = name.substr(0, name.rfind('/'));
    if (!seen.insert(of_case).second) continue;
    const double low = 1 + entry.Number("overhead_low"), high = 1 + entry.Number("overhead_high");
    const double value = 1 + entry.Number("overhead");
    if (low <= 0 || high <= 0 || value <= 0) entry.Fail("has an overhead of -1 or less");
    Add(of_case, {value, VarianceOf(low, high), false}, entries);
  }
}

double SecondsPer(const JsonValue& entry) {
  const std::string unit = entry.Text("time_unit");
  for (const auto& [name, seconds] :
       {std::pair("ns", 1e-9), {"us", 1e-6}, {"ms", 1e-3}, {"s", 1.0}}) {
    if (unit == name) return seconds;
  }
  entry.Fail("has an unknown 'time_unit': " + unit);
}

void ReadGoogleBenchmark(const JsonValue& file, Quantity quantity, Entries* entries) {
  bool any = false;
  for (const JsonValue& entry : file.List("benchmarks")) {
    if (entry.Has("error_occurred") && entry.Flag("error_occurred")) continue;
    if (entry.Has("run_type") && entry.Text("run_type") != "iteration") continue;
    any = true;
    const std::string name = entry.Text(entry.Has("run_name") ? "run_name" : "name");
    Sample sample;
    if (quantity == Quantity::kTime) {
      sample.value = entry.Positive("real_time") * SecondsPer(entry);
    } else if (entry.Has("of_limit")) {
      sample = FromQuartiles(entry, "of_limit", "of_limit_low", "of_limit_high", true);
    } else {
      continue;
    }
    sample.disturbed = Disturbed(entry);
    Add(name, sample, entries);
  }
  if (!any) {
    file.Fail("has no iterations in 'benchmarks': without --benchmark_report_aggregates_only?");
  }
}

}  // namespace

Entries ReadEntries(const std::vector<std::string>& files, Quantity quantity) {
  Entries entries;
  entries.seconds = quantity == Quantity::kTime;
  for (const std::string& path : files) {
    const JsonValue file = JsonValue::Read(path);
    if (file.Has("benchmarks")) {
      ReadGoogleBenchmark(file, quantity, &entries);
    } else if (file.Has("tables")) {
      ReadTables(file, quantity, &entries);
    } else if (file.Has("entries")) {
      if (quantity == Quantity::kOfLimit) file.Fail("has no limits");
      ReadCampaign(file, &entries);
      entries.seconds = false;
    } else {
      file.Fail("has none of the fields 'tables', 'entries' and 'benchmarks'");
    }
  }
  return entries;
}

}  // namespace qforge::compare
