#include "gemm/table.h"

#include <algorithm>
#include <cstdio>
#include <exception>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "cpu/host.h"
#include "cpu/isa_table.h"
#include "gemm/comparison.h"
#include "gemm/creation.h"
#include "gemm/operands.h"
#include "gemm/targets.h"
#include "jit/kernel_cache.h"
#include "pack/packed_matrix.h"
#include "peers/peer.h"
#include "qforge/types.h"
#include "support/paired_rounds.h"
#include "support/report.h"

namespace qforge::bench {
namespace {

using nlohmann::json;

struct PeerResult {
  std::string name;
  std::string error;  // why there is nothing else
  bool exact = false;
  double gops = 0;
  Spread speedup;  // of qforge over the peer
};

// What there is to know of s8 weights besides.
struct S8Figures {
  int narrow_inputs = 0;  // k that are summed in 16 bits
  Spread u8_over_s32;
};

struct Row {
  Shape shape;
  double gops = 0;
  json seconds;  // of a call
  std::optional<Spread> of_limit;
  Targets targets;
  std::string bound;
  std::string packed;  // PackedWeights::Describe()
  std::string issue_mix;
  std::optional<double> issue_gops;
  std::optional<double> stream_gb_per_s;
  std::string stream_pattern;
  std::optional<S8Figures> s8;
  double disturbed = 0;  // the part of the slices that were
  std::vector<PeerResult> peers;

