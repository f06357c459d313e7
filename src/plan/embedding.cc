#include "plan/embedding.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace qforge::plan {
namespace {

constexpr int64_t kLineBytes = 64;

// Waking a thread costs a few microseconds, in which one core goes through about so many lines.
constexpr int64_t kLinesPerPart = 2048;

// More parts than threads, so that a thread that the system interrupts is helped out.
constexpr int64_t kPartsPerThread = 4;

// The first output row whose work begins at or behind `work`.
int64_t FirstRowAt(const LookupShape& shape, int64_t work) {
  if (work <= 0) return 0;
  if (shape.starts == nullptr) {
    const int64_t row = base::CeilDiv(work, shape.position_lines + shape.output_row_lines);
    return std::min(row, shape.output_rows);
  }
  int64_t low = 0;
  int64_t high = shape.output_rows;
  while (low < high) {
    const int64_t middle = low + (high - low) / 2;
    const int64_t before = (shape.starts[middle] - shape.starts[0]) * shape.position_lines +
                           middle * shape.output_row_lines;
    if (before < work) {
      low = middle + 1;
    } else {
      high = middle;
    }
  }
  return low;
}

}  // namespace

int64_t LinesOf(int64_t bytes) { return base::CeilDiv(bytes, kLineBytes) + 1; }

int64_t LookupParts(int64_t work, int threads) {
  if (threads <= 1) return 1;
  return std::clamp<int64_t>(work / kLinesPerPart, 1, kPartsPerThread * threads);
}

Range OutputRowsOf(const LookupShape& shape, Range part) {
  return {FirstRowAt(shape, part.begin), FirstRowAt(shape, part.end)};
}

int PrefetchDistance(int64_t row_bytes, int64_t table_bytes, int64_t l2_bytes) {
  if (table_bytes <= l2_bytes / 2) return 0;
  // Enough lines on their way to hide the memory's latency, and few enough to be there still when
  // their turn comes.
  constexpr int64_t kLinesOnTheirWay = 32;
  return static_cast<int>(std::clamp<int64_t>(kLinesOnTheirWay / LinesOf(row_bytes), 2, 16));
}

}  // namespace qforge::plan
