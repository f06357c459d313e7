// Rows of 16-bit floats as rows of f32: what kernels, and the quantisation of activations, read.
#ifndef QFORGE_OPS_HALF_ROWS_H_
#define QFORGE_OPS_HALF_ROWS_H_

#include <cstdint>

#include "kernels/array_kernels.h"
#include "qforge/views.h"

namespace qforge {

// Converts rows [begin, end) of a matrix of `columns` columns, f16 or bf16, with the function for
// its type, and writes them without gaps. `transposed`: the matrix is given as columns x rows.
void ConvertHalfRows(kernels::ToF32Function* to_f32, const InputMatrix& input, bool transposed,
                     int64_t columns, int64_t begin, int64_t end, float* to) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_HALF_ROWS_H_
