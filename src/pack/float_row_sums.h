// The row sums of float weights, and the bound within which a product agrees with them.
//
// With u = 2^-24 and g(m) = m * u / (1 - m * u) the sums of a row differ by no more than
//
//   |sum_j acc[i][j] - sum_k A[i][k] * S[k]| <= sum_k |A[i][k]| * g(m[k]) * T[k] + constant
//
// where S[k] = sum_j B[k][j], T[k] = sum_j |B[k][j]|, and m[k] counts the roundings that a product
// of k can go through on either side: in an accumulator those from k to the end of its part of K
// and of the parts (qforge/types.h), then at most one per vector of columns, two per panel and one
// per halving of a vector where accumulators are added up, and on the other side one per chunk of
// k, for each halving, for S[k] itself and for the difference. (Higham, Accuracy and Stability of
// Numerical Algorithms, section 3.1; g(a) + g(b) + g(a) g(b) <= g(a + b).) The constant is what
// subnormal products lose. A statistical bound, as that of V-ABFT (arXiv 2602.08043), would find
// smaller faults, and where the errors of many columns go the same way one that is none.
#ifndef QFORGE_PACK_FLOAT_ROW_SUMS_H_
#define QFORGE_PACK_FLOAT_ROW_SUMS_H_

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "kernels/array_kernels.h"
#include "pack/panel_layout.h"
#include "qforge/status.h"

namespace qforge::pack {

struct FloatRowSums {
  // Of products * K, one product after the other: S, and W = g(m) * T with what bf16 dot products
  // lose of A, rounded up.
  std::vector<float> sums;
  std::vector<float> bounds;
  float constant = 0.0f;
  // Bounds up to it belong to sums that cannot overflow.
  float limit = 0.0f;

  // The same as kernels read it (kernels/float_row_check.h); empty where there are none: for
  // kScalar, and with VEX for rows that are shorter than a vector.
  base::AlignedBuffer factors;
  int64_t chunks = 0;
  int64_t tail_elements = 0;
  int64_t tail_from = 0;  // the first element of the last chunk
};

// Of the packed weights, panels or for kScalar plain matrices. `to_f32` is needed for 16 bits.
// Throws std::bad_alloc.
Result<FloatRowSums> MakeFloatRowSums(const PanelLayout& layout, const std::byte* packed,
                                      kernels::ToF32Function* to_f32);
// Makes `factors` and what describes them of `sums` and `bounds`.
Status AddFactors(const PanelLayout& layout, FloatRowSums* sums);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_FLOAT_ROW_SUMS_H_
