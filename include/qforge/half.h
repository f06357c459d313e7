// 16-bit floats as storage, and their conversions. No arithmetic: convert, compute in float.
#ifndef QFORGE_HALF_H_
#define QFORGE_HALF_H_

#include <cstdint>
#include <cstring>

#include "qforge/export.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// IEEE 754 binary16, "f16".
struct Half {
  uint16_t bits;
};

// The upper half of a binary32, "bf16".
struct BFloat16 {
  uint16_t bits;
};

namespace internal {
inline uint32_t FloatBits(float value) noexcept {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float BitsFloat(uint32_t bits) noexcept {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
}  // namespace internal

// Exact. Subnormals are kept, whatever the float environment. A NaN stays one, made quiet, with its
// sign and payload.
inline float ToFloat(Half half) noexcept {
  const uint32_t sign = static_cast<uint32_t>(half.bits & 0x8000u) << 16;
  uint32_t exponent = half.bits >> 10 & 0x1Fu;
  uint32_t mantissa = half.bits & 0x3FFu;
  if (exponent == 0x1F) {
    const uint32_t quiet = mantissa != 0 ? 0x400000u : 0u;
    return internal::BitsFloat(sign | 0x7F800000u | quiet | mantissa << 13);
  }
  if (exponent == 0) {
    if (mantissa == 0) return internal::BitsFloat(sign);
    exponent = 1;
    while ((mantissa & 0x400u) == 0) {
      mantissa <<= 1;
      --exponent;  // wraps below 0; the sum below brings it back
    }
    mantissa &= 0x3FFu;
  }
  return internal::BitsFloat(sign | (exponent + 112u) << 23 | mantissa << 13);
}

inline float ToFloat(BFloat16 value) noexcept {
  const uint32_t bits = static_cast<uint32_t>(value.bits) << 16;
  const bool is_nan = (bits & 0x7FFFFFFFu) > 0x7F800000u;
  return internal::BitsFloat(is_nan ? bits | 0x400000u : bits);
}

// To the nearest, ties to even; beyond the largest finite value to infinity; into subnormals where
// the result is one, whatever the float environment. A NaN stays one, made quiet, with its sign
// and the upper bits of its payload.
inline Half ToHalf(float value) noexcept {
  const uint32_t bits = internal::FloatBits(value);
  const uint32_t sign = bits >> 16 & 0x8000u;
  const uint32_t magnitude = bits & 0x7FFFFFFFu;
  const auto half = [sign](uint32_t rest) { return Half{static_cast<uint16_t>(sign | rest)}; };
  if (magnitude > 0x7F800000u) return half(0x7E00u | (magnitude >> 13 & 0x3FFu));
  if (magnitude >= 0x47800000u) return half(0x7C00u);  // 2^16 and more
  // The bits to drop: 13 of the mantissa, and more the further a value lies below 2^-14.
  const uint32_t exponent = magnitude >> 23;
  uint32_t kept, dropped, dropped_bits;
  if (exponent >= 113u) {
    kept = (magnitude - (112u << 23)) >> 13;
    dropped = magnitude & 0x1FFFu;
    dropped_bits = 13;
  } else {
    if (exponent < 102u) return half(0);  // below half the smallest subnormal
    const uint32_t mantissa = (magnitude & 0x7FFFFFu) | 0x800000u;
    dropped_bits = 126u - exponent;
    kept = mantissa >> dropped_bits;
    dropped = mantissa & ((1u << dropped_bits) - 1u);
  }
  const uint32_t tie = 1u << (dropped_bits - 1u);
  if (dropped > tie || (dropped == tie && (kept & 1u) != 0)) ++kept;  // may carry to infinity
  return half(kept);
}

inline BFloat16 ToBFloat16(float value) noexcept {
  const uint32_t bits = internal::FloatBits(value);
  if ((bits & 0x7FFFFFFFu) > 0x7F800000u) {
    return BFloat16{static_cast<uint16_t>(bits >> 16 | 0x40u)};
  }
  return BFloat16{static_cast<uint16_t>((bits + 0x7FFFu + (bits >> 16 & 1u)) >> 16)};
}

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_HALF_H_
