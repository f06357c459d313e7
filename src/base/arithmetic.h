// Integer helpers for sizes and offsets. What comes from a caller goes through the Checked
// functions before it is multiplied; the others are for values that are known to fit.
#ifndef QFORGE_BASE_ARITHMETIC_H_
#define QFORGE_BASE_ARITHMETIC_H_

#include <concepts>
#include <cstdint>

namespace qforge::base {

// The smallest integer that is not below value / divisor. value >= 0, divisor > 0; unlike
// (value + divisor - 1) / divisor it cannot overflow.
template <std::integral T>
constexpr T CeilDiv(T value, T divisor) noexcept {
  return static_cast<T>(value / divisor + (value % divisor != 0 ? 1 : 0));
}

// The smallest multiple of `multiple` (> 0, not necessarily a power of two) that is not below
// value >= 0. The result must fit.
template <std::integral T>
constexpr T AlignUp(T value, T multiple) noexcept {
  return static_cast<T>(CeilDiv(value, multiple) * multiple);
}

// The largest multiple of `multiple` > 0 that is not above value >= 0.
template <std::integral T>
constexpr T AlignDown(T value, T multiple) noexcept {
  return static_cast<T>(value - value % multiple);
}

// `alignment` is a power of two, in bytes.
inline bool IsAligned(const void* pointer, uintptr_t alignment) noexcept {
  return (reinterpret_cast<uintptr_t>(pointer) & (alignment - 1)) == 0;
}

// *result = a + b and true, or false when the sum does not fit in T; *result is then unspecified.
template <std::integral T>
[[nodiscard]] constexpr bool CheckedAdd(T a, T b, T* result) noexcept {
  return !__builtin_add_overflow(a, b, result);
}

// *result = a * b and true, or false when the product does not fit in T; *result is then
// unspecified.
template <std::integral T>
[[nodiscard]] constexpr bool CheckedMultiply(T a, T b, T* result) noexcept {
  return !__builtin_mul_overflow(a, b, result);
}

// *result = AlignUp(value, multiple) and true, or false when it does not fit in T.
template <std::integral T>
[[nodiscard]] constexpr bool CheckedAlignUp(T value, T multiple, T* result) noexcept {
  return CheckedMultiply(CeilDiv(value, multiple), multiple, result);
}

}  // namespace qforge::base

#endif  // QFORGE_BASE_ARITHMETIC_H_
