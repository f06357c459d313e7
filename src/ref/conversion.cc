#include "ref/conversion.h"

#include <algorithm>
#include <type_traits>

#include "qforge/half.h"

namespace qforge::ref {

template <class T>
void ToF32(const T* input, int64_t count, float* output) noexcept {
  for (int64_t i = 0; i < count; ++i) output[i] = ToFloat(input[i]);
}

template <class T>
void FromF32(const float* input, int64_t count, bool clipped, T* output) noexcept {
  constexpr bool kIsHalf = std::is_same_v<T, Half>;
  const float largest = ToFloat(T{kIsHalf ? uint16_t{0x7BFF} : uint16_t{0x7F7F}});
  for (int64_t i = 0; i < count; ++i) {
    const float value = clipped ? std::clamp(input[i], -largest, largest) : input[i];
    if constexpr (kIsHalf) {
      output[i] = ToHalf(value);
    } else {
      output[i] = ToBFloat16(value);
    }
  }
}

template void ToF32(const Half*, int64_t, float*) noexcept;
template void ToF32(const BFloat16*, int64_t, float*) noexcept;
template void FromF32(const float*, int64_t, bool, Half*) noexcept;
template void FromF32(const float*, int64_t, bool, BFloat16*) noexcept;

}  // namespace qforge::ref