  bool below_target() const { return of_limit && of_limit->median < targets.of_limit; }
  bool too_slow_beside(const PeerResult& peer) const {
    return peer.error.empty() && peer.speedup.median < targets.speedup;
  }
  bool too_slow_beside_a_peer() const {
    return std::any_of(peers.begin(), peers.end(),
                       [&](const PeerResult& peer) { return too_slow_beside(peer); });
  }
};

// Without peers where `peers` is empty.
Row MeasureRow(const Shape& shape, const Operands& operands, Isa isa,
               const std::vector<Peer*>& peers, int rounds) {
  Comparison comparison(shape, operands, isa, 1);
  const size_t linear = comparison.AddLinear();
  std::optional<size_t> s32;
  if (!operands.is_float()) s32 = comparison.AddLinear(1, DataType::kS32);
  Row row;
  std::vector<size_t> peer_parties;
  for (Peer* const peer : peers) {
    PeerResult& result = row.peers.emplace_back();
    result.name = peer->name();
    size_t party = 0;
    try {
      party = comparison.AddPeer(*peer, &result.exact);
    } catch (const std::exception& error) {
      result.error = error.what();
    }
    peer_parties.push_back(party);
  }
  comparison.AddLimits();
  comparison.rounds().Run(rounds);

  row.shape = shape;
  row.disturbed = comparison.rounds().Disturbed();
  row.packed = comparison.weights().Describe();
  row.gops = comparison.Gops(linear);
  row.seconds = SecondsJson(comparison.rounds(), linear);
  row.targets = TargetsOf(operands, isa, shape);
  if (s32) {
    const pack::PanelLayout& layout = comparison.weights().matrix().layout;
    row.s8 = {layout.depth * layout.group_size, comparison.rounds().Ratio(linear, *s32)};
  }
  for (size_t i = 0; i < row.peers.size(); ++i) {
    if (!row.peers[i].error.empty()) continue;
    row.peers[i].gops = comparison.Gops(peer_parties[i]);
    row.peers[i].speedup = comparison.rounds().Ratio(peer_parties[i], linear);
  }
  if (comparison.has_limits()) {
    row.of_limit = comparison.OfLimit(linear);
    row.bound = comparison.Bound();
    row.issue_gops = comparison.IssueGops();
    row.issue_mix = comparison.issue_description();
    row.stream_gb_per_s = comparison.StreamGigabytesPerSecond();
    row.stream_pattern = comparison.stream_description();
  }
  return row;
}

void PrintHeader(const Operands& operands, const std::vector<Peer*>& peers) {
  std::printf("\n%7s %5s %5s %8s  %-24s %-7s %-7s", "M", "N", "K", "GOPS", "of the limit", "target",
              "bound");
  for (Peer* const peer : peers) {
    std::printf("  %18s", (std::string(peer->name()) + "  speed-up").c_str());
  }
  std::printf(operands.is_float() ? "\n" : "  u8/s32  16-bit\n");
}

void Print(const Row& row) {
  std::printf("%7lld %5lld %5lld %8.1f  ", static_cast<long long>(row.shape.m),
              static_cast<long long>(row.shape.n), static_cast<long long>(row.shape.k), row.gops);
  if (row.of_limit) {
    std::printf("%5.1f %% (%5.1f to %5.1f)  ", 100 * row.of_limit->median, 100 * row.of_limit->low,
                100 * row.of_limit->high);
  } else {
    std::printf("%-25s", "");
  }
  if (row.targets.of_limit > 0) {
    std::printf("%3.0f %% %s ", 100 * row.targets.of_limit, row.below_target() ? "<" : " ");
  } else {
    std::printf("%-8s", "");
  }
  std::printf("%-7s", row.bound.c_str());
  for (const PeerResult& peer : row.peers) {
    if (!peer.error.empty()) {
      std::printf("  %-18s", "-");
    } else {
      std::printf("  %8.1f%s %5.2fx %s", peer.gops, peer.exact ? " " : "~", peer.speedup.median,
                  row.too_slow_beside(peer) ? "<" : " ");
    }
  }
  if (row.s8) {
    const int inputs = row.s8->narrow_inputs;
    const std::string narrow = inputs == 0 ? "-" : std::to_string(inputs) + " k";
    std::printf("  %6.2f  %6s", row.s8->u8_over_s32.median, narrow.c_str());
  }
  std::printf("%s\n", Unreliable(row.disturbed) ? " ?" : "");
  std::fflush(stdout);
}

json ToJson(const Row& row) {
  json result = {{"m", row.shape.m},      {"n", row.shape.n},     {"k", row.shape.k},
                 {"gops", row.gops},      {"packed", row.packed}, {"disturbed", row.disturbed},
                 {"seconds", row.seconds}};
  if (row.s8) {
    result["narrow_inputs"] = row.s8->narrow_inputs;
    result["u8_over_s32"] = ToJson(row.s8->u8_over_s32);
  }
  if (row.of_limit) {
    result["of_limit"] = ToJson(*row.of_limit);
    result["bound"] = row.bound;
  }
  if (row.targets.of_limit > 0) {
    result["target"] = row.targets.of_limit;
    result["below_target"] = row.below_target();
  }
  if (row.issue_gops) {
    result["issue_gops"] = *row.issue_gops;
    result["issue_mix"] = row.issue_mix;
  }
  if (row.stream_gb_per_s) {
    result["stream_gb_per_s"] = *row.stream_gb_per_s;
    result["stream_pattern"] = row.stream_pattern;
  }
  for (const PeerResult& peer : row.peers) {
    json& entry = result["peers"][peer.name];
    if (!peer.error.empty()) {
      entry["error"] = peer.error;
    } else {
      entry = {
          {"gops", peer.gops}, {"exact", peer.exact}, {"qforge_speedup", ToJson(peer.speedup)}};
    }
  }
  return result;
}

void PrintSummary(const std::vector<Row>& rows) {
  const auto count = [&](auto predicate) {
    return std::count_if(rows.begin(), rows.end(), predicate);
  };
  const auto with_target = count([](const Row& row) { return row.targets.of_limit > 0; });
  if (with_target > 0) {
    std::printf("%td of %td shapes with a target are below it (<).\n",
                count([](const Row& row) { return row.below_target(); }), with_target);
  }
  const auto unreliable = count([](const Row& row) { return Unreliable(row.disturbed); });
  if (unreliable > 0) {
    std::printf("? marks %td rows that other processes disturbed: measure again.\n", unreliable);
  }
  if (!rows.front().peers.empty()) {
    std::printf("%td of %zu shapes are slower than a peer, or below a target beside it (<).\n",
                count([](const Row& row) { return row.too_slow_beside_a_peer(); }), rows.size());
    const bool inexact = count([](const Row& row) {
      return std::any_of(row.peers.begin(), row.peers.end(),
                         [](const PeerResult& peer) { return peer.error.empty() && !peer.exact; });
    });
    if (inexact) std::printf("~ marks results that are wrong: sums that saturated at 16 bits.\n");
    std::set<std::string> errors;
    for (const Row& row : rows) {
      for (const PeerResult& peer : row.peers) {
        if (!peer.error.empty()) errors.insert("No " + peer.name + ": " + peer.error);
      }
    }
    for (const std::string& error : errors) std::printf("%s\n", error.c_str());
  }
}

json PrintFirstEmission(const FirstEmission& first) {
  std::printf(
      "First layer of a process (64x64): packing %.0f us, operation %.0f us; of that %.0f us "
      "emitting\n  %.0f kernels, %.1f us and %.0f bytes each\n",
      first.weights_seconds * 1e6, first.linear_seconds * 1e6, first.emission_seconds * 1e6,
      first.kernels, first.emission_seconds * 1e6 / first.kernels,
      first.code_bytes / first.kernels);
  return {{"weights_us", first.weights_seconds * 1e6},
          {"linear_us", first.linear_seconds * 1e6},
          {"emission_us", first.emission_seconds * 1e6},
          {"kernels", first.kernels},
          {"code_bytes", first.code_bytes}};
}

json PrintCreation(const Operands& operands, Isa isa, int rounds) {
  constexpr int64_t kSize = 4096;
  // Without VNNI a single creation may take longer than all slices of a round do elsewhere.
  constexpr int kMostRounds = 11;
  json result;
  const std::pair<WeightsLayout, const char*> layouts[] = {
      {WeightsLayout::kInputsByOutputs, "inputs_by_outputs"},
      {WeightsLayout::kOutputsByInputs, "outputs_by_inputs"}};
  for (const auto& [layout, name] : layouts) {
    CreationComparison creation(kSize, layout, operands, isa);
    PairedRounds& times = creation.rounds();
    times.Run(std::min(rounds, kMostRounds));
    const double create = Quartiles(times.Seconds(creation.create())).median;
    const Spread over_copy = times.Ratio(creation.create(), creation.copy_to_new());
    const double in_place = times.Ratio(creation.create(), creation.copy()).median;
    std::printf(
        "Creating a 4096x4096 layer, %s: %.2f ms, %.2f times copying its weights "
        "(%.2f to %.2f),\n  %.2f times where the copy's memory is there already\n",
        name, create * 1e3, over_copy.median, over_copy.low, over_copy.high, in_place);
    std::fflush(stdout);
    result[name] = {{"create_ms", create * 1e3},
                    {"over_copy", ToJson(over_copy)},
                    {"over_copy_in_place", in_place}};
  }
  return result;
}

json PrintTwoThreads(const Operands& operands, Isa isa, int rounds) {
  const Shape shape{1024, 1024, 1024};
  if (std::thread::hardware_concurrency() < 2) return nullptr;
  try {
    Comparison comparison(shape, operands, isa, 2);
    const size_t two = comparison.AddLinear(2);
    const size_t one = comparison.AddLinear(1);
    comparison.rounds().Run(rounds);
    const Spread speedup = comparison.rounds().Ratio(one, two);
    const double disturbed = comparison.rounds().Disturbed();
    std::printf("Two threads, %s: %.1f GOPS, %.2f times one thread (%.2f to %.2f)%s\n",
                shape.Name().c_str(), comparison.Gops(two), speedup.median, speedup.low,
                speedup.high, Unreliable(disturbed) ? " ?" : "");
    return {{"shape", shape.Name()},
            {"gops", comparison.Gops(two)},
            {"speedup", ToJson(speedup)},
            {"disturbed", disturbed}};
  } catch (const std::exception& error) {
    std::printf("Two threads: %s\n", error.what());
    return {{"error", error.what()}};
  }
}

json PrintKernels() {
  json result = json::array();
  std::printf("\n%-64s %8s %8s\n", "Kernels emitted in this process", "bytes", "us");
  for (const jit::Kernel* kernel : jit::PublishedKernels()) {
    if (kernel->name().compare(0, 6, "limit_") == 0) continue;  // a loop of this program
    const double microseconds = static_cast<double>(kernel->emission_ns()) * 1e-3;
    std::printf("%-64s %8zu %8.1f\n", kernel->name().c_str(), kernel->code_size(), microseconds);
    result.push_back({{"name", kernel->name()},
                      {"code_bytes", kernel->code_size()},
                      {"emission_us", microseconds}});
  }
  return result;
}

json PrintTable(const std::vector<Shape>& shapes, const Operands& operands, Isa isa,
                const std::vector<Peer*>& peers, int rounds) {
  std::printf("\n%s on %s, one thread: %s\n%s\n", operands.traits().name, IsaName(isa),
              operands.ProductText().c_str(), operands.Description().c_str());
  std::printf("Warm caches, median (and quartiles) of %d paired rounds", rounds);
  for (Peer* const peer : peers) {
    std::printf("%s%s", peer == peers.front() ? "; peers: " : ", ", peer->description().c_str());
  }
  std::printf("\n");
  PrintHeader(operands, peers);

  json result = {{"family", operands.traits().name},
                 {"isa", IsaName(isa)},
                 {"product", operands.ProductText()},
                 {"operands", operands.Description()},
                 {"threads", 1},
                 {"shapes", json::array()}};
  std::vector<Row> rows;
  for (const Shape& shape : shapes) {
    rows.push_back(MeasureRow(shape, operands, isa, peers, rounds));
    Print(rows.back());
    result["shapes"].push_back(ToJson(rows.back()));
  }
  std::printf("\n");
  PrintSummary(rows);
  result["two_threads"] = PrintTwoThreads(operands, isa, rounds);
  result["create_4096x4096"] = PrintCreation(operands, isa, rounds);
  return result;
}

}  // namespace

json PrintTables(const std::vector<Shape>& shapes, const std::vector<Isa>& isas,
                 const OperandsChoice& choice, int rounds) {
  constexpr int kFirstEmissionSamples = 15;
  // Before anything is emitted here.
  std::vector<std::optional<FirstEmission>> first;
  for (const Isa isa : isas) {
    std::vector<FirstEmission> samples;
    for (int i = 0; i < kFirstEmissionSamples && isa != Isa::kScalar; ++i) {
      samples.push_back(MakeFirstLayer(isa));
    }
    first.push_back(samples.empty() ? std::nullopt : std::make_optional(Median(samples)));
  }

  std::printf("%s\n", MachineText().c_str());
  json result = {{"cpu", cpu::Host().brand}, {"rounds", rounds}, {"cache_state", "warm"}};
  for (const std::unique_ptr<Peer>& peer : Peers()) {
    result["peers"][peer->name()] = peer->description();
  }
  for (size_t i = 0; i < isas.size(); ++i) {
    const bool with_peers = i == 0 && isas[i] != Isa::kScalar;
    for (const Operands& operands : choice.On(isas[i])) {
      const std::vector<Peer*> peers = with_peers ? Peers(operands) : std::vector<Peer*>();
      result["tables"].push_back(PrintTable(shapes, operands, isas[i], peers, rounds));
    }
    if (first[i]) result["first_layer"][IsaName(isas[i])] = PrintFirstEmission(*first[i]);
  }
  result["kernels"] = PrintKernels();
  return result;
}

}  // namespace qforge::bench
