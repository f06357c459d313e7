#include "support/paired_rounds.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <utility>

namespace qforge::bench {
namespace {

// Brings back into the caches what other parties drove out. One pass does, but where it is short a
// few more also bring back the order in which the caches replace lines, and the branch history.
constexpr double kWarmUpSeconds = 5e-5;

double SecondsFor(const Work& work, int64_t repetitions) {
  const auto start = std::chrono::steady_clock::now();
  work(repetitions);
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// How often the system has taken a CPU away from the threads of this process.
int64_t Interruptions() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return usage.ru_nivcsw;
}

}  // namespace

Spread Quartiles(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto at = [&](double fraction) {
    return values[static_cast<size_t>(
        std::lround(fraction * static_cast<double>(values.size() - 1)))];
  };
  return {at(0.25), at(0.5), at(0.75)};
}

// The least of three times: one that was interrupted would leave batches of far too little work.
double PairedRounds::LeastSecondsFor(const Party& party, int64_t repetitions) {
  double least = std::numeric_limits<double>::infinity();
  for (int i = 0; i < 3; ++i) {
    if (party.prepare) party.prepare(repetitions);
    least = std::min(least, SecondsFor(party.work, repetitions));
  }
  return least;
}

size_t PairedRounds::Add(Work work, Work prepare) {
  Party party;
  party.work = std::move(work);
  party.prepare = std::move(prepare);
  party.work(1);
  int64_t repetitions = 1;
  double seconds = LeastSecondsFor(party, repetitions);
  while (seconds < kBatchSeconds) {
    repetitions *= 2;
    seconds = LeastSecondsFor(party, repetitions);
  }
  const double estimate = seconds / static_cast<double>(repetitions);
  const auto repetitions_in = [&](double duration) {
    return std::max<int64_t>(1, std::llround(duration / estimate));
  };
  party.repetitions_per_batch = repetitions_in(kBatchSeconds);
  party.warm_up_repetitions = repetitions_in(kWarmUpSeconds);
  party.batches_per_slice = std::max<int64_t>(
      3,
      std::llround(slice_seconds_ / estimate / static_cast<double>(party.repetitions_per_batch)));
  parties_.push_back(std::move(party));
  return parties_.size() - 1;
}

void PairedRounds::Run(int count) {
  for (int round = 0; round < count; ++round) {
    for (size_t party = 0; party < parties_.size(); ++party) {
      WarmUp(party);
      Measure(party);
    }
  }
}

void PairedRounds::WarmUp(size_t party) {
  parties_[party].work(parties_[party].warm_up_repetitions);
}

void PairedRounds::Measure(size_t index, const std::function<void(bool begins)>& clock) {
  Party& party = parties_[index];
  std::vector<double> all, uninterrupted;
  for (int64_t batch = 0; batch < party.batches_per_slice; ++batch) {
    if (party.prepare) party.prepare(party.repetitions_per_batch);
    const int64_t interruptions = Interruptions();
    if (clock) clock(true);
    all.push_back(SecondsFor(party.work, party.repetitions_per_batch));
    if (clock) clock(false);
    if (Interruptions() == interruptions) uninterrupted.push_back(all.back());
  }
  party.disturbed_slices += uninterrupted.empty() ? 1 : 0;
  const Spread batch = Quartiles(std::move(uninterrupted.empty() ? all : uninterrupted));
  party.seconds.push_back(batch.median / static_cast<double>(party.repetitions_per_batch));
}

int64_t PairedRounds::RepetitionsPerSlice(size_t party) const {
  return parties_[party].repetitions_per_batch * parties_[party].batches_per_slice;
}

void PairedRounds::Clear() {
  for (Party& party : parties_) {
    party.seconds.clear();
    party.disturbed_slices = 0;
  }
}

size_t PairedRounds::round_count() const {
  return parties_.empty() ? 0 : parties_.front().seconds.size();
}

double PairedRounds::Disturbed() const {
  int64_t disturbed = 0;
  for (const Party& party : parties_) disturbed += party.disturbed_slices;
  return static_cast<double>(disturbed) / static_cast<double>(parties_.size() * round_count());
}

Spread PairedRounds::Ratio(size_t party, size_t other) const {
  return Over([&](size_t round) { return Seconds(party)[round] / Seconds(other)[round]; });
}

}  // namespace qforge::bench
