#include "embedding/fetch_limit.h"

#include <algorithm>
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

// The order in which the lines of the row to prefetch and of the row to read are touched.
enum class Order { kRowByRow, kLineByLine };

struct Pattern {
  int64_t distance;  // how many positions ahead rows are prefetched; 0: not at all
  Order order;
  bool burst;  // whether the first `distance` rows are prefetched before anything is read
};

// Reads a byte of each line of each row named by `indices`. Steps 0, 1, ... of a line cover a row,
// and its last byte is read as well, which is in a line of its own for some rows: no branch depends
// on how a row lies. Steps are unrolled: in a loop all reads would be one instruction, whose even
// stride tempts the hardware to prefetch past the end of the row.
template <size_t... kSteps>
void Fetch(std::index_sequence<kSteps...>, const Rows& rows, const int64_t* indices, int64_t count,
           const Pattern& pattern) {
  const int64_t last = rows.row_bytes - 1;
  const auto row = [&](int64_t i) { return rows.data + indices[i] * rows.row_bytes; };
  // A load and no more, however little its value matters.
  const auto read = [](const volatile std::byte* byte) { static_cast<void>(*byte); };
  const auto prefetch = [](const std::byte* byte) { __builtin_prefetch(byte, 0, 3); };
  const auto read_row = [&](const std::byte* from) {
    (read(from + kSteps * kLineBytes), ...);
    read(from + last);
  };

  const int64_t distance = pattern.distance;
  const int64_t ahead = distance == 0 ? 0 : std::max<int64_t>(count - distance, 0);
  int64_t i = 0;
  for (; pattern.burst && i < std::min(distance, count); ++i) {
    const std::byte* const next = row(i);
    (prefetch(next + kSteps * kLineBytes), ...);
    prefetch(next + last);
  }
  i = 0;
  if (pattern.order == Order::kLineByLine) {
    for (; i < ahead; ++i) {
      const std::byte* const next = row(i + distance);
      const std::byte* const from = row(i);
      ((prefetch(next + kSteps * kLineBytes), read(from + kSteps * kLineBytes)), ...);
      prefetch(next + last);
      read(from + last);
    }
  } else {
    for (; i < ahead; ++i) {
      const std::byte* const next = row(i + distance);
      (prefetch(next + kSteps * kLineBytes), ...);
      prefetch(next + last);
      read_row(row(i));
    }
  }
  for (; i < count; ++i) read_row(row(i));
}

using FetchFunction = void (*)(const Rows&, const int64_t*, int64_t, const Pattern&);

template <size_t... kSteps>
FetchFunction FetchWithSteps(size_t steps, std::index_sequence<kSteps...>) {
  static constexpr FetchFunction kFunctions[] = {
      [](const Rows& rows, const int64_t* indices, int64_t count, const Pattern& pattern) {
        Fetch(std::make_index_sequence<kSteps + 1>(), rows, indices, count, pattern);
      }...};
  if (steps > sizeof...(kSteps)) throw std::runtime_error("rows too long for the fetch limit");
  return kFunctions[steps - 1];
}

Work FetchWork(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups,
               const Pattern& pattern) {
  constexpr size_t kMostSteps = 16;
  const Rows rows{data->rows(), data->which().row_bytes()};
  const size_t steps = static_cast<size_t>((rows.row_bytes + kLineBytes - 1) / kLineBytes);
  const FetchFunction fetch = FetchWithSteps(steps, std::make_index_sequence<kMostSteps>());
  return [=](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      fetch(rows, lookups->Next(), lookups->rows_per_call(), pattern);
    }
    (void)data;
  };
}

std::string Describe(const Pattern& pattern) {
  if (pattern.distance == 0) return "no prefetch";
  return "prefetch " + std::to_string(pattern.distance) + " rows ahead, " +
         (pattern.order == Order::kLineByLine ? "line by line" : "row by row") +
         (pattern.burst ? ", the first at once" : "");
}

std::vector<Pattern> AllPatterns() {
  std::vector<Pattern> patterns = {{0, Order::kRowByRow, false}};
  for (const Order order : {Order::kRowByRow, Order::kLineByLine}) {
    for (const bool burst : {false, true}) {
      for (const int64_t distance : {4, 8, 16, 32, 48, 64, 96, 128, 192}) {
        patterns.push_back({distance, order, burst});
      }
    }
  }
  return patterns;
}

}  // namespace

FetchLimit FindFetchLimit(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups) {
  constexpr int kTrialRounds = 5;
  constexpr double kTrialSeconds = 8e-4;
  const std::vector<Pattern> patterns = AllPatterns();
  PairedRounds trial(kTrialSeconds);
  const Work flush = [=](int64_t calls) { FlushRows(*data, *lookups, calls); };
  for (const Pattern& pattern : patterns) trial.Add(FetchWork(data, lookups, pattern), flush);
  trial.Run(kTrialRounds);

  size_t best = 0;
  double best_seconds = std::numeric_limits<double>::infinity();
  for (size_t i = 0; i < patterns.size(); ++i) {
    const double seconds = Quartiles(trial.Seconds(i)).median;
    if (seconds < best_seconds) {
      best_seconds = seconds;
      best = i;
    }
  }
  return {FetchWork(data, lookups, patterns[best]), Describe(patterns[best])};
}

}  // namespace qforge::bench
