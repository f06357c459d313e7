// qforge_info: what qforge detects on this machine, which instruction sets it may use and, for
// those that it may not, why.

#include <CLI/CLI.hpp>
#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <fstream>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cpu/dispatch.h"
#include "cpu/host.h"
#include "cpu/isa_table.h"
#include "kernels/gemm_kernel.h"
#include "plan/algorithm.h"
#include "qforge/isa.h"

namespace {

using qforge::Isa;
using qforge::cpu::CacheLevel;
using qforge::cpu::CpuInfo;
using Json = nlohmann::ordered_json;

constexpr Isa kNoCap = static_cast<Isa>(qforge::kIsaCount - 1);

struct IsaReport {
  const qforge::cpu::IsaTraits* traits;
  std::string refusal;  // empty when it may be used
};

struct Report {
  const CpuInfo* host = &qforge::cpu::Host();
  std::optional<Isa> argument_cap;
  std::optional<Isa> environment_cap;
  std::vector<IsaReport> isas;
  std::optional<Isa> chosen;
  std::string error;  // why nothing is chosen
};

Report MakeReport(std::optional<Isa> argument_cap) {
  Report report;
  report.argument_cap = argument_cap;
  const auto& environment_cap = qforge::cpu::EnvironmentCap();
  if (environment_cap.ok() && *environment_cap != kNoCap) report.environment_cap = *environment_cap;

  for (int i = 0; i < qforge::kIsaCount; ++i) {
    const Isa isa = static_cast<Isa>(i);
    report.isas.push_back({.traits = &qforge::cpu::Traits(isa),
                           .refusal = qforge::cpu::WhyRefused(
                               isa, argument_cap.value_or(kNoCap),
                               report.environment_cap.value_or(kNoCap), report.host->features)});
  }
  const auto chosen = qforge::BestIsa(argument_cap.value_or(kNoCap));
  if (chosen.ok()) {
    report.chosen = *chosen;
  } else {
    report.error = chosen.status().message();
  }
  return report;
}

std::vector<std::pair<const char*, const CacheLevel*>> Caches(const CpuInfo& host) {
  return {{"L1d", &host.l1d}, {"L2", &host.l2}, {"L3", &host.l3}};
}

// --- Text ---------------------------------------------------------------------------------------

using Rows = std::vector<std::vector<std::string>>;

// A title and, indented below it, columns as wide as their longest cell.
void PrintSection(const char* title, const Rows& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], row[i].size());
  }
  std::printf("%s\n", title);
  for (const auto& row : rows) {
    std::string line;
    for (size_t i = 0; i < row.size(); ++i) {
      line += "  " + row[i] + std::string(widths[i] - row[i].size(), ' ');
    }
    line.erase(line.find_last_not_of(' ') + 1);
    std::printf("%s\n", line.c_str());
  }
  std::printf("\n");
}

std::string FormatBytes(int64_t bytes) {
  if (bytes % (1 << 20) == 0) return std::to_string(bytes >> 20) + " MiB";
  if (bytes % (1 << 10) == 0) return std::to_string(bytes >> 10) + " KiB";
  return std::to_string(bytes) + " bytes";
}

Rows CpuRows(const CpuInfo& host) {
  const std::string identity =
      "family " + std::to_string(host.family) + ", model " + std::to_string(host.model);
  return {{"vendor", host.vendor},
          {"brand", host.brand},
          {"microarchitecture", std::string(host.microarchitecture) + " (" + identity + ")"},
          {"cores", std::to_string(host.physical_cores)},
          {"logical processors", std::to_string(host.logical_processors)}};
}

Rows CacheRows(const CpuInfo& host) {
  Rows rows = {{"level", "size", "processors sharing it", ""}};
  for (const auto& [name, level] : Caches(host)) {
    if (level->assumed) {
      rows.push_back({name, FormatBytes(level->bytes), "?", "assumed, the system does not say"});
    } else {
      rows.push_back({name, FormatBytes(level->bytes), std::to_string(level->shared_by)});
    }
  }
  rows.push_back({"line", FormatBytes(host.cache_line_bytes)});
  return rows;
}

Rows IsaRows(const Report& report) {
  Rows rows = {{"name", "vectors", "encoding", "dot product", "use"}};
  for (const auto& [traits, refusal] : report.isas) {
    const bool scalar = traits->vector_bytes == 0;
    const std::string vectors = std::to_string(traits->vector_registers) + " x " +
                                std::to_string(traits->vector_bytes * 8) + " bits";
    const std::string use = !refusal.empty()               ? "no: " + refusal
                            : report.chosen == traits->isa ? "yes, chosen"
                                                           : "yes";
    rows.push_back({traits->name, scalar ? "-" : vectors,
                    scalar         ? "-"
                    : traits->evex ? "EVEX"
                                   : "VEX",
                    traits->vnni ? "vpdpbusd" : "-", use});
  }
  return rows;
}

