// The dot interaction of DLRM.
#ifndef QFORGE_BENCH_DLRM_INTERACTION_H_
#define QFORGE_BENCH_DLRM_INTERACTION_H_

#include <cstdint>

#include "dlrm/fp32_kernels.h"
#include "qforge/views.h"

namespace dlrm {

// The bottom output and one number for each pair of different vectors.
constexpr int64_t InteractionOutputs(int64_t vectors, int64_t dim) {
  return dim + vectors * (vectors - 1) / 2;
}

// Each row of `vectors` holds `count` vectors: the bottom output, then table 0, table 1 and so on.
// A row of `output` is the bottom output, then the dot products of vectors i and j for
// (i, j) = (1, 0), (2, 0), (2, 1), (3, 0), ...: the strictly lower triangle, row by row.
void Interact(const Fp32Kernels& kernels, const qforge::MatrixView<const float>& vectors,
              int64_t count, const qforge::MatrixView<float>& output);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_INTERACTION_H_
