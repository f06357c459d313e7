#include "qforge/quantization.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>

#include "base/float_environment.h"
#include "ops/array_functions.h"
#include "ops/validate.h"
#include "ref/reference.h"

namespace qforge {
namespace {

using FloatLimits = std::numeric_limits<float>;

Status CheckParameters(const QuantizationParameters& parameters, DataType type) {
  // Below it, 1 / scale could be infinite.
  if (!(parameters.scale >= FloatLimits::min() && parameters.scale <= FloatLimits::max())) {
    return Status::Error(StatusCode::kOutOfRange, "parameters.scale", "%g is not in [%g, %g]",
                         static_cast<double>(parameters.scale),
                         static_cast<double>(FloatLimits::min()),
                         static_cast<double>(FloatLimits::max()));
  }
  const ParameterOptions used{type, /*symmetric=*/false, parameters.bits};
  QFORGE_RETURN_IF_ERROR(CheckParameterOptions("", "parameters.bits", used));
  if (parameters.zero_point >= LowestOf(used) && parameters.zero_point <= HighestOf(used)) {
    return Status();
  }
  return Status::Error(StatusCode::kOutOfRange, "parameters.zero_point",
                       "%d is not in [%d, %d], the values of %s with %d bits",
                       parameters.zero_point, LowestOf(used), HighestOf(used), DataTypeName(type),
                       parameters.bits);
}

template <class T>
Status QuantizeArray(ArrayView<const float> input, const QuantizationParameters& parameters,
                     ArrayView<T> output) {
  constexpr DataType kType = DataTypeOf<T>::kValue;
  QFORGE_RETURN_IF_ERROR(CheckConversion(AsRow(input), AsRow(output)));
  QFORGE_RETURN_IF_ERROR(CheckParameters(parameters, kType));
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const Result<kernels::QuantizeFunction*> quantize = GetQuantize(*isa, kType);
  if (!quantize.ok()) return quantize.status();
  const base::FloatEnvironment environment;
  (*quantize)(input.data(), input.size(), input.size(), &parameters, output.data());
  if (parameters.bits == 8) return Status();
  // Kernels know the type alone. All bounds are integers: clamped behind the rounding they are the
  // same.
  const ParameterOptions used{kType, /*symmetric=*/false, parameters.bits};
  const T lowest = static_cast<T>(LowestOf(used));
  const T highest = static_cast<T>(HighestOf(used));
  for (int64_t i = 0; i < output.size(); ++i) output[i] = std::clamp(output[i], lowest, highest);
  return Status();
}

template <class T>
Status DequantizeArray(ArrayView<const T> input, const QuantizationParameters& parameters,
                       ArrayView<float> output) {
  constexpr DataType kType = DataTypeOf<T>::kValue;
  QFORGE_RETURN_IF_ERROR(CheckConversion(AsRow(input), AsRow(output)));
  QFORGE_RETURN_IF_ERROR(CheckParameters(parameters, kType));
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const Result<kernels::DequantizeFunction*> dequantize = GetDequantize(*isa, kType);
  if (!dequantize.ok()) return dequantize.status();
  const base::FloatEnvironment environment;
  (*dequantize)(input.data(), input.size(), &parameters, output.data());
  return Status();
}

// What the type and the clamp of `options` leave of the output's values.
Result<kernels::RequantizeLimits> LimitsOf(const RequantizeOptions& options, DataType type) {
  QFORGE_RETURN_IF_ERROR(CheckZeroPoint("options.zero_point", options.zero_point, type));
  if (options.clamp_min > options.clamp_max) {
    return Status::Error(StatusCode::kInvalidArgument, "options.clamp_min",
                         "%d is above clamp_max, %d", options.clamp_min, options.clamp_max);
  }
  if (options.clamp_min > HighestOf(type)) {
    return Status::Error(StatusCode::kOutOfRange, "options.clamp_min",
                         "%d is above %d, the largest value of %s", options.clamp_min,
                         HighestOf(type), DataTypeName(type));
  }
  if (options.clamp_max < LowestOf(type)) {
    return Status::Error(StatusCode::kOutOfRange, "options.clamp_max",
                         "%d is below %d, the smallest value of %s", options.clamp_max,
                         LowestOf(type), DataTypeName(type));
  }
  return kernels::RequantizeLimits{options.zero_point, std::max(options.clamp_min, LowestOf(type)),
                                   std::min(options.clamp_max, HighestOf(type))};
}

}  // namespace

Result<QuantizationParameters> ChooseParameters(float min, float max,
                                                const ParameterOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckParameterOptions("options.type", "options.bits", options));
  if (std::isnan(min)) return Status::Error(StatusCode::kInvalidArgument, "min", "is NaN");
  if (std::isnan(max)) return Status::Error(StatusCode::kInvalidArgument, "max", "is NaN");
  if (min > max) {
    return Status::Error(StatusCode::kInvalidArgument, "min", "%g is above max, %g",
                         static_cast<double>(min), static_cast<double>(max));
  }
  const base::FloatEnvironment environment;
  return ref::ChooseParameters(min, max, options);
}

