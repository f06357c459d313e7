#include "base/arithmetic.h"

#include <gtest/gtest.h>

#include <cstddef>
#include <cstdint>
#include <limits>

namespace qforge::base {
namespace {

constexpr int64_t kMax64 = std::numeric_limits<int64_t>::max();
constexpr int64_t kMin64 = std::numeric_limits<int64_t>::min();

// Against the definitions, by counting.
TEST(ArithmeticTest, RoundingAgreesWithCounting) {
  for (int divisor = 1; divisor <= 20; ++divisor) {
    int quotient = 0;
    for (int value = 0; value <= 100; ++value) {
      if (value > quotient * divisor) ++quotient;
      EXPECT_EQ(CeilDiv(value, divisor), quotient) << value << " / " << divisor;
      EXPECT_EQ(AlignUp(value, divisor), quotient * divisor);
      const bool exact = value == quotient * divisor;
      EXPECT_EQ(AlignDown(value, divisor), (exact ? quotient : quotient - 1) * divisor);
    }
  }
}

TEST(ArithmeticTest, CeilDivDoesNotOverflowAtTheLimit) {
  EXPECT_EQ(CeilDiv(kMax64, int64_t{2}), kMax64 / 2 + 1);
  EXPECT_EQ(CeilDiv(kMax64, kMax64), 1);
  EXPECT_EQ(CeilDiv(SIZE_MAX, size_t{64}), SIZE_MAX / 64 + 1);
}

TEST(ArithmeticTest, IsAligned) {
  alignas(64) char buffer[128];
  EXPECT_TRUE(IsAligned(buffer, 64));
  EXPECT_FALSE(IsAligned(buffer + 1, 2));
  EXPECT_FALSE(IsAligned(buffer + 32, 64));
  EXPECT_TRUE(IsAligned(buffer + 32, 32));
  EXPECT_TRUE(IsAligned(nullptr, 64));
}

TEST(ArithmeticTest, CheckedAdd) {
  int64_t sum = 0;
  EXPECT_TRUE(CheckedAdd(kMax64 - 1, int64_t{1}, &sum));
  EXPECT_EQ(sum, kMax64);
  EXPECT_FALSE(CheckedAdd(kMax64, int64_t{1}, &sum));
  EXPECT_TRUE(CheckedAdd(kMin64, kMax64, &sum));
  EXPECT_EQ(sum, -1);
  EXPECT_FALSE(CheckedAdd(kMin64, int64_t{-1}, &sum));

  size_t size = 0;
  EXPECT_TRUE(CheckedAdd(SIZE_MAX - 4, size_t{4}, &size));
  EXPECT_EQ(size, SIZE_MAX);
  EXPECT_FALSE(CheckedAdd(SIZE_MAX, size_t{1}, &size));
}

TEST(ArithmeticTest, CheckedMultiply) {
  int64_t product = 0;
  EXPECT_TRUE(CheckedMultiply(int64_t{3037000499}, int64_t{3037000499}, &product));
  EXPECT_EQ(product, 9223372030926249001);
  EXPECT_FALSE(CheckedMultiply(int64_t{3037000500}, int64_t{3037000500}, &product));
  EXPECT_FALSE(CheckedMultiply(kMin64, int64_t{-1}, &product));
  EXPECT_TRUE(CheckedMultiply(kMax64, int64_t{0}, &product));
  EXPECT_EQ(product, 0);

  size_t size = 0;
  EXPECT_TRUE(CheckedMultiply(SIZE_MAX / 4, size_t{4}, &size));
  EXPECT_EQ(size, SIZE_MAX - 3);
  EXPECT_FALSE(CheckedMultiply(SIZE_MAX / 4 + 1, size_t{4}, &size));
}

TEST(ArithmeticTest, CheckedAlignUp) {
  int64_t aligned = 0;
  EXPECT_TRUE(CheckedAlignUp(int64_t{65}, int64_t{64}, &aligned));
  EXPECT_EQ(aligned, 128);
  EXPECT_TRUE(CheckedAlignUp(kMax64 - 63, int64_t{64}, &aligned));
  EXPECT_EQ(aligned, kMax64 - 63);
  EXPECT_FALSE(CheckedAlignUp(kMax64 - 62, int64_t{64}, &aligned));
}

}  // namespace
}  // namespace qforge::base
