// The scalar truth of sparse products, and their portable path. Nothing here validates or
// allocates.
#ifndef QFORGE_REF_SPARSE_H_
#define QFORGE_REF_SPARSE_H_

#include <cstdint>

#include "qforge/sparse_weights.h"
#include "qforge/views.h"

namespace qforge::ref {

struct SparseProblem {
  SparseWeights weights;
  MatrixView<const uint8_t> input;  // M x K
  MatrixView<int32_t> output;       // M x N
  bool accumulate = false;
};

// Rows [begin, end) of C = A x B, or of C + A x B modulo 2^32.
void SparseLinear(const SparseProblem& problem, int64_t begin, int64_t end) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_SPARSE_H_
