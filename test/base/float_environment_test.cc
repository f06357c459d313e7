#include "base/float_environment.h"

#include <gtest/gtest.h>

#include <cfenv>
#include <limits>

namespace qforge::base {
namespace {

// Volatile operands: the compiler takes float arithmetic for a function of its operands alone, and
// would compute it ahead of time or ahead of the change of environment.
float Add(float a, float b) {
  volatile float x = a;
  volatile float y = b;
  volatile float result = x + y;
  return result;
}
TEST(FloatEnvironmentTest, RoundsToNearestWhateverTheHostHasSet) {
  // 1 + 2^-24 is half way: to even is 1, upwards is not.
  const float half_ulp = std::numeric_limits<float>::epsilon() / 2;
  ASSERT_EQ(std::fesetround(FE_UPWARD), 0);
  EXPECT_GT(Add(1.0f, half_ulp), 1.0f);
  {
    const FloatEnvironment environment;
    EXPECT_EQ(Add(1.0f, half_ulp), 1.0f);
  }
  EXPECT_EQ(std::fegetround(), FE_UPWARD);
  EXPECT_GT(Add(1.0f, half_ulp), 1.0f);
  std::fesetround(FE_TONEAREST);
}

#if QFORGE_X86_64

float Multiply(float a, float b) {
  volatile float x = a;
  volatile float y = b;
  volatile float result = x * y;
  return result;
}
float Divide(float a, float b) {
  volatile float x = a;
  volatile float y = b;
  volatile float result = x / y;
  return result;
}

constexpr float kTiny = std::numeric_limits<float>::min();
constexpr unsigned kDefault = 0x1F80;
constexpr unsigned kDenormalsAreZero = 1u << 6;
constexpr unsigned kDivideByZeroMask = 1u << 9;
constexpr unsigned kRoundToZero = 3u << 13;
constexpr unsigned kFlushToZero = 1u << 15;
constexpr unsigned kInexactFlag = 1u << 5;
constexpr unsigned kDivideByZeroFlag = 1u << 2;

// Leaves the thread as it was found, also when an expectation fails.
class FloatEnvironmentMxcsrTest : public testing::Test {
 protected:
  void TearDown() override { _mm_setcsr(kDefault); }
};

TEST_F(FloatEnvironmentMxcsrTest, EveryControlBitIsSetToDefaultAndRestored) {
  for (const unsigned found :
       {kDefault | kDenormalsAreZero, kDefault | kFlushToZero, kDefault | kRoundToZero,
        kDefault | 1u << 13, kDefault | 1u << 14, kDefault & ~kDivideByZeroMask,
        kDefault | kFlushToZero | kDenormalsAreZero | kRoundToZero | kInexactFlag}) {
    _mm_setcsr(found);
    unsigned inside = 0;
    {
      const FloatEnvironment environment;
      inside = _mm_getcsr();
    }
    EXPECT_EQ(inside, kDefault) << std::hex << found;
    EXPECT_EQ(_mm_getcsr(), found);
  }
}

TEST_F(FloatEnvironmentMxcsrTest, KeepsDenormals) {
  _mm_setcsr(kDefault | kFlushToZero | kDenormalsAreZero);
  EXPECT_EQ(Multiply(kTiny, 0.5f), 0.0f);
  {
    const FloatEnvironment environment;
    EXPECT_EQ(Multiply(Multiply(kTiny, 0.5f), 2.0f), kTiny);
  }
}

TEST_F(FloatEnvironmentMxcsrTest, DoesNotTrap) {
  _mm_setcsr(kDefault & ~kDivideByZeroMask);
  {
    const FloatEnvironment environment;
    EXPECT_EQ(Divide(1.0f, 0.0f), std::numeric_limits<float>::infinity());
  }
  EXPECT_EQ(_mm_getcsr(), kDefault & ~kDivideByZeroMask);
}

TEST_F(FloatEnvironmentMxcsrTest, StickyFlagsAreNotADifference) {
  _mm_setcsr(kDefault | kInexactFlag);
  {
    const FloatEnvironment environment;
    EXPECT_EQ(_mm_getcsr(), kDefault | kInexactFlag);
    EXPECT_EQ(Divide(1.0f, 0.0f), std::numeric_limits<float>::infinity());
  }
  EXPECT_EQ(_mm_getcsr(), kDefault | kInexactFlag | kDivideByZeroFlag);
}

#endif

}  // namespace
}  // namespace qforge::base
