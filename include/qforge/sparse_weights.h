// A matrix of s8 weights most of which are 0, by columns.
#ifndef QFORGE_SPARSE_WEIGHTS_H_
#define QFORGE_SPARSE_WEIGHTS_H_

#include <cstdint>

#include "qforge/export.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// Compressed sparse columns (CSC) of B, K x N: the entries e of column j are
// [column_offsets[j], column_offsets[j + 1]), and say B[row_indices[e]][j] = values[e]. Within a
// column row indices do not decrease; where several entries name one position, their values are
// added up, and the sum may leave s8. Values of 0 are allowed. A view: it owns and checks nothing.
// PackedSparseWeights (qforge/packed_sparse_weights.h) owns such arrays, and keeps them in files.
struct SparseWeights {
  int64_t inputs = 0;                       // K, at least 0
  int64_t outputs = 0;                      // N, in [0, 2^31)
  ArrayView<const int64_t> column_offsets;  // N + 1 values, from 0 to the number of entries
  IndexView row_indices;                    // 32 or 64 bits; one per entry, each in [0, K)
  ArrayView<const int8_t> values;           // one per entry
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_SPARSE_WEIGHTS_H_
