#include "ops/validate.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <limits>

#include "base/arithmetic.h"
#include "cpu/isa_table.h"

namespace qforge {
namespace {

// Bytes from the first to behind the last element of a matrix that CheckMatrix accepted.
int64_t Extent(const InputMatrix& matrix) {
  if (matrix.rows == 0 || matrix.cols == 0) return 0;
  return ((matrix.rows - 1) * matrix.stride + matrix.cols) * DataTypeSize(matrix.type);
}

// A field and the index of the element at fault, "scales[3]".
struct ElementName {
  ElementName(const char* field, int64_t index) {
    std::snprintf(text, sizeof(text), "%s[%" PRId64 "]", field, index);
  }
  char text[47];
};

Status CheckAddress(const char* field, const void* data, DataType type) {
  if (data == nullptr) return Status::Error(StatusCode::kInvalidArgument, field, "is null");
  const int size = DataTypeSize(type);
  if (base::IsAligned(data, static_cast<uintptr_t>(size))) return Status();
  return Status::Error(StatusCode::kInvalidArgument, field,
                       "%p is not aligned to the %d bytes of %s", data, size, DataTypeName(type));
}

}  // namespace

Status CheckMatrix(const char* field, const InputMatrix& matrix, DataType type) noexcept {
  if (matrix.type != type) {
    return Status::Error(StatusCode::kInvalidArgument, field, "is of type %s; %s is needed",
                         DataTypeName(matrix.type), DataTypeName(type));
  }
  if (matrix.rows < 0 || matrix.cols < 0) {
    return Status::Error(StatusCode::kOutOfRange, field,
                         "%" PRId64 " x %" PRId64 ": a size is negative", matrix.rows, matrix.cols);
  }
  if (matrix.stride < matrix.cols) {
    return Status::Error(StatusCode::kInvalidArgument, field,
                         "the stride %" PRId64 " is less than the %" PRId64 " columns",
                         matrix.stride, matrix.cols);
  }
  const int64_t size = DataTypeSize(type);
  int64_t elements;
  if (!base::CheckedMultiply(matrix.rows, matrix.stride, &elements) ||
      !base::CheckedMultiply(elements, size, &elements)) {
    return Status::Error(StatusCode::kOutOfRange, field,
                         "%" PRId64 " rows of stride %" PRId64 " exceed 2^63 bytes", matrix.rows,
                         matrix.stride);
  }
  if (matrix.rows == 0 || matrix.cols == 0) return Status();
  return CheckAddress(field, matrix.data, type);
}

Status CheckMatrix(const char* field, const InputMatrix& matrix, DataType type, int64_t rows,
                   int64_t cols) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMatrix(field, matrix, type));
  if (matrix.rows != rows || matrix.cols != cols) {
    return Status::Error(StatusCode::kInvalidArgument, field,
                         "is %" PRId64 " x %" PRId64 "; %" PRId64 " x %" PRId64 " is needed",
                         matrix.rows, matrix.cols, rows, cols);
  }
  return Status();
}

Status CheckConversion(const InputMatrix& input, const InputMatrix& output) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMatrix("input", input, input.type));
  if (output.cols != input.cols) {
    return Status::Error(StatusCode::kInvalidArgument, "output",
                         "has %" PRId64 " elements; the input has %" PRId64, output.cols,
                         input.cols);
  }
  QFORGE_RETURN_IF_ERROR(CheckMatrix("output", output, output.type));
  return CheckNoOverlap("output", output, "input", input);
}

Status CheckIsa(const char* field, Isa isa) noexcept {
  if (cpu::IsKnown(isa)) return Status();
  return Status::Error(StatusCode::kInvalidArgument, field, "%d is not one of the %d known ones",
                       static_cast<int>(isa), kIsaCount);
}

Status CheckBlocks(WeightsLayout layout, int64_t groups, int64_t rows) noexcept {
  if (layout != WeightsLayout::kInputsByOutputs && layout != WeightsLayout::kOutputsByInputs) {
    return Status::Error(StatusCode::kInvalidArgument, "options.layout", "%d is no layout",
                         static_cast<int>(layout));
  }
  if (groups < 1) {
    return Status::Error(StatusCode::kOutOfRange, "options.groups", "%" PRId64 " is below 1",
                         groups);
  }
  if (rows % groups == 0) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "options.groups",
                       "%" PRId64 " does not divide the weights' %" PRId64 " rows", groups, rows);
}

