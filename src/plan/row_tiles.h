// How rows are split into tiles of a kernel.
#ifndef QFORGE_PLAN_ROW_TILES_H_
#define QFORGE_PLAN_ROW_TILES_H_

#include <cstdint>

namespace qforge::plan {

// `taller` tiles of height + 1 rows, then `others` tiles of height rows.
struct RowTiles {
  int64_t taller = 0;
  int64_t others = 0;
  int height = 0;
};

// As few tiles as `max_rows` allows, all of nearly the same height: 20 rows are 4 x 5 and not
// 3 x 6 + 2, because a short tile loads as many weights as a tall one. rows >= 1.
constexpr RowTiles SplitRows(int64_t rows, int max_rows) {
  RowTiles split;
  if (rows <= max_rows) {  // no division where a call may be over in 100 ns
    split.others = 1;
    split.height = static_cast<int>(rows);
    return split;
  }
  const int64_t tiles = (rows + max_rows - 1) / max_rows;
  split.height = static_cast<int>(rows / tiles);
  split.taller = rows % tiles;
  split.others = tiles - split.taller;
  return split;
}

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_ROW_TILES_H_
