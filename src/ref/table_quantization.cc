#include "ref/table_quantization.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ref/rounding.h"

namespace qforge::ref {
namespace {

using FloatLimits = std::numeric_limits<float>;

class Loss {
 public:
  void Add(int64_t i, float error) noexcept {
    float& sum = sums_[i % kPartialSums];
    sum = std::fma(error, error, sum);
  }
  float Total() noexcept {
    for (int half = kPartialSums / 2; half >= 1; half /= 2) {
      for (int l = 0; l < half; ++l) sums_[l] += sums_[l + half];
    }
    return sums_[0];
  }

 private:
  static constexpr int kPartialSums = 16;
  float sums_[kPartialSums] = {};
};

void PutCode(uint8_t* codes, int64_t i, int bits, int code) noexcept {
  const int64_t position = i * bits;
  uint8_t& byte = codes[position / 8];
  if (position % 8 == 0) byte = 0;
  byte = static_cast<uint8_t>(byte | code << (position % 8));
}

float RangeCode(float x, float inverse_scale, float bias, float levels) noexcept {
  return std::nearbyint(Min(Max((x - bias) * inverse_scale, 0.0f), levels));
}

int CodebookCode(float x, const float* bounds) noexcept {
  int code = 0;
  while (code + 1 < kCentres && x > bounds[code + 1]) ++code;
  return code;
}

// A byte with `mantissa_bits` bits of mantissa. In units of the last one, a value is a whole number
// below 2^(mantissa_bits + 1); as bits are laid out, the next larger value is the next larger byte.
uint8_t ToFloat8(float value, int mantissa_bits, int exponent_bias, int largest) noexcept {
  const uint8_t sign = std::signbit(value) ? 0x80 : 0;
  if (value == 0.0f || std::isnan(value)) return sign;
  const int smallest_exponent = 1 - exponent_bias;
  const int exponent = std::isinf(value) ? FloatLimits::max_exponent
                                         : std::max(std::ilogb(value), smallest_exponent);
  const double units =
      std::nearbyint(std::ldexp(std::abs(static_cast<double>(value)), mantissa_bits - exponent));
  const double byte = static_cast<double>((exponent - smallest_exponent) << mantissa_bits) + units;
  return static_cast<uint8_t>(sign | static_cast<int>(std::min<double>(byte, largest)));
}

}  // namespace

template <class T>
void LoadRow(const T* source, int64_t count, float* row, float* min, float* max) noexcept {
  constexpr bool kIsHalf = std::is_same_v<T, Half>;
  constexpr float kLargest = kIsHalf ? kLargestHalf : FloatLimits::max();
  *min = FloatLimits::infinity();
  *max = -FloatLimits::infinity();
  for (int64_t i = 0; i < count; ++i) {
    float x;
    if constexpr (kIsHalf) {
      x = ToFloat(source[i]);
    } else {
      x = source[i];
    }
    row[i] = std::isnan(x) ? 0.0f : std::clamp(x, -kLargest, kLargest);
    *min = std::min(*min, row[i]);
    *max = std::max(*max, row[i]);
  }
}

template void LoadRow(const float*, int64_t, float*, float*, float*) noexcept;
template void LoadRow(const Half*, int64_t, float*, float*, float*) noexcept;

float RangeLoss(const float* row, int64_t count, float scale, float inverse_scale, float bias,
                float levels) noexcept {
  Loss loss;
  for (int64_t i = 0; i < count; ++i) {
    const float q = RangeCode(row[i], inverse_scale, bias, levels);
    loss.Add(i, row[i] - std::fma(q, scale, bias));
  }
  return loss.Total();
}

void EncodeRange(const float* row, int64_t count, float inverse_scale, float bias, int bits,
                 uint8_t* codes) noexcept {
  const float levels = static_cast<float>((1 << bits) - 1);
  for (int64_t i = 0; i < count; ++i) {
    PutCode(codes, i, bits, static_cast<int>(RangeCode(row[i], inverse_scale, bias, levels)));
  }
}

void FindBounds(const float* centres, float* bounds) noexcept {
  bounds[0] = 0.0f;
  for (int q = 1; q < kCentres; ++q) bounds[q] = 0.5f * (centres[q - 1] + centres[q]);
}

float CodebookLoss(const float* row, int64_t count, const float* bounds,
                   const float* centres) noexcept {
  Loss loss;
  for (int64_t i = 0; i < count; ++i) {
    loss.Add(i, row[i] - centres[CodebookCode(row[i], bounds)]);
  }
  return loss.Total();
}

void EncodeCodebook(const float* row, int64_t count, const float* bounds, uint8_t* codes) noexcept {
  for (int64_t i = 0; i < count; ++i) PutCode(codes, i, 4, CodebookCode(row[i], bounds));
}

uint8_t ToE4M3(float value, int exponent_bias) noexcept {
  return ToFloat8(value, 3, exponent_bias, 0x7F);
}

uint8_t ToE5M2(float value, int exponent_bias) noexcept {
  return ToFloat8(value, 2, exponent_bias, 0x7B);
}

}  // namespace qforge::ref
