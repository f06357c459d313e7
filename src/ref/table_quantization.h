// The scalar truth of table quantisation: what every row kernel computes, written so that it can be
// trusted by eye; and the portable path. Nothing here validates, allocates or sets the float
// environment.
//
// A loss is the sum over a row of the squared error e[i], in binary32. So that vectors of any width
// give the same bits, it is added up as
//   sums[i % 16] = fma(e[i], e[i], sums[i % 16])   in the order of i, from +0; and then
//   sums[l] = sums[l] + sums[l + h]                for l < h, with h = 8, 4, 2, 1.
#ifndef QFORGE_REF_TABLE_QUANTIZATION_H_
#define QFORGE_REF_TABLE_QUANTIZATION_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "qforge/half.h"
#include "qforge/types.h"

namespace qforge::ref {

inline constexpr float kLargestHalf = 65504.0f;

// A row as floats: NaN as 0, what lies beyond the largest finite value of T, float or Half, as that
// value. Gives the smallest and the largest, the sign of a zero not specified; count > 0.
template <class T>
void LoadRow(const T* source, int64_t count, float* row, float* min, float* max) noexcept;

// What u8, u4 and u2 store besides the values, f32 or f16, as floats: for values in [lo, hi] with q
// in [0, levels], bias = round(lo) and scale = round((hi - bias) / levels), so that the top of the
// range is met although the bottom was rounded. Both are finite; the scale is at least the smallest
// that f16 has, or the smallest normal f32. Inline, as a search does this for each range it tries.
inline float ChooseBias(double lo, DataType type) noexcept;
inline float ChooseScale(float bias, double hi, int levels, DataType type) noexcept;

// Codes: q = round_half_even(clamp((x - bias) * inverse_scale, 0, levels)), of 8, 4 or 2 bits, the
// first in the lowest. Unused bits of the last byte are 0. Errors: x - fma(q, scale, bias).
float RangeLoss(const float* row, int64_t count, float scale, float inverse_scale, float bias,
                float levels) noexcept;
void EncodeRange(const float* row, int64_t count, float inverse_scale, float bias, int bits,
                 uint8_t* codes) noexcept;

inline constexpr int kCentres = 16;

// The bounds between ascending centres: bounds[q] lies in the middle of centres[q - 1] and
// centres[q]; bounds[0] is not used.
void FindBounds(const float* centres, float* bounds) noexcept;

// The code of x is the number of bounds below it, its error x - centres[code]. 4 bits, as above.
float CodebookLoss(const float* row, int64_t count, const float* bounds,
                   const float* centres) noexcept;
void EncodeCodebook(const float* row, int64_t count, const float* bounds, uint8_t* codes) noexcept;

// The nearest value of a float format of as many bits as Code has, ties to even, within the finite
// range: `largest` is the code of its end. Not for NaN. Without a branch, so that loops of it
// become vectors.
template <class Code, int kMantissaBits>
Code RoundToSmallFloat(float value, int exponent_bias, int32_t largest) noexcept;

// ToFloat(ToHalf(value)) within the finite range of f16, but that a zero is positive. Those two
// branch on bits that look random.
inline float RoundToHalf(float value) noexcept {
  constexpr float kSmallestNormalHalf = 0x1p-14f;
  // One unit in the last place of this is one of a subnormal f16.
  constexpr float kSubnormalUnit = 0x1.8p-1f;
  if (std::abs(value) < kSmallestNormalHalf) return (value + kSubnormalUnit) - kSubnormalUnit;
  const uint32_t bits = internal::FloatBits(value);
  return internal::BitsFloat((bits + 0xFFFu + (bits >> 13 & 1u)) & ~0x1FFFu);
}

inline float ChooseBias(double lo, DataType type) noexcept {
  if (type == DataType::kF16) {
    constexpr double kLargest = static_cast<double>(kLargestHalf);
    return RoundToHalf(static_cast<float>(std::clamp(lo, -kLargest, kLargest)));
  }
  constexpr double kLargest = static_cast<double>(std::numeric_limits<float>::max());
  return static_cast<float>(std::clamp(lo, -kLargest, kLargest));
}

inline float ChooseScale(float bias, double hi, int levels, DataType type) noexcept {
  const double scale = (hi - static_cast<double>(bias)) / levels;
  if (type == DataType::kF16) {
    constexpr double kLargest = static_cast<double>(kLargestHalf);
    return RoundToHalf(static_cast<float>(std::clamp(scale, 0x1p-24, kLargest)));
  }
  constexpr double kSmallest = static_cast<double>(std::numeric_limits<float>::min());
  return static_cast<float>(std::max(scale, kSmallest));
}

template <class Code, int kMantissaBits>
inline Code RoundToSmallFloat(float value, int exponent_bias, int32_t largest) noexcept {
  constexpr int kDroppedBits = 23 - kMantissaBits;
  constexpr int kSignShift = 32 - 8 * static_cast<int>(sizeof(Code));
  const int32_t smallest_normal = (128 - exponent_bias) << 23;  // the bits of 2^(1 - bias)
  // One unit in the last place of this is one of a subnormal.
  const int32_t subnormal_unit = smallest_normal + (kDroppedBits << 23);
  const uint32_t bits = internal::FloatBits(value);
  const int32_t magnitude = static_cast<int32_t>(bits & 0x7FFFFFFFu);
  const int32_t tie = (1 << (kDroppedBits - 1)) - 1 + (magnitude >> kDroppedBits & 1);
  const int32_t normal =
      ((magnitude + tie) >> kDroppedBits) - ((127 - exponent_bias) << kMantissaBits);
  const float sum = internal::BitsFloat(static_cast<uint32_t>(magnitude)) +
                    internal::BitsFloat(static_cast<uint32_t>(subnormal_unit));
  const int32_t subnormal = static_cast<int32_t>(internal::FloatBits(sum)) - subnormal_unit;
  const int32_t if_subnormal = -static_cast<int32_t>(magnitude < smallest_normal);
  const int32_t code = std::min((subnormal & if_subnormal) | (normal & ~if_subnormal), largest);
  return static_cast<Code>(static_cast<uint32_t>(code) | (bits & 0x80000000u) >> kSignShift);
}

}  // namespace qforge::ref

#endif  // QFORGE_REF_TABLE_QUANTIZATION_H_
