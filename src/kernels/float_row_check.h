// Compares the sums of rows of float accumulators with what rows of A and the row sums of B say
// they must be, within a bound that no rounding exceeds (see pack/float_row_sums.h):
//
//   |sum_j acc[i][j] - sum_k A[i][k] * S[k]| <= sum_k |A[i][k]| * W[k] + constant
#ifndef QFORGE_KERNELS_FLOAT_ROW_CHECK_H_
#define QFORGE_KERNELS_FLOAT_ROW_CHECK_H_

#include <cstdint>
#include <string>

#include "jit/kernel_cache.h"
#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge::kernels {

// Everything that changes the bytes of a kernel, and nothing that does not.
struct FloatRowCheckKernel {
  Isa isa = Isa::kAvx512;
  bool bf16 = false;  // rows are bf16, else f32

  std::string Name() const;
};

struct FloatRowCheckArguments {
  const void* input;     // first row
  int64_t input_stride;  // bytes
  // By chunk of a vector's lanes of the row, a vector of S and one of W. With EVEX what a last
  // chunk lacks is 0. With VEX the last chunk of a row that is not a whole number of them ends
  // where the row ends, and is 0 where it overlaps the one before.
  const float* factors;
  int64_t chunks;         // whole ones
  int64_t tail_elements;  // 0, or those behind them
  int64_t tail_offset;    // bytes from the row's first to the last chunk; only with a tail
  const float* sums;      // a vector of partial sums per row
  int64_t parts;          // >= 1: that many arrays of such
  int64_t part_stride;    // bytes from array to array
  int64_t rows;           // >= 1
  float constant;
  float limit;  // of the bound: beyond it sums may overflow, so that nothing can be said
};

// 0 if all rows pass and their bounds are within the limit. Reads exactly the rows, and `sums`.
using FloatRowCheckFunction = int32_t(const FloatRowCheckArguments*);

Result<jit::CodeBytes> EmitFloatRowCheckKernel(const FloatRowCheckKernel& kernel) noexcept;
Result<const jit::Kernel*> GetFloatRowCheckKernel(const FloatRowCheckKernel& kernel) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_FLOAT_ROW_CHECK_H_
