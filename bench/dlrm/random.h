// A small seeded generator. The distributions of <random> give other numbers with every standard
// library; these give the same model and requests everywhere.
#ifndef QFORGE_BENCH_DLRM_RANDOM_H_
#define QFORGE_BENCH_DLRM_RANDOM_H_

#include <cmath>
#include <cstdint>
#include <numbers>

namespace dlrm {

class Random {
 public:
  explicit Random(uint64_t seed) : state_(seed) {}

  // SplitMix64.
  uint64_t Next() {
    uint64_t z = (state_ += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  }

  // In [0, 1).
  double Uniform() { return static_cast<double>(Next() >> 11) * 0x1.0p-53; }

  // Mean 0, standard deviation 1 (Box and Muller).
  double Normal() {
    const double radius = std::sqrt(-2.0 * std::log(1.0 - Uniform()));
    return radius * std::cos(2.0 * std::numbers::pi * Uniform());
  }

 private:
  uint64_t state_;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_RANDOM_H_
