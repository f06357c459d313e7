// The checks that operations share. Each returns a Status that names the field, the value and the
// limit.
#ifndef QFORGE_OPS_VALIDATE_H_
#define QFORGE_OPS_VALIDATE_H_

#include <bit>
#include <cstdint>
#include <limits>

#include "pack/packed_matrix.h"
#include "qforge/epilogue.h"
#include "qforge/isa.h"
#include "qforge/quantization.h"
#include "qforge/status.h"
#include "qforge/types.h"
#include "qforge/views.h"

namespace qforge {

// The largest sum_k |B - b_zero_point| whose products with a u8 or s8 cannot leave int32: 255 is
// the largest |A - a_zero_point|.
inline constexpr int64_t kLargestMagnitude = 2147483647 / 255;

// --- What the checks below decide, for callers in a hurry ----------------------------------------

// The smallest and largest value of u8 or s8.
constexpr int32_t LowestOf(DataType type) { return type == DataType::kU8 ? 0 : -128; }
constexpr int32_t HighestOf(DataType type) { return type == DataType::kU8 ? 255 : 127; }

// Finite and > 0. As integers: a host that has set denormals to be zero must not change the answer.
constexpr bool IsScale(float scale) {
  constexpr uint32_t kInfinity = 0x7F800000;
  return std::bit_cast<uint32_t>(scale) - 1 < kInfinity - 1;
}
// Whether 1 / scale, by which floats are quantised, is finite, for scales that IsScale() accepts.
constexpr bool IsInvertible(float scale) { return scale >= std::numeric_limits<float>::min(); }
constexpr bool IsZeroPoint(int32_t zero_point, DataType type) {
  return zero_point >= LowestOf(type) && zero_point <= HighestOf(type);
}
// Whether two ranges of bytes, neither of them empty, have a byte in common.
inline bool Overlap(const void* a, int64_t a_bytes, const void* b, int64_t b_bytes) {
  const uintptr_t a_begin = reinterpret_cast<uintptr_t>(a);
  const uintptr_t b_begin = reinterpret_cast<uintptr_t>(b);
  return a_begin - b_begin < static_cast<uintptr_t>(b_bytes) ||
         b_begin - a_begin < static_cast<uintptr_t>(a_bytes);
}

// --- Checks --------------------------------------------------------------------------------------

// The type is `type`, sizes and stride are >= 0, the stride is no less than a row, data is not null
// unless the matrix is empty, aligned for its type, and no offset leaves int64.
Status CheckMatrix(const char* field, const InputMatrix& matrix, DataType type) noexcept;
// As above, and of the given shape.
Status CheckMatrix(const char* field, const InputMatrix& matrix, DataType type, int64_t rows,
                   int64_t cols) noexcept;
// The stride of a matrix that passed, to compute addresses with: of no more than one row it may be
// anything, and where there are no elements the address may be null.
template <class Matrix>
int64_t UsedStride(const Matrix& matrix) {
  if (matrix.rows == 0 || matrix.cols == 0) return 0;
  return matrix.rows == 1 ? matrix.cols : matrix.stride;
}

// One of the enumerators.
Status CheckIsa(const char* field, Isa isa) noexcept;

// options.layout and options.groups of weights with `rows` rows: a layout, at least 1, a divisor.
Status CheckBlocks(WeightsLayout layout, int64_t groups, int64_t rows) noexcept;

// K, N and G are such that no size computed from them leaves int64.
Status CheckProductSizes(int64_t inputs, int64_t outputs, int64_t groups) noexcept;

// `size` elements of `type`: not negative, and data is neither null nor misaligned unless it is 0.
Status CheckArray(const char* field, const void* data, int64_t size, DataType type) noexcept;

// Finite and > 0.
Status CheckScale(const char* field, float scale) noexcept;
Status CheckScales(const char* field, ArrayView<const float> scales) noexcept;
// In the range of `type`, u8 or s8.
Status CheckZeroPoint(const char* field, int32_t zero_point, DataType type) noexcept;
Status CheckZeroPoints(const char* field, ArrayView<const int32_t> zero_points,
                       DataType type) noexcept;

// Whether no accumulator of a column with K inputs can leave int32, whatever its weights are.
bool AlwaysFits(int64_t inputs, int32_t zero_point, int32_t bias) noexcept;

// No accumulator of this column can leave int32.
Status CheckColumn(const char* field, const pack::PackedMatrix& matrix, int64_t column,
                   int32_t bias) noexcept;
// The same for sum_k |B - b_zero_point| = magnitude.
Status CheckMagnitude(const char* field, int64_t column, int64_t magnitude, int32_t bias) noexcept;

// The two matrices have no byte in common. Gaps between rows count as bytes of the matrix.
Status CheckNoOverlap(const char* field, const InputMatrix& a, const char* other_field,
                      const InputMatrix& b) noexcept;

// A valid array and one of the same size that has no byte in common with it; the fields are called
// "input" and "output".
Status CheckConversion(const InputMatrix& input, const InputMatrix& output) noexcept;

// An array, for checks and messages.
template <class T>
InputMatrix AsRow(ArrayView<T> array) noexcept {
  return InputMatrix(static_cast<const T*>(array.data()), 1, array.size());
}

// The output as an input, for checks.
inline InputMatrix AsInput(const OutputMatrix& matrix) noexcept {
  InputMatrix input;
  input.data = matrix.data;
  input.rows = matrix.rows;
  input.cols = matrix.cols;
  input.stride = matrix.stride;
  input.type = matrix.type;
  return input;
}

// Output and residual of one Run: rows x cols, of the epilogue's types, and apart from the input.
Status CheckOutputs(const Epilogue& epilogue, const InputMatrix& input, const OutputMatrix& output,
                    const InputMatrix& residual, int64_t rows, int64_t cols) noexcept;

// epilogue.bias: none, or a value per column, finite ones of f32.
Status CheckBias(const Bias& bias, int64_t columns) noexcept;

// Of a residual of floats: its zero-point is 0.
Status CheckNoZeroPoint(const Residual& residual) noexcept;

// epilogue.activation and its bounds.
Status CheckActivation(const Epilogue& epilogue) noexcept;

// `size` bytes at `data`, for CheckNoOverlap.
inline InputMatrix AsBytes(const void* data, int64_t size) noexcept {
  return InputMatrix(static_cast<const uint8_t*>(data), 1, size);
}

// The type is u8 or s8 and the bits are 2 to 8; `type_field` and `bits_field` are their names.
Status CheckParameterOptions(const char* type_field, const char* bits_field,
                             const ParameterOptions& options) noexcept;

// The smallest and largest quantised value of `options`.
constexpr int32_t LowestOf(const ParameterOptions& options) {
  return options.type == DataType::kU8 ? 0 : -(1 << (options.bits - 1));
}
constexpr int32_t HighestOf(const ParameterOptions& options) {
  return LowestOf(options) + (1 << options.bits) - 1;
}

}  // namespace qforge

#endif  // QFORGE_OPS_VALIDATE_H_