Status CheckProductSizes(int64_t inputs, int64_t outputs, int64_t groups) noexcept {
  // Rounding up to groups of k and whole panels, and 4 bytes per element, included.
  int64_t total;
  if (!base::CheckedAdd<int64_t>(inputs, 64, &total) ||
      !base::CheckedMultiply(total, groups, &total) ||
      outputs > std::numeric_limits<int64_t>::max() - 64 ||
      !base::CheckedMultiply(total, outputs + 64, &total) ||
      !base::CheckedMultiply<int64_t>(total, 64, &total)) {
    return Status::Error(StatusCode::kOutOfRange, "weights",
                         "%" PRId64 " group(s) of %" PRId64 " x %" PRId64 " are too large", groups,
                         inputs, outputs);
  }
  return Status();
}

Status CheckScale(const char* field, float scale) noexcept {
  if (IsScale(scale)) return Status();
  return Status::Error(StatusCode::kOutOfRange, field, "%g is not finite and > 0",
                       static_cast<double>(scale));
}

Status CheckArray(const char* field, const void* data, int64_t size, DataType type) noexcept {
  if (size < 0) {
    return Status::Error(StatusCode::kInvalidArgument, field, "%" PRId64 " values", size);
  }
  if (size == 0) return Status();
  return CheckAddress(field, data, type);
}

Status CheckScales(const char* field, ArrayView<const float> scales) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckArray(field, scales.data(), scales.size(), DataType::kF32));
  for (int64_t i = 0; i < scales.size(); ++i) {
    if (!IsScale(scales[i])) return CheckScale(ElementName(field, i).text, scales[i]);
  }
  return Status();
}

Status CheckZeroPoint(const char* field, int32_t zero_point, DataType type) noexcept {
  if (IsZeroPoint(zero_point, type)) return Status();
  return Status::Error(StatusCode::kOutOfRange, field, "%d is not in [%d, %d], the range of %s",
                       zero_point, LowestOf(type), HighestOf(type), DataTypeName(type));
}

Status CheckZeroPoints(const char* field, ArrayView<const int32_t> zero_points,
                       DataType type) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckArray(field, zero_points.data(), zero_points.size(), DataType::kS32));
  for (int64_t i = 0; i < zero_points.size(); ++i) {
    if (!IsZeroPoint(zero_points[i], type)) {
      return CheckZeroPoint(ElementName(field, i).text, zero_points[i], type);
    }
  }
  return Status();
}

Status CheckParameterOptions(const char* type_field, const char* bits_field,
                             const ParameterOptions& options) noexcept {
  if (options.type != DataType::kU8 && options.type != DataType::kS8) {
    return Status::Error(StatusCode::kInvalidArgument, type_field, "is %s; u8 and s8 are possible",
                         DataTypeName(options.type));
  }
  if (options.bits >= 2 && options.bits <= 8) return Status();
  return Status::Error(StatusCode::kOutOfRange, bits_field, "%d is not in [2, 8]", options.bits);
}

bool AlwaysFits(int64_t inputs, int32_t zero_point, int32_t bias) noexcept {
  const int64_t largest = std::max(std::abs(-128 - zero_point), std::abs(127 - zero_point));
  return inputs <= kLargestMagnitude && 255 * largest * inputs + std::llabs(bias) <= 2147483647;
}

Status CheckColumn(const char* field, const pack::PackedMatrix& matrix, int64_t column,
                   int32_t bias) noexcept {
  const int32_t zero_point =
      matrix.zero_points.empty() ? 0 : matrix.zero_points[static_cast<size_t>(column)];
  // Where magnitudes are known weights may be beyond s8.
  if (matrix.magnitudes.empty() && AlwaysFits(matrix.layout.inputs, zero_point, bias)) {
    return Status();
  }
  return CheckMagnitude(field, column, pack::Magnitude(matrix, column), bias);
}

