// 16-bit floats against an independent definition: all of them, and all floats that matter.
#include "qforge/half.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "qforge/types.h"
#include "support/random.h"

namespace qforge::test {
namespace {

struct Format {
  const char* name;
  int exponent_bits;
  int mantissa_bits;
  float (*to_float)(uint16_t);
  uint16_t (*from_float)(float);
};

const Format kHalf = {"f16", 5, 10, [](uint16_t bits) { return ToFloat(Half{bits}); },
                      [](float value) { return ToHalf(value).bits; }};
const Format kBFloat16 = {"bf16", 8, 7, [](uint16_t bits) { return ToFloat(BFloat16{bits}); },
                          [](float value) { return ToBFloat16(value).bits; }};

// The value of bits with a clear sign, infinity counting as the number that would follow.
double Magnitude(const Format& format, int bits) {
  const int bias = (1 << (format.exponent_bits - 1)) - 1;
  const int exponent = bits >> format.mantissa_bits;
  const double mantissa = bits & ((1 << format.mantissa_bits) - 1);
  const double fraction = std::ldexp(mantissa, -format.mantissa_bits);
  return exponent == 0 ? std::ldexp(fraction, 1 - bias) : std::ldexp(1 + fraction, exponent - bias);
}
int InfinityBits(const Format& format) {
  return ((1 << format.exponent_bits) - 1) << format.mantissa_bits;
}

class SmallFormats : public ::testing::TestWithParam<Format> {};
INSTANTIATE_TEST_SUITE_P(Formats, SmallFormats, ::testing::Values(kHalf, kBFloat16),
                         [](const auto& info) { return info.param.name; });

TEST_P(SmallFormats, ToFloatOfAllBits) {
  const Format& format = GetParam();
  const int infinity = InfinityBits(format);
  for (int bits = 0; bits < 65536; ++bits) {
    const float value = format.to_float(static_cast<uint16_t>(bits));
    const int magnitude = bits & 0x7FFF;
    ASSERT_EQ(std::signbit(value), bits >= 0x8000) << bits;
    if (magnitude > infinity) {
      ASSERT_TRUE(std::isnan(value)) << bits;
      // Quiet, with the payload.
      const uint32_t payload = static_cast<uint32_t>(magnitude - infinity)
                               << (23 - format.mantissa_bits);
      ASSERT_EQ(internal::FloatBits(value) & 0x7FFFFFFFu, 0x7FC00000u | payload) << bits;
    } else if (magnitude == infinity) {
      ASSERT_TRUE(std::isinf(value)) << bits;
    } else {
      ASSERT_EQ(std::fabs(static_cast<double>(value)), Magnitude(format, magnitude)) << bits;
    }
  }
}

TEST_P(SmallFormats, AllBitsComeBack) {
  const Format& format = GetParam();
  const int infinity = InfinityBits(format);
  const int quiet = 1 << (format.mantissa_bits - 1);
  for (int bits = 0; bits < 65536; ++bits) {
    const bool is_nan = (bits & 0x7FFF) > infinity;
    ASSERT_EQ(format.from_float(format.to_float(static_cast<uint16_t>(bits))),
              is_nan ? bits | quiet : bits);
  }
}

// What rounding to nearest, ties to even, gives: by comparison with the two neighbours.
int Rounded(const Format& format, float value) {
  const int infinity = InfinityBits(format);
  const double magnitude = std::fabs(static_cast<double>(value));
  const int sign = std::signbit(value) ? 0x8000 : 0;
  if (std::isinf(value)) return sign | infinity;
  int low = 0;
  int high = infinity;
  if (magnitude >= Magnitude(format, infinity)) return sign | infinity;
  while (high - low > 1) {
    const int middle = (low + high) / 2;
    (Magnitude(format, middle) <= magnitude ? low : high) = middle;
  }
  const double below = magnitude - Magnitude(format, low);
  const double above = Magnitude(format, high) - magnitude;
  const bool up = above < below || (above == below && low % 2 != 0);
  return sign | (up ? high : low);
}

// Around every number of the format and around the middle of every two neighbours.
TEST_P(SmallFormats, FromFloatAtEveryBoundary) {
  const Format& format = GetParam();
  for (int bits = 0; bits < InfinityBits(format); ++bits) {
    const double low = Magnitude(format, bits);
    const double middle = (low + Magnitude(format, bits + 1)) / 2;
    for (const double centre : {low, middle}) {
      const float at = static_cast<float>(centre);
      const float around[] = {std::nextafterf(at, 0.0f), at, std::nextafterf(at, INFINITY)};
      for (const float value : around) {
        ASSERT_EQ(format.from_float(value), Rounded(format, value)) << bits;
        ASSERT_EQ(format.from_float(-value), Rounded(format, -value)) << bits;
      }
    }
  }
}

TEST_P(SmallFormats, FromAnyFloat) {
  const Format& format = GetParam();
  Random random(5);
  for (int i = 0; i < 300000; ++i) {
    const float value = internal::BitsFloat(random.Any<uint32_t>());
    const int bits = format.from_float(value);
    if (std::isnan(value)) {
      const int kept = static_cast<int>(internal::FloatBits(value) >> (23 - format.mantissa_bits)) &
                       ((1 << format.mantissa_bits) - 1);
      const int sign = std::signbit(value) ? 0x8000 : 0;
      ASSERT_EQ(bits, sign | InfinityBits(format) | 1 << (format.mantissa_bits - 1) | kept);
    } else {
      ASSERT_EQ(bits, Rounded(format, value)) << value;
    }
  }
}

TEST(SmallTypes, HaveNamesAndSizes) {
  EXPECT_STREQ(DataTypeName(DataType::kF16), "f16");
  EXPECT_STREQ(DataTypeName(DataType::kBF16), "bf16");
  EXPECT_EQ(DataTypeSize(DataType::kF16), 2);
  EXPECT_EQ(DataTypeSize(DataType::kBF16), 2);
}

}  // namespace
}  // namespace qforge::test
