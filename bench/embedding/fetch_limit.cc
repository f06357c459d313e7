#include "embedding/fetch_limit.h"

#include <algorithm>
#include <array>
#include <limits>
#include <stdexcept>
#include <utility>
#include <vector>

namespace qforge::bench {
namespace {

constexpr int64_t kLineBytes = 64;

struct Rows {
  const std::byte* data;
  int64_t row_bytes;
};

// For each row named by `indices`: prefetches the row `distance` positions on, where `distance` is
// not 0, and reads a byte of each line. kSteps is the number of whole steps of a line in a row; it
// is a constant so that no branch depends on how a row lies: its last byte is read as well, which
// is in a line of its own for some rows. Returns a sum that keeps the reads alive.
template <size_t kSteps>
uint64_t Fetch(const Rows& rows, const int64_t* indices, int64_t count, int64_t distance) {
  const auto each_line = [&](int64_t index, const auto& use) {
    const std::byte* const row = rows.data + index * rows.row_bytes;
    for (size_t step = 0; step < kSteps; ++step) use(row + step * kLineBytes);
    use(row + rows.row_bytes - 1);
  };
  uint64_t sum = 0;
  const auto read = [&](const std::byte* byte) { sum += static_cast<uint64_t>(*byte); };
  const auto prefetch = [](const std::byte* byte) { __builtin_prefetch(byte, 0, 3); };
  const int64_t ahead = distance == 0 ? 0 : std::max<int64_t>(count - distance, 0);
  for (int64_t i = 0; i < ahead; ++i) {
    each_line(indices[i + distance], prefetch);
    each_line(indices[i], read);
  }
  for (int64_t i = ahead; i < count; ++i) each_line(indices[i], read);
  return sum;
}

using FetchFunction = uint64_t (*)(const Rows&, const int64_t*, int64_t, int64_t);

template <size_t... kSteps>
FetchFunction FetchWithSteps(size_t steps, std::index_sequence<kSteps...>) {
  constexpr std::array<FetchFunction, sizeof...(kSteps)> functions = {&Fetch<kSteps + 1>...};
  if (steps > functions.size()) throw std::runtime_error("rows too long for the fetch limit");
  return functions[steps - 1];
}

Work FetchWork(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups,
               int64_t distance) {
  constexpr size_t kMostSteps = 16;
  const Rows rows{data->rows(), data->which().row_bytes()};
  const size_t steps = static_cast<size_t>((rows.row_bytes + kLineBytes - 1) / kLineBytes);
  const FetchFunction fetch = FetchWithSteps(steps, std::make_index_sequence<kMostSteps>());
  return [=](int64_t repetitions) {
    uint64_t sum = 0;
    for (int64_t i = 0; i < repetitions; ++i) {
      sum += fetch(rows, lookups->Next(), lookups->rows_per_call(), distance);
    }
    [[maybe_unused]] volatile uint64_t sink = sum;
    (void)data;
  };
}

}  // namespace

FetchLimit FindFetchLimit(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups) {
  constexpr std::array<int64_t, 8> kDistances = {0, 1, 2, 4, 8, 16, 32, 64};
  constexpr int kTrialRounds = 5;
  constexpr double kTrialSeconds = 8e-4;
  PairedRounds trial(kTrialSeconds);
  const Work flush = [=](int64_t calls) { FlushRows(*data, *lookups, calls); };
  for (const int64_t distance : kDistances) trial.Add(FetchWork(data, lookups, distance), flush);
  trial.Run(kTrialRounds);

  size_t best = 0;
  double best_seconds = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < kDistances.size(); ++i) {
    const double seconds = Quartiles(trial.Seconds(i)).median;
    if (seconds < best_seconds) {
      best_seconds = seconds;
      best = i;
    }
  }
  const int64_t distance = kDistances[best];
  return {FetchWork(data, lookups, distance),
          distance == 0 ? "no prefetch" : "prefetch " + std::to_string(distance) + " rows ahead"};
}

}  // namespace qforge::bench