Status CheckMagnitude(const char* field, int64_t column, int64_t magnitude, int32_t bias) noexcept {
  constexpr int64_t kMost = 2147483647;
  if (magnitude <= kLargestMagnitude && 255 * magnitude + std::llabs(bias) <= kMost)
    return Status();
  return Status::Error(StatusCode::kOutOfRange, field,
                       "column %" PRId64 " could leave int32: 255 * %" PRId64
                       " (the sum of |B - zero_point|) + |bias %d| exceeds 2147483647",
                       column, magnitude, bias);
}

Status CheckNoOverlap(const char* field, const InputMatrix& a, const char* other_field,
                      const InputMatrix& b) noexcept {
  const int64_t a_bytes = Extent(a);
  const int64_t b_bytes = Extent(b);
  if (a_bytes == 0 || b_bytes == 0) return Status();
  if (!Overlap(a.data, a_bytes, b.data, b_bytes)) return Status();
  return Status::Error(StatusCode::kInvalidArgument, field, "overlaps %s", other_field);
}

Status CheckOutputs(const Epilogue& epilogue, const InputMatrix& input, const OutputMatrix& output,
                    const InputMatrix& residual, int64_t rows, int64_t cols) noexcept {
  const InputMatrix written = AsInput(output);
  QFORGE_RETURN_IF_ERROR(CheckMatrix("output", written, epilogue.output.type, rows, cols));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("output", written, "input", input));
  if (epilogue.residual.type == DataType::kNone) {
    if (residual.data == nullptr) return Status();
    return Status::Error(StatusCode::kInvalidArgument, "arguments.residual",
                         "given, but the epilogue has none");
  }
  QFORGE_RETURN_IF_ERROR(
      CheckMatrix("arguments.residual", residual, epilogue.residual.type, rows, cols));
  // The very same elements are fine: each is read before it is written, by the same thread.
  if (residual.data == written.data && residual.stride == written.stride &&
      DataTypeSize(residual.type) == DataTypeSize(written.type)) {
    return Status();
  }
  return CheckNoOverlap("output", written, "arguments.residual", residual);
}

Status CheckBias(const Bias& bias, int64_t columns) noexcept {
  if (bias.type() == DataType::kNone) return Status();
  if (bias.size() != columns) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.bias",
                         "%" PRId64 " values; groups * N = %" PRId64 " are needed", bias.size(),
                         columns);
  }
  QFORGE_RETURN_IF_ERROR(CheckArray("epilogue.bias", bias.data(), columns, bias.type()));
  if (bias.type() == DataType::kF32) {
    const float* values = static_cast<const float*>(bias.data());
    for (int64_t j = 0; j < columns; ++j) {
      if (!std::isfinite(values[j])) {
        return Status::Error(StatusCode::kOutOfRange, "epilogue.bias",
                             "value %" PRId64 " is %g, not finite", j,
                             static_cast<double>(values[j]));
      }
    }
  }
  return Status();
}

Status CheckNoZeroPoint(const Residual& residual) noexcept {
  if (residual.zero_point == 0) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "epilogue.residual.zero_point",
                       "%d; %s has none, which is 0", residual.zero_point,
                       DataTypeName(residual.type));
}

Status CheckActivation(const Epilogue& epilogue) noexcept {
  switch (epilogue.activation) {
    case Activation::kNone:
    case Activation::kRelu:
    case Activation::kGeluErf:
    case Activation::kGeluTanh:
    case Activation::kSigmoid:
    case Activation::kSilu:
      return Status();
    case Activation::kClamp:
      if (std::isnan(epilogue.clamp_max)) {
        return Status::Error(StatusCode::kInvalidArgument, "epilogue.clamp_max", "is NaN");
      }
      if (!(epilogue.clamp_min <= epilogue.clamp_max)) {  // NaN included
        return Status::Error(StatusCode::kInvalidArgument, "epilogue.clamp_min",
                             "%g is not <= clamp_max = %g", static_cast<double>(epilogue.clamp_min),
                             static_cast<double>(epilogue.clamp_max));
      }
      return Status();
  }
  return Status::Error(StatusCode::kInvalidArgument, "epilogue.activation", "%d is no activation",
                       static_cast<int>(epilogue.activation));
}

}  // namespace qforge
