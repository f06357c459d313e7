#include "plan/partition.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace qforge::plan {

using base::CeilDiv;

namespace {

// Waking a thread costs a few microseconds, in which one core multiplies about so many pairs.
constexpr int64_t kProductsPerTask = int64_t{1} << 20;

// More tasks than threads, so that a thread that the system interrupts is helped out.
constexpr int64_t kTasksPerThread = 4;

}  // namespace

Grid ChooseGrid(const ProductShape& shape, int tile_rows, int threads) {
  Grid best;
  if (threads <= 1 || shape.rows == 0 || shape.panels == 0) return best;
  const int64_t row_tiles = CeilDiv<int64_t>(shape.rows, tile_rows);
  const double products = static_cast<double>(shape.rows) * static_cast<double>(shape.row_bytes) *
                          static_cast<double>(shape.panels * shape.panel_columns);
  const int64_t worthwhile = static_cast<int64_t>(
      std::min(products / kProductsPerTask, static_cast<double>(kTasksPerThread * threads)));
  const int64_t most = std::min(worthwhile, row_tiles * shape.panels);
  if (most < 2) return best;

  const auto longest = [&](const Grid& grid) {
    const int64_t task =
        CeilDiv(row_tiles, grid.row_parts) * CeilDiv(shape.panels, grid.panel_parts);
    return CeilDiv<int64_t>(grid.tasks(), threads) * task;
  };
  int64_t best_time = longest(best);
  for (int64_t row_parts = 1; row_parts <= std::min(most, row_tiles); ++row_parts) {
    for (int64_t panel_parts = 1; panel_parts <= std::min(most / row_parts, shape.panels);
         ++panel_parts) {
      const Grid grid{row_parts, panel_parts};
      const int64_t time = longest(grid);
      // Among equals the finest: tasks are what evens out interruptions.
      if (time < best_time || (time == best_time && grid.tasks() > best.tasks())) {
        best = grid;
        best_time = time;
      }
    }
  }
  return best;
}

Range PartOf(int64_t size, int64_t unit, int64_t parts, int64_t index) {
  if (parts == 1) return {0, size};
  const int64_t units = CeilDiv(size, unit);
  const int64_t each = units / parts;
  const int64_t longer = units % parts;
  const int64_t begin = index * each + std::min(index, longer);
  const int64_t end = begin + each + (index < longer ? 1 : 0);
  return {std::min(size, begin * unit), std::min(size, end * unit)};
}

int64_t ChooseRowBlock(const ProductShape& shape, int tile_rows, int64_t l2_bytes) {
  if (shape.panels <= 1 || shape.rows * shape.row_bytes <= l2_bytes / 2) return shape.rows;
  const int64_t fitting = l2_bytes / 2 / std::max<int64_t>(1, shape.row_bytes);
  return std::max<int64_t>(tile_rows, base::AlignDown<int64_t>(fitting, tile_rows));
}

bool ShouldPrefetch(int64_t weight_bytes, int64_t l2_bytes) {
  // Within the second-level cache the hardware does better alone. Beyond it, its prefetchers stop
  // at page boundaries.
  return weight_bytes > l2_bytes + l2_bytes / 2;
}

int FloatPrefetchBytes(int64_t weight_bytes, int rows, int64_t l2_bytes, int64_t l3_bytes) {
  // A and C of f32 take much of the second-level cache, and requests cost next to nothing between
  // so many multiplications.
  if (weight_bytes <= l2_bytes / 2) return 0;
  // From the third level few rows gain 4 to 9 % where less is under way; many would lose as much.
  constexpr int kFewRows = 3;
  if (weight_bytes <= l3_bytes / 4 && rows <= kFewRows) return 2 * 1024;
  // Nearer, few rows wait for weights that come from memory; this lies in the first-level cache.
  return 12 * 1024;
}

bool ShouldPrefetchRows(int64_t row_bytes) {
  // A tile of short rows is over before the hardware has seen where they lead: tall and skinny
  // products take up to half of their time less.
  constexpr int64_t kShortRowBytes = 192;
  return row_bytes <= kShortRowBytes;
}

bool ShouldPrefetchNear(int64_t weight_bytes, int64_t l1_bytes, int vector_bytes, int rows,
                        int depth) {
  // Few rows of wide vectors consume weights faster than the hardware prefetches them: they gain 3
  // to 19 %. More rows, or narrower vectors, only lose the time that requests take; and so does a
  // single row whose deep steps run through 1 KiB at once, as the hardware likes it.
  constexpr int kMostRows = 4;
  constexpr int kDeep = 8;
  return weight_bytes > l1_bytes && vector_bytes >= 64 && rows <= kMostRows &&
         (rows > 1 || depth < kDeep);
}

int64_t PrefetchingTiles(int64_t tiles, int64_t panel_bytes, int64_t l2_bytes) {
  // Every outstanding prefetch holds up a load of the tile that issues it: the more tiles share
  // them the better.
  if (panel_bytes > l2_bytes / 3 || tiles < 4) return 0;
  return tiles < 8 ? 4 : 8;
}

}  // namespace qforge::plan