Result<ValueRange> FindRange(ArrayView<const float> values) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMatrix("values", AsRow(values), DataType::kF32));
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const Result<kernels::UpdateRangeFunction*> update_range = GetUpdateRange(*isa);
  if (!update_range.ok()) return update_range.status();
  const base::FloatEnvironment environment;
  float min = FloatLimits::infinity();
  float max = -FloatLimits::infinity();
  (*update_range)(values.data(), values.size(), &min, &max);
  return ref::FinishRange(min, max);
}

Status Quantize(ArrayView<const float> input, const QuantizationParameters& parameters,
                ArrayView<uint8_t> output) noexcept {
  return QuantizeArray(input, parameters, output);
}

Status Quantize(ArrayView<const float> input, const QuantizationParameters& parameters,
                ArrayView<int8_t> output) noexcept {
  return QuantizeArray(input, parameters, output);
}

Status Dequantize(ArrayView<const uint8_t> input, const QuantizationParameters& parameters,
                  ArrayView<float> output) noexcept {
  return DequantizeArray(input, parameters, output);
}

Status Dequantize(ArrayView<const int8_t> input, const QuantizationParameters& parameters,
                  ArrayView<float> output) noexcept {
  return DequantizeArray(input, parameters, output);
}

Status Requantize(const MatrixView<const int32_t>& input, const RequantizeOptions& options,
                  const OutputMatrix& output) noexcept {
  const DataType type = output.type;
  if (type != DataType::kU8 && type != DataType::kS8) {
    return Status::Error(StatusCode::kInvalidArgument, "output",
                         "is of type %s; u8 and s8 are possible", DataTypeName(type));
  }
  const InputMatrix in(input);
  const InputMatrix out = AsInput(output);
  QFORGE_RETURN_IF_ERROR(CheckMatrix("input", in, DataType::kS32));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("output", out, type, input.rows, input.cols));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("output", out, "input", in));
  const Result<kernels::RequantizeLimits> limits = LimitsOf(options, type);
  if (!limits.ok()) return limits.status();
  const int64_t multiplier_count = options.multipliers.size();
  if (multiplier_count != 1 && multiplier_count != input.cols) {
    return Status::Error(StatusCode::kInvalidArgument, "options.multipliers",
                         "%" PRId64 " values; 1 or one per column (%" PRId64 ") are possible",
                         multiplier_count, input.cols);
  }
  QFORGE_RETURN_IF_ERROR(CheckScales("options.multipliers", options.multipliers));
  if (input.rows == 0 || input.cols == 0) return Status();

  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const Result<kernels::RequantizeFunction*> requantize =
      GetRequantize(*isa, type, /*per_column=*/multiplier_count != 1);
  if (!requantize.ok()) return requantize.status();
  const base::FloatEnvironment environment;
  for (int64_t row = 0; row < input.rows; ++row) {
    // Elements of u8 and s8 are bytes.
    (*requantize)(input.data + row * input.stride, input.cols, options.multipliers.data(), &*limits,
                  static_cast<uint8_t*>(output.data) + row * output.stride);
  }
  return Status();
}

}  // namespace qforge
