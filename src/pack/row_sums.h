// The row sums of a weight matrix, against which kernels/row_check.h compares a product.
#ifndef QFORGE_PACK_ROW_SUMS_H_
#define QFORGE_PACK_ROW_SUMS_H_

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/row_check.h"
#include "pack/pack_panels.h"
#include "pack/panel_layout.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"

namespace qforge::pack {

// S[product * K + k] = sum_j B[k][j] modulo 2^32, and the same as digits, for rows of A as kernels
// read them.
struct RowSums {
  std::vector<int32_t> sums;  // products * inputs

  // Not for kScalar, nor for rows that are shorter than the kernel can read: `kernel.digits` is 0.
  kernels::RowCheckKernel kernel;
  base::AlignedBuffer digits;
  int64_t chunks = 0;
  int64_t tail_elements = 0;
  int64_t tail_offset = 0;  // bytes
};

// `sources` and `outliers` are those that were packed into `layout`. Throws std::bad_alloc.
Result<RowSums> MakeRowSums(const PanelLayout& layout, const std::vector<WeightsSource>& sources,
                            const SparseWeights& outliers);
// Of sums that are known: products * inputs.
Result<RowSums> MakeRowSums(const PanelLayout& layout, std::vector<int32_t> sums);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_ROW_SUMS_H_
