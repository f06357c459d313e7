// Which bytes of a row are loaded for which columns. Pure functions of a kernel's descriptor.
//
// A row is covered by vectors of as many columns as a vector of floats has lanes. Most load exactly
// their own bytes. The last ones of a row may not: what an instruction loads, the window, must stay
// inside the row. Their window ends where the row ends and begins with columns, or parameters, that
// nobody asked for; which lanes count is known when the kernel is emitted, so that it costs nothing
// per row. Only a row that is shorter than a window is loaded byte by byte.
//
// A decoder may ask for groups: vectors that are decoded together out of one longer window, which
// has all of their columns and nothing else. Which column is in which lane is the decoder's choice.
#ifndef QFORGE_KERNELS_EMBEDDING_COLUMNS_H_
#define QFORGE_KERNELS_EMBEDDING_COLUMNS_H_

#include <cstdint>
#include <vector>

#include "kernels/embedding_kernel.h"

namespace qforge::kernels {

struct RowShape {
  int element_bits = 0;
  int64_t payload = 0;     // bytes from the row's first
  int64_t parameters = 0;  // likewise
  int64_t content = 0;     // bytes of both
  int64_t bytes = 0;       // of the whole row, with the checksum that is checked
};
RowShape ShapeOfRow(const EmbeddingKernel& kernel);

// The columns of one vector.
struct ColumnVector {
  int count = 0;        // of columns, 1 to the number of lanes
  int64_t offset = 0;   // of the window, in bytes from the row's first
  int skipped = 0;      // elements of the window in front of the first column
  int exact_bytes = 0;  // 0: the window may be loaded; otherwise so many bytes, and no more
  int parts = 1;        // more: this is one of a group of so many,
  int part = 0;         // namely this one
};

// Columns that are in registers at the same time. A bag is walked once per block.
struct ColumnBlock {
  int64_t first_column = 0;
  // More than 1: that many blocks of the same size follow each other. None of them is the first or
  // last one of the row, and `vectors` belongs to the first of them.
  int64_t repeat = 1;
  int64_t columns = 0;  // of one block
  std::vector<ColumnVector> vectors;
};

// Cuts the columns into blocks of at most `max_vectors` >= 3 vectors of `lanes` columns, which load
// windows of `window_bytes` each or, as long as one fits, in groups of `groups` vectors, the
// largest first. Only the last vector of the last block may be in part.
std::vector<ColumnBlock> CutIntoBlocks(const EmbeddingKernel& kernel, int lanes, int window_bytes,
                                       const std::vector<int>& groups, int max_vectors);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_COLUMNS_H_
