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

int64_t NearTableBytes(int64_t dimension, int64_t row_bytes, int64_t l1_bytes, int64_t l2_bytes) {
  // Decoding rows of more values than bytes fills the reorder buffer with arithmetic, and loads of
  // the next rows come late: u4 at d = 128 gains 12 % from prefetching out of the second level. Of
  // others, some rows ahead are in the buffer anyhow: with 1 MiB of second level, u8 at d = 64
  // loses 12 % where the table takes 141 KiB, and f32 at d = 32 gains 6 % where it takes 250.
  return dimension > row_bytes ? l1_bytes : l2_bytes / 5;
}

// A third-level cache is shared, and holds other things besides.
bool ComesFromMemory(int64_t table_bytes, int64_t l3_bytes) { return table_bytes > l3_bytes / 2; }

int PrefetchDistance(int64_t row_bytes, int64_t table_bytes, int64_t near_bytes, int64_t l3_bytes) {
  // Measured on Zen 5, sums over 12 to 4096 bytes a row. Long rows the hardware fetches better
  // itself: at 4 KiB, asking for them took half as long again.
  constexpr int64_t kLongestRow = 2048;
  if (table_bytes <= near_bytes || row_bytes > kLongestRow) return 0;
  // Enough lines on their way to hide the latency of where they come from, and few enough to be
  // there still when their turn comes. Calls are often short, so there is a limit for short rows,
  // too.
  const bool from_memory = ComesFromMemory(table_bytes, l3_bytes);
  const int64_t lines_on_their_way = from_memory ? 192 : 128;
  const int64_t most = from_memory ? 192 : 16;
  // Most rows lie in no more lines than they need to. In the caches, a little nearer is better.
  const int64_t lines = from_memory ? base::CeilDiv(row_bytes, kLineBytes) : LinesOf(row_bytes);
  const int64_t distance = std::min(most, lines_on_their_way / lines);
  return distance < 2 ? 0 : static_cast<int>(distance);
}

int SecondPrefetchDistance(int64_t dimension, int64_t row_bytes, int distance) {
  // Measured on Zen 5, rows of 136 to 520 bytes from memory: 6 to 21 % faster, most of it from a
  // third to half of the way on. Rows of one line lose 5 %, and so do those whose arithmetic takes
  // the time of fetching them (u4, codebooks). At small distances both requests would come at
  // about the same time.
  if (row_bytes <= kLineBytes || dimension > row_bytes || distance < 16) return 0;
  return base::CeilDiv(2 * distance, 5);
}

}  // namespace qforge::plan
