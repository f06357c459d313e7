// How times are taken on a machine that is not quiet. What is to be compared runs side by side, in
// rounds of short slices: a clock that changes or a neighbour that takes its share meets all
// parties of a round alike, so that ratios within a round hold where times do not. What is reported
// is the median over rounds.
#ifndef QFORGE_BENCH_SUPPORT_PAIRED_ROUNDS_H_
#define QFORGE_BENCH_SUPPORT_PAIRED_ROUNDS_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <vector>

namespace qforge::bench {

// Does a piece of work `repetitions` times over.
using Work = std::function<void(int64_t repetitions)>;

// The quartiles of a number of values.
struct Spread {
  double low = 0;
  double median = 0;
  double high = 0;
};
Spread Quartiles(std::vector<double> values);

class PairedRounds {
 public:
  // A slice consists of batches, at least three, and its time is that of the median of those during
  // which the system did not take a CPU away from any thread of this process. A slice without such
  // a batch is disturbed, and its time is the median of all. A batch is at least one repetition.
  static constexpr double kBatchSeconds = 2e-4;
  static constexpr double kSliceSeconds = 3e-3;

  explicit PairedRounds(double slice_seconds = kSliceSeconds) : slice_seconds_(slice_seconds) {}

  // Adds a party, runs its work until it is known how much fills a batch, and returns its index.
  // `prepare`, where given, is called with the number of repetitions before each batch and is not
  // part of its time: it brings the caches into the state that the work is to meet.
  size_t Add(Work work, Work prepare = nullptr);

  // Runs `count` rounds: each party in turn warms up and is measured.
  void Run(int count);

  // The two halves of a turn, for callers that make their own rounds. Each round must measure each
  // party once.
  void WarmUp(size_t party);
  // `clock`, where given, is told where each batch begins (true) and ends (false).
  void Measure(size_t party, const std::function<void(bool begins)>& clock = nullptr);
  int64_t RepetitionsPerSlice(size_t party) const;

  void Clear();  // forgets the times, not the parties
  size_t party_count() const { return parties_.size(); }
  size_t round_count() const;
  // Seconds per repetition, by round.
  const std::vector<double>& Seconds(size_t party) const { return parties_[party].seconds; }

  // The part of the slices of all parties that were disturbed. Where it is large, the times say
  // more about other processes than about the parties.
  double Disturbed() const;

  // The quartiles of `of(round)` over the rounds.
  template <class Function>
  Spread Over(const Function& of) const {
    std::vector<double> values;
    for (size_t round = 0; round < round_count(); ++round) values.push_back(of(round));
    return Quartiles(std::move(values));
  }
  // Of the time of `party` over that of `other`.
  Spread Ratio(size_t party, size_t other) const;

 private:
  struct Party {
    Work work;
    Work prepare;  // may be empty
    int64_t repetitions_per_batch = 1;
    int64_t batches_per_slice = 1;
    int64_t warm_up_repetitions = 1;
    std::vector<double> seconds;
    int64_t disturbed_slices = 0;
  };

  static double LeastSecondsFor(const Party& party, int64_t repetitions);

  double slice_seconds_;
  std::vector<Party> parties_;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SUPPORT_PAIRED_ROUNDS_H_
