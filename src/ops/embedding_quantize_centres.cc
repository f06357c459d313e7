#include "ops/embedding_quantize_centres.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "ref/table_quantization.h"

namespace qforge {

using ref::kCentres;

kernels::Codebook MakeCodebook(const double* centres, Half* stored) noexcept {
  constexpr double kLargestHalf = 65504.0;
  kernels::Codebook codebook;
  for (int q = 0; q < kCentres; ++q) {
    const double centre = std::clamp(centres[q], -kLargestHalf, kLargestHalf);
    stored[q] = ToHalf(static_cast<float>(centre));
    codebook.centres[q] = ToFloat(stored[q]);
  }
  ref::FindBounds(codebook.centres, codebook.bounds);
  return codebook;
}

CentreFinder::CentreFinder(int64_t columns, MemoryCutter& memory)
    : stride_(columns + 1),
      sorted_(memory.Cut<float>(columns)),
      sums_(memory.Cut<double>(stride_)),
      squares_(memory.Cut<double>(stride_)),
      inverses_(memory.Cut<double>(stride_)),
      costs_(memory.Cut<double>(stride_)),
      previous_costs_(memory.Cut<double>(stride_)),
      starts_(memory.Cut<int32_t>(stride_ * kCentres)) {
  if (inverses_ == nullptr) return;
  for (int64_t i = 1; i < stride_; ++i) inverses_[i] = 1.0 / static_cast<double>(i);
}

kernels::Codebook CentreFinder::Find(const float* row, int64_t count, Half* stored) noexcept {
  const auto end = static_cast<int32_t>(count);
  double centres[kCentres];
  std::copy_n(row, count, sorted_);
  std::sort(sorted_, sorted_ + end);

  int distinct = 0;
  for (int32_t i = 0; i < end && distinct <= kCentres; ++i) {
    if (i != 0 && sorted_[i] == sorted_[i - 1]) continue;
    if (distinct < kCentres) centres[distinct] = static_cast<double>(sorted_[i]);
    ++distinct;
  }
  if (distinct <= kCentres) {
    std::fill(centres + distinct, centres + kCentres, centres[distinct - 1]);
    return MakeCodebook(centres, stored);
  }

  // Squares of values far from 0 would cancel each other's digits.
  const double shift = static_cast<double>(sorted_[end / 2]);
  sums_[0] = squares_[0] = 0.0;
  for (int32_t i = 0; i < end; ++i) {
    const double x = static_cast<double>(sorted_[i]) - shift;
    sums_[i + 1] = sums_[i] + x;
    squares_[i + 1] = squares_[i] + x * x;
  }
  for (int32_t i = 1; i <= end; ++i) costs_[i] = Cost(0, i);
  for (int cluster = 1; cluster < kCentres; ++cluster) {
    std::swap(costs_, previous_costs_);
    // No cluster is empty; behind the last one nothing may be left.
    const int32_t first = cluster + 1 == kCentres ? end : cluster + 1;
    FindStarts(cluster, first, end, cluster, end - 1);
  }
  int32_t behind = end;
  for (int cluster = kCentres - 1; cluster >= 0; --cluster) {
    const int32_t begin = cluster == 0 ? 0 : Start(cluster, behind);
    centres[cluster] = sorted_[begin] == sorted_[behind - 1]
                           ? static_cast<double>(sorted_[begin])
                           : (sums_[behind] - sums_[begin]) * inverses_[behind - begin] + shift;
    behind = begin;
  }
  return MakeCodebook(centres, stored);
}

// Of one cluster with the values [begin, end).
double CentreFinder::Cost(int32_t begin, int32_t end) const noexcept {
  const double sum = sums_[end] - sums_[begin];
  return squares_[end] - squares_[begin] - sum * sum * inverses_[end - begin];
}

// Where the last of `cluster` + 1 clusters best starts, for the first `first` to `last` values;
// known to be within the given limits.
void CentreFinder::FindStarts(int cluster, int32_t first, int32_t last, int32_t first_start,
                              int32_t last_start) noexcept {
  if (first > last) return;
  const int32_t end = first + (last - first) / 2;
  double best_cost = std::numeric_limits<double>::infinity();
  int32_t best = first_start;
  for (int32_t start = first_start; start <= std::min(last_start, end - 1); ++start) {
    const double cost = previous_costs_[start] + Cost(start, end);
    if (cost < best_cost) {
      best_cost = cost;
      best = start;
    }
  }
  costs_[end] = best_cost;
  Start(cluster, end) = best;
  FindStarts(cluster, first, end - 1, first_start, best);
  FindStarts(cluster, end + 1, last, best, last_start);
}

}  // namespace qforge