Rows ChoiceRows(const Report& report) {
  const auto name = [](std::optional<Isa> isa) { return isa ? qforge::IsaName(*isa) : "none"; };
  // The only error there can be, since --max-isa was checked when it was parsed.
  const char* environment_cap = report.error.empty() ? name(report.environment_cap) : "invalid";
  Rows rows = {{"cap by --max-isa", name(report.argument_cap)},
               {"cap by QFORGE_MAX_ISA", environment_cap},
               {"chosen", name(report.chosen)}};
  if (!report.error.empty()) rows.push_back({"error", report.error});
  return rows;
}

// Per kernel family: what it is called, the algorithm, the tile, and why. Without VNNI there are
// two for products, between which the weights decide.
std::vector<std::vector<std::string>> FamilyRows(Isa isa) {
  using qforge::kernels::Summation;
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](Summation summation) {
    std::string tile = "-";
    if (isa != Isa::kScalar) {
      const int vectors = qforge::kernels::MaxVectors(isa, summation);
      tile = std::to_string(qforge::kernels::MaxRows(isa, summation, vectors)) + " x " +
             std::to_string(vectors * qforge::kernels::VectorColumns(isa));
    }
    const auto algorithm = qforge::plan::Int8Algorithm(isa, summation);
    rows.push_back({"int8 product", algorithm.name, tile, algorithm.reason});
  };
  const Summation any = isa == Isa::kScalar ? Summation::kDot : qforge::kernels::AnySummation(isa);
  if (any == Summation::kWidened) add(Summation::kNarrow);
  add(any);
  const auto arrays = qforge::plan::ArrayAlgorithm(isa);
  rows.push_back({"arrays", arrays.name, "-", arrays.reason});
  return rows;
}

Rows KernelRows(Isa isa) {
  Rows rows = {{"family", "algorithm", "largest tile", "why"}};
  for (auto& row : FamilyRows(isa)) rows.push_back(std::move(row));
  return rows;
}

void PrintText(const Report& report) {
  PrintSection("CPU", CpuRows(*report.host));
  PrintSection("Caches", CacheRows(*report.host));
  PrintSection("Instruction sets", IsaRows(report));
  PrintSection("Choice", ChoiceRows(report));
  if (report.chosen) PrintSection("Kernels", KernelRows(*report.chosen));
}

// --- JSON ---------------------------------------------------------------------------------------

Json IsaJson(const IsaReport& isa) {
  return {{"name", isa.traits->name},
          {"vector_bytes", isa.traits->vector_bytes},
          {"vector_registers", isa.traits->vector_registers},
          {"evex", isa.traits->evex},
          {"vnni", isa.traits->vnni},
          {"usable", isa.refusal.empty()},
          {"reason", isa.refusal.empty() ? Json() : Json(isa.refusal)}};
}

Json ToJson(const Report& report) {
  const CpuInfo& host = *report.host;
  const auto name = [](std::optional<Isa> isa) {
    return isa ? Json(qforge::IsaName(*isa)) : Json();
  };
  Json json;
  json["cpu"] = {{"vendor", host.vendor},
                 {"brand", host.brand},
                 {"microarchitecture", host.microarchitecture},
                 {"family", host.family},
                 {"model", host.model},
                 {"cores", host.physical_cores},
                 {"logical_processors", host.logical_processors}};
  json["cache_line_bytes"] = host.cache_line_bytes;
  for (const auto& [level_name, level] : Caches(host)) {
    json["caches"][level_name] = {
        {"bytes", level->bytes}, {"shared_by", level->shared_by}, {"assumed", level->assumed}};
  }
  for (const IsaReport& isa : report.isas) json["isas"].push_back(IsaJson(isa));
  json["argument_cap"] = name(report.argument_cap);
  json["environment_cap"] = name(report.environment_cap);
  json["chosen"] = name(report.chosen);
  if (report.chosen) {
    for (const auto& row : FamilyRows(*report.chosen)) {
      json["kernels"].push_back(
          {{"family", row[0]}, {"algorithm", row[1]}, {"largest_tile", row[2]}, {"why", row[3]}});
    }
  }
  json["error"] = report.error.empty() ? Json() : Json(report.error);
  return json;
}

}  // namespace

int main(int argc, char** argv) {
  CLI::App app("Shows what qforge detects on this machine and which instruction set it uses.");
  std::string json_file;
  std::string max_isa;
  app.add_option("--json", json_file, "Also write the same as JSON to this file")
      ->type_name("FILE");
  app.add_option("--max-isa", max_isa, "Cap the instruction set, as ContextOptions::max_isa does")
      ->type_name("NAME");
  CLI11_PARSE(app, argc, argv);

  std::optional<Isa> argument_cap;
  if (app.count("--max-isa") != 0) {
    const auto parsed = qforge::ParseIsa(max_isa.c_str());
    if (!parsed.ok()) {
      std::fprintf(stderr, "--max-isa: %s\n", parsed.status().message());
      return 2;
    }
    argument_cap = *parsed;
  }
  const Report report = MakeReport(argument_cap);
  PrintText(report);
  if (!json_file.empty()) {
    std::ofstream file(json_file);
    file << ToJson(report).dump(2) << '\n';
    if (!file.flush()) {
      std::fprintf(stderr, "--json: cannot write %s\n", json_file.c_str());
      return 2;
    }
  }
  return report.chosen ? 0 : 1;
}
