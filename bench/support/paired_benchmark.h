// Entries of Google Benchmark that are measured in paired rounds.
#ifndef QFORGE_BENCH_SUPPORT_PAIRED_BENCHMARK_H_
#define QFORGE_BENCH_SUPPORT_PAIRED_BENCHMARK_H_

#include <benchmark/benchmark.h>

#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "qforge/isa.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// What an entry runs: paired rounds, of which Google Benchmark times one party, and counters made
// from all of them.
struct Measurement {
  std::shared_ptr<PairedRounds> rounds;
  size_t timed_party = 0;
  std::function<void(benchmark::UserCounters& counters)> report;
};

// `make` is called when the entry runs; what it throws becomes the entry's error.
void RegisterMeasurement(const std::string& name, std::function<Measurement()> make);

// "/isa:NAME/threads:N".
std::string IsaAndThreads(Isa isa, int threads);

// The quartiles as NAME, NAME_low and NAME_high.
void AddSpread(const std::string& name, const Spread& spread, benchmark::UserCounters& counters);

// Hands `arguments` to Google Benchmark and runs what `register_entries` registers. Throws
// std::runtime_error for arguments that it does not know.
void RunGoogleBenchmark(const std::string& program, std::vector<std::string> arguments,
                        const std::function<void()>& register_entries);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SUPPORT_PAIRED_BENCHMARK_H_
