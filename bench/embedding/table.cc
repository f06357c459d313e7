#include "embedding/table.h"

#include <algorithm>
#include <cstdio>
#include <optional>
#include <string>

#include "cpu/host.h"
#include "embedding/comparison.h"
#include "peers/fbgemm_embedding.h"
#include "support/report.h"

namespace qforge::bench {
namespace {

using nlohmann::json;

// A figure that something is asked of. Empty where it was not measured.
struct Goal {
  std::optional<Spread> measured;
  double target = 0;  // 0: none

  bool missed() const { return measured && measured->median < target; }
};

struct Row {
  Case which;
  double nanoseconds = 0;
  double gigabytes_per_second = 0;
  json seconds;  // of a row
  std::optional<double> fbgemm_nanoseconds;
  bool fbgemm_follows = true;  // to the ISA
  Goal over_fbgemm, over_u4, of_limit;
  Spread check_overhead, beside_overhead;
  std::optional<Spread> checked_over_fbgemm;
  std::optional<double> limit_nanoseconds;
  std::string limit_description;
  double disturbed = 0;  // the part of the slices that were

  bool check_missed() const { return check_overhead.median > which.CheckBudget(); }
  bool checked_slower() const { return checked_over_fbgemm && checked_over_fbgemm->median < 1; }
  bool missed() const {
    return over_fbgemm.missed() || over_u4.missed() || of_limit.missed() || check_missed() ||
           checked_slower();
  }
};

// The level that the whole table fits into.
const char* Level(const Case& which) {
  const cpu::CpuInfo& host = cpu::Host();
  if (which.setting.flushed) return "memory";
  if (which.table_bytes() <= host.l1d.bytes) return "L1d";
  if (which.table_bytes() <= host.l2.bytes) return "L2";
  return which.table_bytes() <= host.l3.bytes ? "L3" : "memory";
}

Row MeasureRow(const Case& which, Isa isa, bool with_fbgemm, int rounds) {
  Comparison comparison(which, isa);
  if (with_fbgemm && FbgemmHas(which.format.rows)) comparison.AddFbgemm();
  if (which.TargetOverU4() > 0) comparison.AddU4();
  if (which.setting.flushed) comparison.AddLimit();
  comparison.AddChecked(Checksums::kInRow);
  comparison.AddChecked(Checksums::kBeside);
  comparison.rounds().Run(rounds);

  Row row;
  row.which = which;
  row.nanoseconds = comparison.NanosecondsPerRow(comparison.lookup());
  row.gigabytes_per_second = comparison.GigabytesPerSecond(comparison.lookup());
  row.seconds = SecondsJson(comparison.rounds(), comparison.lookup(),
                            static_cast<double>(which.rows_per_call()));
  if (comparison.fbgemm()) {
    row.fbgemm_nanoseconds = comparison.NanosecondsPerRow(*comparison.fbgemm());
    row.fbgemm_follows = FbgemmFollows(which.format.rows, isa);
  }
  row.over_fbgemm = {comparison.OverFbgemm(), row.fbgemm_follows ? which.TargetOverFbgemm() : 0};
  row.over_u4 = {comparison.OverU4(), which.TargetOverU4()};
  row.of_limit = {comparison.OfLimit(), which.TargetOfLimit()};
  if (comparison.limit()) {
    row.limit_nanoseconds = comparison.NanosecondsPerRow(*comparison.limit());
    row.limit_description = comparison.limit_description();
  }
  row.check_overhead = *comparison.CheckOverhead(Checksums::kInRow);
  row.beside_overhead = *comparison.CheckOverhead(Checksums::kBeside);
  row.checked_over_fbgemm = comparison.CheckedOverFbgemm(Checksums::kInRow);
  row.disturbed = comparison.rounds().Disturbed();
  return row;
}

// One column: the figure as a multiple ("1.85x") or in percent, its target, and < where missed.
void PrintGoal(const Goal& goal, bool percent) {
  const char* const format = percent ? "%6.1f %%" : "%7.2fx";
  if (!goal.measured) {
    std::printf("  %16s", "");
    return;
  }
  std::printf("  ");
  std::printf(format, (percent ? 100 : 1) * goal.measured->median);
  if (goal.target == 0) {
    std::printf("%8s", "");
  } else {
    char target[16];
    std::snprintf(target, sizeof(target), percent ? "%.0f %%" : "%.1fx",
                  (percent ? 100 : 1) * goal.target);
    std::printf(" %5s %s", target, goal.missed() ? "<" : " ");
  }
}

// What checking rows costs: with checksums in the rows, the most that it may, > where it is more,
// and with checksums beside them; and how many times as fast as FBGEMM the look-up then is.
void PrintCheck(const Row& row) {
  char most[16] = "";
  if (row.which.CheckBudget() < 1) {
    std::snprintf(most, sizeof(most), "%.0f %%", 100 * row.which.CheckBudget());
  }
  std::printf("  %+6.1f %% %5s %s %+6.1f %%", 100 * row.check_overhead.median, most,
              row.check_missed() ? ">" : " ", 100 * row.beside_overhead.median);
  if (row.checked_over_fbgemm) {
    std::printf(" %6.2fx%s", row.checked_over_fbgemm->median, row.checked_slower() ? "<" : " ");
  } else {
    std::printf(" %8s", "");
  }
}

void PrintHeader(bool flushed) {
  std::printf("\n%-9s %4s  %-6s %8s %7s  %7s   %-16s  %-16s", "format", "d", "table", "ns/row",
              "GB/s", "FBGEMM", " speed-up target", "  over u4 target");
  std::printf("  %-16s %7s %8s", " check     most", "beside", "/FBGEMM");
  if (flushed) std::printf("  %-16s  %s", "of limit target", "limit");
  std::printf("\n");
}

void Print(const Row& row) {
  std::printf("%-9s %4lld  %-6s %8.2f %7.1f  ", row.which.format.name,
              static_cast<long long>(row.which.dimension), Level(row.which), row.nanoseconds,
              row.gigabytes_per_second);
  if (row.fbgemm_nanoseconds) {
    std::printf("%7.2f%s", *row.fbgemm_nanoseconds, row.fbgemm_follows ? " " : "~");
  } else {
    std::printf("%7s ", "-");
  }
  PrintGoal(row.over_fbgemm, false);
  PrintGoal(row.over_u4, false);
  PrintCheck(row);
  if (row.limit_nanoseconds) {
    PrintGoal(row.of_limit, true);
    std::printf("  %.2f ns, %s", *row.limit_nanoseconds, row.limit_description.c_str());
  }
  std::printf("%s\n", Unreliable(row.disturbed) ? " ?" : "");
  std::fflush(stdout);
}

json ToJson(const Row& row) {
  json result = {{"format", row.which.format.name},      {"d", row.which.dimension},
                 {"row_bytes", row.which.row_bytes()},   {"table_bytes", row.which.table_bytes()},
                 {"table_in", Level(row.which)},         {"ns_per_row", row.nanoseconds},
                 {"gb_per_s", row.gigabytes_per_second}, {"disturbed", row.disturbed},
                 {"below_target", row.missed()},         {"seconds", row.seconds}};
  const auto add = [&](const std::string& name, const Goal& goal) {
    if (!goal.measured) return;
    result[name] = ToJson(*goal.measured);
    if (goal.target > 0) result[name + "_target"] = goal.target;
  };
  add("speedup_over_fbgemm", row.over_fbgemm);
  add("speedup_over_u4", row.over_u4);
  add("of_limit", row.of_limit);
  result["check_overhead"] = ToJson(row.check_overhead);
  if (row.which.CheckBudget() < 1) result["check_overhead_most"] = row.which.CheckBudget();
  result["check_beside_overhead"] = ToJson(row.beside_overhead);
  if (row.checked_over_fbgemm) {
    result["checked_speedup_over_fbgemm"] = ToJson(*row.checked_over_fbgemm);
  }
  if (row.fbgemm_nanoseconds) {
    result["fbgemm_ns_per_row"] = *row.fbgemm_nanoseconds;
    result["fbgemm_follows_isa"] = row.fbgemm_follows;
  }
  if (row.limit_nanoseconds) {
    result["limit_ns_per_row"] = *row.limit_nanoseconds;
    result["limit_pattern"] = row.limit_description;
  }
  return result;
}

json PrintTable(const std::vector<Case>& cases, bool flushed, Isa isa, bool with_fbgemm,
                int rounds) {
  const Setting& setting = flushed ? kOutOfCache : kInCache;
  std::printf("\nTables of %lld rows, %lld bags of %lld, %s\n",
              static_cast<long long>(setting.rows), static_cast<long long>(setting.bags),
              static_cast<long long>(setting.rows_per_bag),
              flushed ? "other rows in each call, which are in no cache"
                      : "the same rows in each call, in the caches");
  PrintHeader(flushed);
  json result = {{"isa", IsaName(isa)},
                 {"threads", 1},
                 {"rows", setting.rows},
                 {"cache_state", flushed ? "flushed" : "warm"},
                 {"entries", json::array()}};
  int missed = 0, unreliable = 0, unlike = 0;
  for (const Case& which : cases) {
    if (which.setting.flushed != flushed) continue;
    const Row row = MeasureRow(which, isa, with_fbgemm, rounds);
    Print(row);
    result["entries"].push_back(ToJson(row));
    missed += row.missed();
    unreliable += Unreliable(row.disturbed);
    unlike += !row.fbgemm_follows;
  }
  std::printf("%d of %zu rows miss a target (<, >).\n", missed, result["entries"].size());
  if (unreliable > 0) {
    std::printf("? marks %d rows that other processes disturbed: measure again.\n", unreliable);
  }
  if (unlike > 0) std::printf("~ marks FBGEMM kernels that take AVX-512 all the same.\n");
  return result;
}

}  // namespace

json PrintTables(const std::vector<Case>& cases, const std::vector<Isa>& isas, int rounds) {
  std::printf("%s\n", MachineText().c_str());
  json result = {{"cpu", cpu::Host().brand}, {"rounds", rounds}};
  for (const Isa isa : isas) {
    const bool with_fbgemm = isa == isas.front() && isa != Isa::kScalar;
    std::printf(
        "\nPooled look-up on %s, one thread: sum, 64-bit indices and offsets, which are checked, "
        "f32 output\nMedian of %d paired rounds%s\n",
        IsaName(isa), rounds,
        with_fbgemm && FbgemmHas(RowFormat::kF32) ? "; FBGEMM prefetches 16 rows ahead" : "");
    for (const bool flushed : {false, true}) {
      if (std::none_of(cases.begin(), cases.end(),
                       [&](const Case& which) { return which.setting.flushed == flushed; })) {
        continue;
      }
      result["tables"].push_back(PrintTable(cases, flushed, isa, with_fbgemm, rounds));
    }
  }
  return result;
}

}  // namespace qforge::bench
