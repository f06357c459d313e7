// What a call has to look like to go a direct way, without the general way's validation.
#ifndef QFORGE_OPS_DIRECT_FORM_H_
#define QFORGE_OPS_DIRECT_FORM_H_

#include <cstdint>

#include "base/arithmetic.h"
#include "ops/validate.h"
#include "qforge/types.h"
#include "qforge/views.h"

namespace qforge {

// Weights of so few bytes stay in the first-level cache from one height of tiles to the next; a
// product with more of them takes so long beyond one tile that planning does not show.
inline constexpr int64_t kFewDirectWeightBytes = 16384;
inline constexpr int64_t kMostDirectRows = 64;

// Of prepared rows, on the stack, which may be that of a small thread.
inline constexpr int64_t kDirectPreparedBytes = 4096;

// One matrix.
struct DirectForm {
  // Gaps between rows beyond which a call is not plainly valid: so small that no offset overflows.
  static constexpr uint64_t kLargestGap = uint64_t{1} << 32;

  DirectForm() = default;
  DirectForm(DataType type_in, int64_t cols_in)
      : type(type_in), cols(cols_in), element_bytes(DataTypeSize(type_in)) {}

  template <bool kConst>
  bool Fits(const AnyMatrixView<kConst>& matrix, int64_t rows) const {
    const uint64_t gap = static_cast<uint64_t>(matrix.stride) - static_cast<uint64_t>(cols);
    return matrix.type == type && matrix.rows == rows && matrix.cols == cols &&
           gap <= kLargestGap && matrix.data != nullptr &&
           base::IsAligned(matrix.data, static_cast<uintptr_t>(element_bytes));
  }
  // From the first to behind the last element, where Fits().
  template <bool kConst>
  int64_t Bytes(const AnyMatrixView<kConst>& matrix, int64_t rows) const {
    return ((rows - 1) * matrix.stride + cols) * element_bytes;
  }

  DataType type = DataType::kNone;
  int64_t cols = 0;
  int64_t element_bytes = 0;
};

// All matrices of a call.
struct DirectForms {
  // Whether `rows` rows are what CheckMatrix() and CheckOutputs() accept, for certain; not all that
  // they accept is.
  bool Fit(int64_t rows, const InputMatrix& input_matrix, const OutputMatrix& output_matrix,
           const InputMatrix& residual_matrix) const {
    if (!input.Fits(input_matrix, rows) || !output.Fits(output_matrix, rows)) return false;
    const int64_t output_bytes = output.Bytes(output_matrix, rows);
    if (Overlap(output_matrix.data, output_bytes, input_matrix.data,
                input.Bytes(input_matrix, rows))) {
      return false;
    }
    if (residual.type == DataType::kNone) return residual_matrix.data == nullptr;
    if (!residual.Fits(residual_matrix, rows)) return false;
    return (residual_matrix.data == output_matrix.data &&
            residual_matrix.stride == output_matrix.stride &&
            residual.element_bytes == output.element_bytes && residual_in_output) ||
           !Overlap(output_matrix.data, output_bytes, residual_matrix.data,
                    residual.Bytes(residual_matrix, rows));
  }

  DirectForm input;
  DirectForm output;
  DirectForm residual;
  bool residual_in_output = true;  // whether it may be the output
};

}  // namespace qforge

#endif  // QFORGE_OPS_DIRECT_FORM_H_
