// The scalar conversions against values worked out by hand. What is common to them and the public
// functions stands in test/quantization.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <vector>

#include "ref/reference.h"

namespace qforge::ref {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kSmallest = std::numeric_limits<float>::denorm_min();

template <class T>
std::vector<int> Quantized(const std::vector<float>& x, float scale, int32_t zero_point) {
  std::vector<T> q(x.size());
  Quantize(x.data(), static_cast<int64_t>(x.size()), {scale, zero_point}, q.data());
  return {q.begin(), q.end()};
}

TEST(Quantize, RoundsHalfToEven) {
  const std::vector<float> x{0.0f, 0.25f, 0.75f, 1.25f, -0.25f, -0.75f, -1.25f, 0.26f, -0.26f};
  EXPECT_EQ(Quantized<int8_t>(x, 0.5f, 0), (std::vector<int>{0, 0, 2, 2, 0, -2, -2, 1, -1}));
  EXPECT_EQ(Quantized<uint8_t>(x, 0.5f, 101),
            (std::vector<int>{101, 101, 103, 103, 101, 99, 99, 102, 100}));
}

TEST(Quantize, Saturates) {
  const std::vector<float> x{-kInfinity, -kLargest, -3e9f,    -128.5f,
                             127.5f,     3e9f,      kLargest, kInfinity};
  EXPECT_EQ(Quantized<int8_t>(x, 1.0f, 0),
            (std::vector<int>{-128, -128, -128, -128, 127, 127, 127, 127}));
  EXPECT_EQ(Quantized<int8_t>(x, 1.0f, 127),
            (std::vector<int>{-128, -128, -128, -1, 127, 127, 127, 127}));
  EXPECT_EQ(Quantized<uint8_t>(x, 1.0f, 255), (std::vector<int>{0, 0, 0, 127, 255, 255, 255, 255}));
}

TEST(Quantize, GivesTheLowestValueForNaN) {
  EXPECT_EQ(Quantized<uint8_t>({kNan, -kNan}, 1.0f, 77), (std::vector<int>{0, 0}));
  EXPECT_EQ(Quantized<int8_t>({kNan, -kNan}, 1.0f, 77), (std::vector<int>{-128, -128}));
}

TEST(Quantize, ZerosAndDenormals) {
  EXPECT_EQ(Quantized<uint8_t>({-0.0f, kSmallest, -kSmallest}, 1.0f, 9),
            (std::vector<int>{9, 9, 9}));
  // 2^-126 is the smallest scale: its inverse is finite.
  EXPECT_EQ(Quantized<uint8_t>({0.0f, 0x1p-126f, 0x1.8p-126f, kLargest}, 0x1p-126f, 9),
            (std::vector<int>{9, 10, 11, 255}));
}

TEST(Dequantize, SubtractsTheZeroPointFirst) {
  const uint8_t u8[3] = {0, 128, 255};
  const int8_t s8[3] = {-128, 0, 127};
  float x[3];
  Dequantize(u8, 3, {0.5f, 128}, x);
  EXPECT_EQ(std::vector<float>(x, x + 3), (std::vector<float>{-64, 0, 63.5f}));
  Dequantize(s8, 3, {0.5f, 127}, x);
  EXPECT_EQ(std::vector<float>(x, x + 3), (std::vector<float>{-127.5f, -63.5f, 0}));
}

TEST(Requantize, ByHand) {
  const int32_t x[6] = {3, 5, -3, 1 << 30, -(1 << 30), 0};
  const float one[1] = {0.5f};
  uint8_t u8[6];
  Requantize(x, 6, one, /*per_column=*/false, 10, 0, 255, u8);
  EXPECT_EQ(std::vector<int>(u8, u8 + 6), (std::vector<int>{12, 12, 8, 255, 0, 10}));
  Requantize(x, 6, one, /*per_column=*/false, 10, 10, 11, u8);
  EXPECT_EQ(std::vector<int>(u8, u8 + 6), (std::vector<int>{11, 11, 10, 11, 10, 10}));
  const float columns[6] = {1, 2, 3, 1e-9f, 1e9f, 1e9f};
  int8_t s8[6];
  Requantize(x, 6, columns, /*per_column=*/true, -10, -128, 127, s8);
  EXPECT_EQ(std::vector<int>(s8, s8 + 6), (std::vector<int>{-7, 0, -19, -9, -128, -10}));
}

TEST(FindRange, PassesOverNaN) {
  const float x[5] = {kNan, 3, -2, kNan, 1};
  EXPECT_EQ(FindRange(x, 5).min, -2);
  EXPECT_EQ(FindRange(x, 5).max, 3);
  EXPECT_EQ(FindRange(x, 1).min, 0);
  EXPECT_EQ(FindRange(x, 1).max, 0);
  EXPECT_EQ(FindRange(x, 0).min, 0);
  EXPECT_EQ(FindRange(x, 0).max, 0);
  EXPECT_EQ(FindRange(x, 2).min, 3);  // the range need not hold 0
}

TEST(FindRange, KeepsInfinities) {
  const float x[2] = {-kInfinity, kInfinity};
  EXPECT_EQ(FindRange(x, 2).min, -kInfinity);
  EXPECT_EQ(FindRange(x, 2).max, kInfinity);
  EXPECT_EQ(FindRange(x, 1).max, -kInfinity);
}

TEST(FindRange, GivesPositiveZeros) {
  const float x[3] = {-0.0f, 0.0f, -0.0f};
  for (int64_t count = 1; count <= 3; ++count) {
    EXPECT_FALSE(std::signbit(FindRange(x, count).min));
    EXPECT_FALSE(std::signbit(FindRange(x, count).max));
  }
}

}  // namespace
}  // namespace qforge::ref
