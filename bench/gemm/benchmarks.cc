#include "gemm/benchmarks.h"

#include <benchmark/benchmark.h>

#include <cstddef>
#include <exception>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "gemm/comparison.h"
#include "gemm/creation.h"
#include "gemm/limits.h"
#include "gemm/operands.h"
#include "gemm/problem.h"
#include "kernels/gemm_kernel.h"
#include "pack/panel_layout.h"
#include "peers/peer.h"
#include "plan/summation.h"
#include "qforge/types.h"
#include "support/isas.h"
#include "support/paired_benchmark.h"
#include "support/paired_rounds.h"

namespace qforge::bench {
namespace {

using benchmark::UserCounters;

void AddRates(const Comparison& comparison, size_t party, UserCounters& counters) {
  counters["GOPS"] = comparison.Gops(party);
  if (comparison.has_limits()) AddSpread("of_limit", comparison.OfLimit(party), counters);
}

Measurement Measure(std::shared_ptr<Comparison> comparison, size_t timed_party,
                    std::function<void(UserCounters& counters)> report_more) {
  Measurement measurement;
  measurement.rounds = {comparison, &comparison->rounds()};
  measurement.timed_party = timed_party;
  measurement.report = [=](UserCounters& counters) {
    AddRates(*comparison, timed_party, counters);
    if (report_more) report_more(counters);
  };
  return measurement;
}

Measurement MakeProduct(const Shape& shape, const Operands& operands, Isa isa, int threads) {
  const auto comparison = std::make_shared<Comparison>(shape, operands, isa, threads);
  const size_t linear = comparison->AddLinear();
  comparison->AddLimits();
  if (operands.OutlierShare() > 0.0) {
    const size_t dense = comparison->AddWithoutOutliers();
    return Measure(comparison, linear, [=](UserCounters& counters) {
      AddSpread("of_dense", comparison->rounds().Ratio(dense, linear), counters);
    });
  }
  if (threads == 1) return Measure(comparison, linear, nullptr);
  const size_t one_thread = comparison->AddLinear(1);
  return Measure(comparison, linear, [=](UserCounters& counters) {
    AddSpread("speedup", comparison->rounds().Ratio(one_thread, linear), counters);
  });
}

Measurement MakeS32Output(const Shape& shape, const Operands& operands, Isa isa, int threads) {
  const auto comparison = std::make_shared<Comparison>(shape, operands, isa, threads);
  const size_t s32 = comparison->AddLinear(threads, DataType::kS32);
  const size_t u8 = comparison->AddLinear();
  comparison->AddLimits();
  return Measure(comparison, s32, [=](UserCounters& counters) {
    AddSpread("u8_over_s32", comparison->rounds().Ratio(u8, s32), counters);
  });
}

Measurement MakePeer(Peer& peer, const Shape& shape, const Operands& operands, Isa isa) {
  const auto comparison = std::make_shared<Comparison>(shape, operands, isa, 1);
  bool exact = false;
  const size_t other = comparison->AddPeer(peer, &exact);
  const size_t linear = comparison->AddLinear();
  comparison->AddLimits();
  return Measure(comparison, other, [=](UserCounters& counters) {
    AddSpread("qforge_speedup", comparison->rounds().Ratio(other, linear), counters);
    counters["exact"] = exact ? 1 : 0;
  });
}

Measurement MakeLimit(const Limit& limit, const std::string& counter) {
  Measurement measurement;
  measurement.rounds = std::make_shared<PairedRounds>();
  const size_t party = measurement.rounds->Add(limit.work);
  const std::shared_ptr<PairedRounds> rounds = measurement.rounds;
  const double amount = limit.amount;
  measurement.report = [=](UserCounters& counters) {
    counters[counter] = amount / Quartiles(rounds->Seconds(party)).median * 1e-9;
  };
  return measurement;
}

Measurement MakeCreation(WeightsLayout layout, const Operands& operands, Isa isa) {
  constexpr int64_t kSize = 4096;
  const auto creation = std::make_shared<CreationComparison>(kSize, layout, operands, isa);
  Measurement measurement;
  measurement.rounds = {creation, &creation->rounds()};
  measurement.timed_party = creation->create();
  measurement.report = [=](UserCounters& counters) {
    PairedRounds& rounds = creation->rounds();
    AddSpread("over_copy", rounds.Ratio(creation->create(), creation->copy_to_new()), counters);
    counters["over_copy_in_place"] = rounds.Ratio(creation->create(), creation->copy()).median;
  };
  return measurement;
}

// Not paired: its time is that of the operation in each of a number of processes.
void RegisterFirstEmission(Isa isa) {
  const std::string name = std::string("emit/first/isa:") + IsaName(isa);
  benchmark::RegisterBenchmark(name.c_str(),
                               [isa](benchmark::State& state) {
                                 try {
                                   std::vector<FirstEmission> samples;
                                   for (auto _ : state) {
                                     samples.push_back(MakeFirstLayer(isa));
                                     state.SetIterationTime(samples.back().linear_seconds);
                                   }
                                   const FirstEmission first = Median(samples);
                                   state.counters["emission_us"] = first.emission_seconds * 1e6;
                                   state.counters["kernels"] = first.kernels;
                                   state.counters["us_per_kernel"] =
                                       first.emission_seconds * 1e6 / first.kernels;
                                   state.counters["code_bytes"] = first.code_bytes;
                                 } catch (const std::exception& error) {
                                   state.SkipWithError(error.what());
                                 }
                               })
      ->UseManualTime()
      ->Unit(benchmark::kMicrosecond);
}

// The mixes that may bound the shapes: of s8 without VNNI packing decides which of them does.
std::vector<InstructionMix> Mixes(const std::vector<Shape>& shapes, const Operands& operands,
                                  Isa isa) {
  std::map<std::string, InstructionMix> mixes;
  const auto add = [&](const InstructionMix& mix) { mixes.emplace(mix.Variant(), mix); };
  const kernels::Summation any = kernels::AnySummation(isa);
  for (const Shape& shape : shapes) {
    const pack::PanelLayout layout =
        operands.is_float()
            ? pack::MakeFloatPanelLayout(isa, operands.traits().weights, shape.k, shape.n, 1)
            : pack::MakePanelLayout(isa, any, shape.k, shape.n, 1);
    add(LimitingMix(operands, layout, shape.m));
  }
  if (!operands.is_float() && any == kernels::Summation::kWidened) {
    for (const int depth : plan::kNarrowDepths) {
      InstructionMix mix;
      mix.kind = ProductKind::kNarrowS8;
      mix.depth = depth;
      add(mix);
    }
  }
  std::vector<InstructionMix> result;
  for (const auto& [variant, mix] : mixes) result.push_back(mix);
  return result;
}

void RegisterLimits(const std::vector<Shape>& shapes, const Operands& operands, Isa isa) {
  constexpr int kThreads = 1;
  std::set<int64_t> footprints;
  for (const Shape& shape : shapes) {
    footprints.insert(static_cast<int64_t>(operands.WeightBytes(shape)));
  }
  const std::vector<InstructionMix> mixes = Mixes(shapes, operands, isa);
  for (const InstructionMix& mix : mixes) {
    RegisterMeasurement("limit/issue" + IsaAndThreads(isa, kThreads) + mix.Variant(), [=] {
      return MakeLimit(IssueLimit(isa, mix, MakeContext(isa, kThreads)), "GOPS");
    });
  }
  for (const int64_t bytes : footprints) {
    for (const InstructionMix& mix : mixes) {
      if (mix.rows > 1) continue;  // each weight is used once
      RegisterMeasurement(
          "limit/stream/" + std::to_string(bytes) + IsaAndThreads(isa, kThreads) + mix.Variant(),
          [=] {
            return MakeLimit(StreamLimit(isa, mix, bytes, MakeContext(isa, kThreads)), "GB/s");
          });
    }
  }
}

void RegisterCreation(const Operands& operands, Isa isa) {
  // int8 is what a layer is unless its name says otherwise.
  const std::string family =
      operands.family == Family::kInt8 ? "" : std::string("/family:") + operands.traits().name;
  const std::string layer =
      "create/4096x4096" + IsaAndThreads(isa, 1) + family + operands.Variant();
  RegisterMeasurement(layer,
                      [=] { return MakeCreation(WeightsLayout::kInputsByOutputs, operands, isa); });
  RegisterMeasurement(layer + "/layout:outputs_by_inputs",
                      [=] { return MakeCreation(WeightsLayout::kOutputsByInputs, operands, isa); });
}

void RegisterProducts(const std::vector<Shape>& shapes, const Operands& operands, Isa isa,
                      bool with_peers) {
  // Two threads where there is work for them, and cores.
  constexpr double kOperationsForTwoThreads = 1e9;
  const bool two_cores = std::thread::hardware_concurrency() >= 2;
  for (const Shape& shape : shapes) {
    const auto name = [&](int threads) {
      return std::string(operands.traits().name) + "/" + shape.Name() +
             IsaAndThreads(isa, threads) + operands.Variant();
    };
    RegisterMeasurement(name(1), [=] { return MakeProduct(shape, operands, isa, 1); });
    if (with_peers) {
      for (Peer* const peer : Peers(operands)) {
        RegisterMeasurement(name(1) + "/peer:" + peer->name(),
                            [=] { return MakePeer(*peer, shape, operands, isa); });
      }
    }
    if (!operands.is_float()) {
      RegisterMeasurement(name(1) + "/output:s32",
                          [=] { return MakeS32Output(shape, operands, isa, 1); });
    }
    if (two_cores && shape.operations() >= kOperationsForTwoThreads) {
      RegisterMeasurement(name(2), [=] { return MakeProduct(shape, operands, isa, 2); });
    }
  }
}

}  // namespace

void RegisterBenchmarks(const std::vector<Shape>& shapes, const std::vector<Isa>& isas,
                        const OperandsChoice& choice) {
  // First, while nothing has been emitted.
  for (const Isa isa : isas) {
    if (isa != Isa::kScalar) RegisterFirstEmission(isa);
  }
  for (const Isa isa : isas) {
    bool has_s8_limits = false;
    for (const Operands& operands : choice.On(isa)) {
      // Families of s8 share theirs.
      const bool known = !operands.is_float() && std::exchange(has_s8_limits, true);
      if (isa != Isa::kScalar && !known) RegisterLimits(shapes, operands, isa);
      RegisterCreation(operands, isa);
      RegisterProducts(shapes, operands, isa, isa != Isa::kScalar && isa == isas.front());
    }
  }
}

}  // namespace qforge::bench
