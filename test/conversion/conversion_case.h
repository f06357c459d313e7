// What conversions of arrays are tested with.
#ifndef QFORGE_TEST_CONVERSION_CONVERSION_CASE_H_
#define QFORGE_TEST_CONVERSION_CONVERSION_CASE_H_

#include <cstdint>
#include <string>
#include <type_traits>

#include "qforge/half.h"
#include "qforge/types.h"
#include "quantization/array_case.h"

namespace qforge::test {

struct HalfNames {
  template <class T>
  static std::string GetName(int) {
    return DataTypeName(DataTypeOf<T>::kValue);
  }
};

template <class T>
T FromFloat(float value) {
  if constexpr (std::is_same_v<T, Half>) {
    return ToHalf(value);
  } else {
    return ToBFloat16(value);
  }
}

// What clipping to the finite range makes of a converted value: an infinity is the number before
// it.
template <class T>
uint16_t Clipped(uint16_t bits) {
  constexpr uint16_t kInfinity = std::is_same_v<T, Half> ? 0x7C00 : 0x7F80;
  return (bits & 0x7FFF) == kInfinity ? static_cast<uint16_t>(bits - 1) : bits;
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_CONVERSION_CONVERSION_CASE_H_
