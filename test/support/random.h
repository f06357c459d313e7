// Deterministic random numbers: the same on every machine, compiler and standard library, so that
// the seed in a failure message is a reproduction.
#ifndef QFORGE_TEST_SUPPORT_RANDOM_H_
#define QFORGE_TEST_SUPPORT_RANDOM_H_

#include <cstdint>

namespace qforge::test {

// SplitMix64.
class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  uint64_t Next() {
    uint64_t z = state_ += 0x9E3779B97F4A7C15u;
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }

  // Uniform in [low, high], both included.
  template <class T>
  T Integer(T low, T high) {
    return static_cast<T>(low + static_cast<T>(Next() % (static_cast<uint64_t>(high - low) + 1)));
  }

  // Uniform in [low, high).
  float Real(float low, float high) {
    return low + (high - low) * (static_cast<float>(Next() >> 40) * 0x1p-24f);
  }

  // Any value of an integer type.
  template <class T>
  T Any() {
    return static_cast<T>(Next() >> (64 - 8 * sizeof(T)));
  }

 private:
  uint64_t state_;
};

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_RANDOM_H_
