// How pooled look-ups are divided among threads, and how far ahead rows are prefetched.
#ifndef QFORGE_PLAN_EMBEDDING_H_
#define QFORGE_PLAN_EMBEDDING_H_

#include <cstdint>

#include "plan/partition.h"

namespace qforge::plan {

// What a look-up costs, in cache lines that pass through the core. (Not in bytes: the product of
// the largest possible sizes would leave int64.)
struct LookupShape {
  int64_t output_rows = 0;  // bags, or positions without pooling
  int64_t positions = 0;    // of all bags
  int64_t position_lines = 0;
  int64_t output_row_lines = 0;
  const int64_t* starts = nullptr;  // output_rows + 1 positions; null: one position per output row

  int64_t work() const { return positions * position_lines + output_rows * output_row_lines; }
};

// Lines that `bytes` bytes without alignment touch at most.
int64_t LinesOf(int64_t bytes);

// In how many parts to cut so much work; 1 where a second thread would not help.
int64_t LookupParts(int64_t work, int threads);

// The output rows of a part of the work: those whose own begins in it. Parts that cover
// [0, work()) cover all output rows, once each.
Range OutputRowsOf(const LookupShape& shape, Range part);

// The size up to which a table is near enough without prefetching.
int64_t NearTableBytes(int64_t dimension, int64_t row_bytes, int64_t l1_bytes, int64_t l2_bytes);

// Whether rows come from memory rather than from a cache.
bool ComesFromMemory(int64_t table_bytes, int64_t l3_bytes);

// Positions from a look-up to the row that is prefetched meanwhile; 0: prefetching does not pay.
int PrefetchDistance(int64_t row_bytes, int64_t table_bytes, int64_t near_bytes, int64_t l3_bytes);

// Positions to the row that is prefetched for the second time, where rows come from memory and
// `distance` positions ahead are prefetched for the first time; 0: once is enough.
int SecondPrefetchDistance(int64_t dimension, int64_t row_bytes, int distance);

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_EMBEDDING_H_
