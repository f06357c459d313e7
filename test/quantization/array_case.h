// Inputs on which array functions are tested.
#ifndef QFORGE_TEST_QUANTIZATION_ARRAY_CASE_H_
#define QFORGE_TEST_QUANTIZATION_ARRAY_CASE_H_

#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "support/guarded_buffer.h"
#include "support/random.h"

namespace qforge::test {

// Every length up to some vectors of every ISA, and some longer ones.
inline std::vector<int64_t> Lengths() {
  std::vector<int64_t> lengths;
  for (int64_t length = 0; length <= 200; ++length) lengths.push_back(length);
  for (const int64_t length : {255, 256, 257, 1000, 4099}) lengths.push_back(length);
  return lengths;
}

// Ordinary values for a scale of 1/16, half-way cases among them, and every kind of special one.
inline float AnyFloat(Random& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr float kSpecial[] = {0.0f,       -0.0f,     kInfinity,       -kInfinity,       0x1p-149f,
                                -0x1p-149f, 0x1p-126f, 0x1.fffffep127f, -0x1.fffffep127f, 3e9f,
                                -3e9f};
  switch (random.Integer(0, 9)) {
    case 0:
      return kSpecial[random.Integer<size_t>(0, std::size(kSpecial) - 1)];
    case 1: {
      // Any bits, NaNs of every kind among them.
      const uint32_t bits = random.Any<uint32_t>() | (random.Integer(0, 3) == 0 ? 0x7F800000u : 0);
      float value;
      std::memcpy(&value, &bits, sizeof(value));
      return value;
    }
    case 2:
    case 3:
      return static_cast<float>(random.Integer(-700, 700)) * 0x1p-5f;
    default:
      return random.Real(-20.0f, 20.0f);
  }
}

template <class T, class Function>
GuardedBuffer<T> Filled(int64_t size, Guard guard, Function&& function) {
  GuardedBuffer<T> buffer(size, guard);
  for (T& value : buffer) value = static_cast<T>(function());
  buffer.Seal();
  return buffer;
}

// The same bits. Two NaNs are not the same: none of the functions may make one.
template <class T>
bool SameBits(const T* a, const T* b, int64_t count) {
  return count == 0 || std::memcmp(a, b, static_cast<size_t>(count) * sizeof(T)) == 0;
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_QUANTIZATION_ARRAY_CASE_H_
