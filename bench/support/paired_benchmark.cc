#include "support/paired_benchmark.h"

#include <algorithm>
#include <exception>
#include <stdexcept>
#include <utility>

namespace qforge::bench {
namespace {

using MakeMeasurement = std::function<Measurement()>;

// The measurement of the entry that is running. Google Benchmark calls an entry several times with
// growing iteration counts; it is made once, and freed when the next entry begins.
Measurement& Prepare(const std::string& name, const MakeMeasurement& make) {
  static std::string prepared;
  static Measurement measurement;
  if (prepared != name) {
    prepared.clear();
    measurement = Measurement();
    measurement = make();
    prepared = name;
  }
  return measurement;
}

// Iterations come in slices. The clock runs in the batches of the timed party alone.
void RunRounds(benchmark::State& state, Measurement& measurement) {
  PairedRounds& rounds = *measurement.rounds;
  rounds.Clear();
  while (state.KeepRunningBatch(rounds.RepetitionsPerSlice(measurement.timed_party))) {
    state.PauseTiming();
    for (size_t party = 0; party < rounds.party_count(); ++party) {
      if (party == measurement.timed_party) continue;
      rounds.WarmUp(party);
      rounds.Measure(party);
    }
    rounds.WarmUp(measurement.timed_party);
    rounds.Measure(measurement.timed_party,
                   [&](bool begins) { begins ? state.ResumeTiming() : state.PauseTiming(); });
    state.ResumeTiming();
  }
  measurement.report(state.counters);
  state.counters["disturbed"] = rounds.Disturbed();
}

}  // namespace

void RegisterMeasurement(const std::string& name, MakeMeasurement make) {
  benchmark::RegisterBenchmark(name.c_str(),
                               [name, make = std::move(make)](benchmark::State& state) {
                                 try {
                                   RunRounds(state, Prepare(name, make));
                                 } catch (const std::exception& error) {
                                   state.SkipWithError(error.what());
                                 }
                               })
      ->UseRealTime()
      ->Unit(benchmark::kMicrosecond);
}

std::string IsaAndThreads(Isa isa, int threads) {
  return std::string("/isa:") + IsaName(isa) + "/threads:" + std::to_string(threads);
}

void AddSpread(const std::string& name, const Spread& spread, benchmark::UserCounters& counters) {
  counters[name] = spread.median;
  counters[name + "_low"] = spread.low;
  counters[name + "_high"] = spread.high;
}

void RunGoogleBenchmark(const std::string& program, std::vector<std::string> arguments,
                        const std::function<void()>& register_entries) {
  // Long enough for some thirty slices; Google Benchmark's own half second would be the timed
  // party's alone, with as much again for each of the parties beside it.
  const std::string min_time = "--benchmark_min_time=";
  if (std::none_of(arguments.begin(), arguments.end(), [&](const std::string& argument) {
        return argument.compare(0, min_time.size(), min_time) == 0;
      })) {
    arguments.push_back(min_time + "0.1");
  }
  arguments.insert(arguments.begin(), program);
  std::vector<char*> pointers;
  for (std::string& argument : arguments) pointers.push_back(argument.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  if (benchmark::ReportUnrecognizedArguments(count, pointers.data())) {
    throw std::runtime_error("see --help");
  }
  register_entries();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}

}  // namespace qforge::bench
