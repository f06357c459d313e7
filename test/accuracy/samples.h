// Values whose histograms and ranges are tested: of every shape that layers produce, and worse.
#ifndef QFORGE_TEST_ACCURACY_SAMPLES_H_
#define QFORGE_TEST_ACCURACY_SAMPLES_H_

#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "support/random.h"

namespace qforge::test {

// Close enough to a normal distribution: tails end at 6.
inline float Normal(Random& random) {
  float sum = -6.0f;
  for (int i = 0; i < 12; ++i) sum += random.Real(0.0f, 1.0f);
  return sum;
}

enum class Shape {
  kNormal,
  kOneSided,
  kRelu,
  kUniform,
  kHeavyTailed,
  kOutliers,
  kTwoPeaks,
  kFarFromZero,
  kNegative,
  kFewValues,
  kTiny,
  kHuge,
};
inline constexpr int kShapeCount = 12;

inline float Draw(Shape shape, Random& random) {
  switch (shape) {
    case Shape::kNormal:
      return Normal(random);
    case Shape::kOneSided:
      return std::abs(Normal(random));
    case Shape::kRelu:
      return std::max(Normal(random), 0.0f);
    case Shape::kUniform:
      return random.Real(-3.0f, 5.0f);
    case Shape::kHeavyTailed:
      return Normal(random) / random.Real(1e-4f, 1.0f);
    case Shape::kOutliers:
      return Normal(random) * (random.Integer(0, 199) == 0 ? 30.0f : 1.0f);
    case Shape::kTwoPeaks:
      return Normal(random) * 0.1f + (random.Integer(0, 3) == 0 ? 7.0f : -2.0f);
    case Shape::kFarFromZero:
      return random.Real(100.0f, 101.0f);
    case Shape::kNegative:
      return -1.0f - std::abs(Normal(random));
    case Shape::kFewValues:
      return static_cast<float>(random.Integer(-2, 3)) * 0.75f;
    case Shape::kTiny:
      return Normal(random) * 0x1p-135f;
    case Shape::kHuge:
      return random.Real(-1.0f, 1.0f) * 0x1.fffffep127f;
  }
  return 0.0f;
}

inline std::vector<float> Sample(Shape shape, int64_t count, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = Draw(shape, random);
  return values;
}

inline std::string Name(Shape shape) { return "shape " + std::to_string(static_cast<int>(shape)); }

}  // namespace qforge::test

#endif  // QFORGE_TEST_ACCURACY_SAMPLES_H_
