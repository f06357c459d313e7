#include <algorithm>
#include <cmath>
#include <limits>

#include "ref/reference.h"
#include "ref/rounding.h"

namespace qforge::ref {

using FloatLimits = std::numeric_limits<float>;

QuantizationParameters ChooseParameters(float min, float max,
                                        const ParameterOptions& options) noexcept {
  const bool is_signed = options.type == DataType::kS8;
  const int half = 1 << (options.bits - 1);
  double low = std::clamp(min, FloatLimits::lowest(), 0.0f);
  double high = std::clamp(max, 0.0f, FloatLimits::max());
  double steps = 2 * half - 1;
  if (options.symmetric) {
    high = std::max(-low, high);
    low = -high;
    steps = 2 * half - 2;
  }

  QuantizationParameters parameters;
  parameters.bits = options.bits;
  if (options.symmetric) parameters.zero_point = is_signed ? 0 : half;
  if (low == high) return parameters;
  parameters.scale = std::max(static_cast<float>((high - low) / steps), FloatLimits::min());
  if (options.power_of_two_scale) {
    int exponent;  // of the power of two that is above the scale, or twice as large as it
    const float mantissa = std::frexp(parameters.scale, &exponent);
    parameters.scale = std::ldexp(1.0f, std::min(mantissa == 0.5f ? exponent - 1 : exponent, 127));
  }
  if (options.symmetric) return parameters;

  const double lo = is_signed ? -half : 0;
  const double zero_point = std::nearbyint(lo - low / static_cast<double>(parameters.scale));
  parameters.zero_point = static_cast<int32_t>(std::clamp(zero_point, lo, lo + 2 * half - 1));
  return parameters;
}

void UpdateRange(const float* values, int64_t count, float* min, float* max) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] < *min) *min = values[i];
    if (values[i] > *max) *max = values[i];
  }
}

ValueRange FinishRange(float min, float max) noexcept {
  if (min > max) return {};         // nothing but NaN
  return {min + 0.0f, max + 0.0f};  // the sign of a zero depends on which of them came first
}

ValueRange FindRange(const float* values, int64_t count) noexcept {
  float min = FloatLimits::infinity();
  float max = -FloatLimits::infinity();
  UpdateRange(values, count, &min, &max);
  return FinishRange(min, max);
}

QuantizationParameters ChooseDynamicParameters(float min, float max) noexcept {
  const ValueRange range = FinishRange(min, max);
  return ref::ChooseParameters(range.min, range.max, ParameterOptions());
}

template <class T>
void Quantize(const float* input, int64_t count, const QuantizationParameters& parameters,
              T* output) noexcept {
  const float inverse_scale = 1.0f / parameters.scale;
  for (int64_t i = 0; i < count; ++i) {
    output[i] =
        static_cast<T>(RoundToType(input[i] * inverse_scale, parameters.zero_point,
                                   std::numeric_limits<T>::min(), std::numeric_limits<T>::max()));
  }
}

template <class T>
void Dequantize(const T* input, int64_t count, const QuantizationParameters& parameters,
                float* output) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    output[i] = parameters.scale * static_cast<float>(input[i] - parameters.zero_point);
  }
}

template <class T>
void Requantize(const int32_t* input, int64_t count, const float* multipliers, bool per_column,
                int32_t zero_point, int32_t lo, int32_t hi, T* output) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    const float r = static_cast<float>(input[i]) * multipliers[per_column ? i : 0];
    output[i] = static_cast<T>(RoundToType(r, zero_point, lo, hi));
  }
}

template void Quantize(const float*, int64_t, const QuantizationParameters&, uint8_t*) noexcept;
template void Quantize(const float*, int64_t, const QuantizationParameters&, int8_t*) noexcept;
template void Dequantize(const uint8_t*, int64_t, const QuantizationParameters&, float*) noexcept;
template void Dequantize(const int8_t*, int64_t, const QuantizationParameters&, float*) noexcept;
template void Requantize(const int32_t*, int64_t, const float*, bool, int32_t, int32_t, int32_t,
                         uint8_t*) noexcept;
template void Requantize(const int32_t*, int64_t, const float*, bool, int32_t, int32_t, int32_t,
                         int8_t*) noexcept;

}  // namespace qforge::ref
