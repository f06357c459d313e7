#include "gemm/sparse.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <cstdio>
#include <memory>
#include <string>
#include <utility>

#include "cpu/host.h"
#include "gemm/sparse_problem.h"
#include "support/isas.h"
#include "support/paired_benchmark.h"
#include "support/paired_rounds.h"
#include "support/report.h"
#if QFORGE_BENCH_HAVE_FBGEMM
#include "peers/fbgemm_sparse.h"
#endif

namespace qforge::bench {
namespace {

using benchmark::UserCounters;
using nlohmann::json;

#if QFORGE_BENCH_HAVE_FBGEMM
constexpr bool kHavePeer = true;
#else
constexpr bool kHavePeer = false;
#endif

constexpr Shape kShapes[] = {{1024, 1024, 1024}, {511, 512, 512}, {256, 512, 256},
                             {64, 800, 320},     {6, 1024, 512},  {1, 1024, 1024}};
constexpr double kDensities[] = {1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1};

// qforge and, where it is there and asked for, FBGEMM, side by side.
struct Comparison {
  Comparison(const Shape& shape, double density, Isa isa, bool accumulate, bool with_peer)
      : problem(std::make_shared<const SparseProblem>(shape, density)) {
    const Context context = MakeContext(isa, 1);
    qforge = rounds.Add(MakeSparseParty(problem, isa, context, accumulate).work);
#if QFORGE_BENCH_HAVE_FBGEMM
    if (!with_peer) return;
    const SparseParty party = MakeFbgemmSparse(problem, accumulate);
    exact = IsExact(*problem, accumulate, party);
    peer = rounds.Add(party.work);
#else
    (void)with_peer;
#endif
  }

  double Seconds(size_t party) const { return Quartiles(rounds.Seconds(party)).median; }
  double Gops(size_t party) const { return problem->operations() / Seconds(party) * 1e-9; }
  Spread Speedup() const { return rounds.Ratio(peer, qforge); }

  std::shared_ptr<const SparseProblem> problem;
  PairedRounds rounds;
  size_t qforge = 0;
  size_t peer = 0;
  bool exact = false;  // the peer
};

Measurement Measure(const Shape& shape, double density, Isa isa, bool accumulate, bool of_peer) {
  const auto comparison = std::make_shared<Comparison>(shape, density, isa, accumulate, of_peer);
  Measurement measurement;
  measurement.rounds = {comparison, &comparison->rounds};
  measurement.timed_party = of_peer ? comparison->peer : comparison->qforge;
  measurement.report = [=](UserCounters& counters) {
    counters["GOPS"] = comparison->Gops(measurement.timed_party);
    if (!of_peer) return;
    AddSpread("qforge_speedup", comparison->Speedup(), counters);
    counters["exact"] = comparison->exact ? 1 : 0;
  };
  return measurement;
}

json PrintRow(const Shape& shape, double density, Isa isa, bool accumulate, int rounds) {
  Comparison comparison(shape, density, isa, accumulate, kHavePeer);
  comparison.rounds.Run(rounds);
  const double disturbed = comparison.rounds.Disturbed();
  const double seconds = comparison.Seconds(comparison.qforge);
  std::printf("%5lld %5lld %5lld %8g  %-10s %10.2f us", static_cast<long long>(shape.m),
              static_cast<long long>(shape.n), static_cast<long long>(shape.k), density,
              accumulate ? "accumulate" : "overwrite", seconds * 1e6);
  json row = {{"m", shape.m},
              {"n", shape.n},
              {"k", shape.k},
              {"density", density},
              {"accumulate", accumulate},
              {"us", seconds * 1e6},
              {"gops", comparison.Gops(comparison.qforge)},
              {"disturbed", disturbed},
              {"seconds", SecondsJson(comparison.rounds, comparison.qforge)}};
  if (kHavePeer) {
    const Spread speedup = comparison.Speedup();
    const double peer_seconds = comparison.Seconds(comparison.peer);
    std::printf("  %10.2f us%s %7.2fx (%.2f to %.2f) %s", peer_seconds * 1e6,
                comparison.exact ? " " : "~", speedup.median, speedup.low, speedup.high,
                speedup.median < 1 ? "<" : " ");
    row["peers"]["fbgemm"] = {{"us", peer_seconds * 1e6},
                              {"exact", comparison.exact},
                              {"qforge_speedup", ToJson(speedup)}};
  }
  std::printf("%s\n", Unreliable(disturbed) ? " ?" : "");
  std::fflush(stdout);
  return row;
}

}  // namespace

void RegisterSparseBenchmarks(const std::vector<Isa>& isas) {
  for (const Isa isa : isas) {
    for (const Shape& shape : kShapes) {
      for (const double density : kDensities) {
        for (const bool accumulate : {false, true}) {
          char text[32];
          std::snprintf(text, sizeof(text), "/density:%g", density);
          const std::string name = "int8_sparse/" + shape.Name() + text + IsaAndThreads(isa, 1) +
                                   (accumulate ? "/accumulate" : "");
          RegisterMeasurement(name,
                              [=] { return Measure(shape, density, isa, accumulate, false); });
          if (!kHavePeer || isa == Isa::kScalar) continue;
          RegisterMeasurement(name + "/peer:fbgemm",
                              [=] { return Measure(shape, density, isa, accumulate, true); });
        }
      }
    }
  }
}

json PrintSparseTables(const std::vector<Isa>& isas, int rounds) {
  std::printf("%s\n", MachineText().c_str());
  json result = {{"cpu", cpu::Host().brand}, {"rounds", rounds}, {"cache_state", "warm"}};
  for (const Isa isa : isas) {
    std::printf(
        "\nSparse int8 on %s, one thread: u8 activations, s8 weights, s32 output\n"
        "Warm caches, median (and quartiles) of %d paired rounds\n\n"
        "%5s %5s %5s %8s  %-10s %13s",
        IsaName(isa), rounds, "M", "N", "K", "density", "C", "time");
    if (kHavePeer) std::printf("  %13s   speed-up", "FBGEMM");
    std::printf("\n");
    json table = {{"isa", IsaName(isa)}, {"threads", 1}, {"rows", json::array()}};
    for (const Shape& shape : kShapes) {
      for (const double density : kDensities) {
        for (const bool accumulate : {false, true}) {
          table["rows"].push_back(PrintRow(shape, density, isa, accumulate, rounds));
        }
      }
    }
    result["tables"].push_back(std::move(table));
  }
  return result;
}

}  // namespace qforge::bench
