// How scale and zero-point are chosen, against values worked out by hand.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "qforge/quantization.h"
#include "support/random.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kSmallestNormal = std::numeric_limits<float>::min();

constexpr ParameterOptions kU8{DataType::kU8, false};
constexpr ParameterOptions kS8{DataType::kS8, false};
constexpr ParameterOptions kSymmetricU8{DataType::kU8, true};
constexpr ParameterOptions kSymmetricS8{DataType::kS8, true};

void ExpectParameters(float min, float max, const ParameterOptions& options, float scale,
                      int32_t zero_point) {
  const Result<QuantizationParameters> parameters = ChooseParameters(min, max, options);
  ASSERT_TRUE(parameters.ok()) << parameters.status().message();
  EXPECT_EQ(parameters->scale, scale) << "[" << min << ", " << max << "]";
  EXPECT_EQ(parameters->zero_point, zero_point) << "[" << min << ", " << max << "]";
}

TEST(ChooseParameters, CoversTheRange) {
  ExpectParameters(0.0f, 255.0f, kU8, 1.0f, 0);
  ExpectParameters(0.0f, 255.0f, kS8, 1.0f, -128);
  ExpectParameters(-127.5f, 0.0f, kU8, 0.5f, 255);
  ExpectParameters(-127.5f, 0.0f, kS8, 0.5f, 127);
  ExpectParameters(-64.0f, 191.0f, kU8, 1.0f, 64);
  ExpectParameters(-64.0f, 191.0f, kS8, 1.0f, -64);
}

TEST(ChooseParameters, WidensTheRangeToHoldZero) {
  ExpectParameters(100.0f, 255.0f, kU8, 1.0f, 0);
  ExpectParameters(-510.0f, -3.0f, kU8, 2.0f, 255);
  ExpectParameters(-0.0f, -0.0f, kU8, 1.0f, 0);
}

// The zero-point would be 127.5, and 64.5: half goes to even.
TEST(ChooseParameters, RoundsTheZeroPointHalfToEven) {
  ExpectParameters(-127.5f, 127.5f, kU8, 1.0f, 128);
  ExpectParameters(-64.5f, 190.5f, kU8, 1.0f, 64);
  ExpectParameters(-63.5f, 191.5f, kU8, 1.0f, 64);
  ExpectParameters(-127.5f, 127.5f, kS8, 1.0f, 0);
}

TEST(ChooseParameters, Symmetric) {
  ExpectParameters(-127.0f, 3.0f, kSymmetricS8, 1.0f, 0);
  ExpectParameters(-3.0f, 254.0f, kSymmetricS8, 2.0f, 0);
  ExpectParameters(-3.0f, 254.0f, kSymmetricU8, 2.0f, 128);
  ExpectParameters(5.0f, 254.0f, kSymmetricU8, 2.0f, 128);
}

TEST(ChooseParameters, OfNoWidth) {
  ExpectParameters(0.0f, 0.0f, kU8, 1.0f, 0);
  ExpectParameters(0.0f, 0.0f, kS8, 1.0f, 0);
  ExpectParameters(0.0f, 0.0f, kSymmetricU8, 1.0f, 128);
  ExpectParameters(0.0f, 0.0f, kSymmetricS8, 1.0f, 0);
}

TEST(ChooseParameters, TakesInfinitiesAsTheLargestFloat) {
  const float scale = static_cast<float>(2.0 * static_cast<double>(kLargest) / 255);
  ExpectParameters(-kInfinity, kInfinity, kU8, scale, 128);
  ExpectParameters(-kLargest, kLargest, kU8, scale, 128);
  ExpectParameters(kInfinity, kInfinity, kU8,
                   static_cast<float>(static_cast<double>(kLargest) / 255), 0);
  ExpectParameters(-kInfinity, -kInfinity, kSymmetricS8,
                   static_cast<float>(static_cast<double>(kLargest) / 127), 0);
}

TEST(ChooseParameters, GivesNoDenormalScale) {
  ExpectParameters(0.0f, std::numeric_limits<float>::denorm_min(), kU8, kSmallestNormal, 0);
  ExpectParameters(-0x1p-120f, 0x1p-120f, kU8, kSmallestNormal, 64);
  ExpectParameters(-0x1p-120f, 0.0f, kSymmetricS8, kSmallestNormal, 0);
}

// A value of the range comes back within half a step, or one at the ends of an asymmetric range,
// since its zero-point was rounded; zero comes back as it was.
TEST(ChooseParameters, KeepsValuesOfTheRange) {
  Random random(1);
  for (int i = 0; i < 2000; ++i) {
    const bool symmetric = i % 2 == 0;
    const float a = random.Real(-3.0f, 3.0f);
    const float b = random.Real(-3.0f, 3.0f);
    const float min = std::min(a, b);
    const float max = std::max(a, b);
    const auto parameters = ChooseParameters(min, max, {DataType::kU8, symmetric});
    ASSERT_TRUE(parameters.ok()) << parameters.status().message();
    const float x[4] = {min, max, random.Real(min, max), 0.0f};
    uint8_t q[4];
    float y[4];
    ASSERT_TRUE(Quantize(x, *parameters, q).ok());
    ASSERT_TRUE(Dequantize(q, *parameters, y).ok());
    const float most = (symmetric ? 0.501f : 1.001f) * parameters->scale;
    for (int j = 0; j < 4; ++j) EXPECT_LE(std::abs(y[j] - x[j]), most) << x[j];
    EXPECT_EQ(y[3], 0.0f);
  }
}

TEST(ChooseParameters, RefusesWhatIsNoRange) {
  EXPECT_TRUE(IsError(ChooseParameters(kNan, 1).status(), StatusCode::kInvalidArgument, "min"));
  EXPECT_TRUE(IsError(ChooseParameters(0, kNan).status(), StatusCode::kInvalidArgument, "max"));
  EXPECT_TRUE(IsError(ChooseParameters(2, 1).status(), StatusCode::kInvalidArgument, "min"));
  for (const DataType type : {DataType::kNone, DataType::kS32, DataType::kF32}) {
    EXPECT_TRUE(IsError(ChooseParameters(0, 1, {type, false}).status(),
                        StatusCode::kInvalidArgument, "options.type"));
  }
}

}  // namespace
}  // namespace qforge::test
