// How a product is divided among threads and into blocks that caches hold.
#ifndef QFORGE_PLAN_PARTITION_H_
#define QFORGE_PLAN_PARTITION_H_

#include <cstdint>

namespace qforge::plan {

struct ProductShape {
  int64_t rows = 0;       // M
  int64_t row_bytes = 0;  // of one row of A as the kernels read it
  int64_t panels = 0;     // of all products
  int64_t panel_columns = 0;
};

// A grid of tasks: row_parts x panel_parts, each a range of rows times a range of panels.
struct Grid {
  int64_t row_parts = 1;
  int64_t panel_parts = 1;
  int64_t tasks() const { return row_parts * panel_parts; }
};

// The grid with the shortest longest thread. Work is counted in whole tiles of `tile_rows` rows by
// one panel, so that a task of half a tile counts as what it costs. One task where the product is
// too small for a second thread to help.
Grid ChooseGrid(const ProductShape& shape, int tile_rows, int threads);

// Part `index` of `parts` nearly equal parts of [0, size), cut at multiples of `unit`.
struct Range {
  int64_t begin = 0;
  int64_t end = 0;
};
Range PartOf(int64_t size, int64_t unit, int64_t parts, int64_t index);

// Rows of A to take through all panels before the next ones, so that they stay in the second-level
// cache while panels pass by; a multiple of tile_rows, or all rows where no blocking is needed.
int64_t ChooseRowBlock(const ProductShape& shape, int tile_rows, int64_t l2_bytes);

// Whether kernels prefetch weights of `weight_bytes`.
bool ShouldPrefetch(int64_t weight_bytes, int64_t l2_bytes);
// How many bytes float kernels prefetch weights of `weight_bytes` ahead of their use, for tiles of
// `rows` rows, all panels side by side together; 0: they do not.
int FloatPrefetchBytes(int64_t weight_bytes, int rows, int64_t l2_bytes, int64_t l3_bytes);
// Whether float kernels prefetch rows of A of `row_bytes`.
bool ShouldPrefetchRows(int64_t row_bytes);

// Whether kernels without VNNI prefetch weights of `weight_bytes` that the second-level cache
// holds, for tiles of `rows` rows and steps of `depth` groups; see plan/summation.h for steps.
bool ShouldPrefetchNear(int64_t weight_bytes, int64_t l1_bytes, int vector_bytes, int rows,
                        int depth);

// How many of a panel's tiles, of which there are about `tiles`, share the prefetching of the next
// panel: 8, 4, or none where they are few, or where two panels do not fit into the second-level
// cache beside A.
int64_t PrefetchingTiles(int64_t tiles, int64_t panel_bytes, int64_t l2_bytes);

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_PARTITION_H_
