// Convert() as its users call it: values, errors, float environments, allocation.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <limits>
#include <vector>

#include "conversion/conversion_case.h"
#include "qforge/conversion.h"
#include "support/allocation_counter.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

template <class T>
std::vector<int> BitsOf(const std::vector<T>& values) {
  std::vector<int> bits;
  for (const T value : values) bits.push_back(value.bits);
  return bits;
}

TEST(Convert, ByHand) {
  // 1 + 2^-11 is half way between two f16: to even. 65520 is half way to what would be 65536.
  const std::vector<float> x{1.0f,     -2.0f,     1.00048828125f, 65519.0f,   65520.0f, -1e10f,
                             0x1p-24f, -0x1p-26f, kInfinity,      -kInfinity, kNan};
  std::vector<Half> half(x.size());
  ASSERT_TRUE(Convert(x, half).ok());
  EXPECT_EQ(BitsOf(half), (std::vector<int>{0x3C00, 0xC000, 0x3C00, 0x7BFF, 0x7C00, 0xFC00, 0x0001,
                                            0x8000, 0x7C00, 0xFC00, 0x7E00}));
  ConversionOptions options;
  options.clip_to_finite = true;
  ASSERT_TRUE(Convert(x, half, options).ok());
  EXPECT_EQ(BitsOf(half), (std::vector<int>{0x3C00, 0xC000, 0x3C00, 0x7BFF, 0x7BFF, 0xFBFF, 0x0001,
                                            0x8000, 0x7BFF, 0xFBFF, 0x7E00}));
  std::vector<float> back(x.size());
  ASSERT_TRUE(Convert(half, back).ok());
  EXPECT_EQ(back[3], 65504.0f);
  EXPECT_EQ(back[6], 0x1p-24f);

  const std::vector<float> large{1.0f, 0x1.01p0f, 0x1.03p0f, 0x1.fffffep127f, -kInfinity, kNan};
  std::vector<BFloat16> bf16(large.size());
  ASSERT_TRUE(Convert(large, bf16).ok());
  EXPECT_EQ(BitsOf(bf16), (std::vector<int>{0x3F80, 0x3F80, 0x3F82, 0x7F80, 0xFF80, 0x7FC0}));
  ASSERT_TRUE(Convert(large, bf16, options).ok());
  EXPECT_EQ(BitsOf(bf16), (std::vector<int>{0x3F80, 0x3F80, 0x3F82, 0x7F7F, 0xFF7F, 0x7FC0}));
  back.resize(large.size());
  ASSERT_TRUE(Convert(bf16, back).ok());
  EXPECT_EQ(back[2], 0x1.04p0f);
}

template <class T>
class ConvertArrays : public ::testing::Test {};
using HalfTypes = ::testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(ConvertArrays, HalfTypes, HalfNames);

TYPED_TEST(ConvertArrays, OfNothing) {
  using T = TypeParam;
  EXPECT_TRUE(Convert(ArrayView<const float>(), ArrayView<T>()).ok());
  EXPECT_TRUE(Convert(ArrayView<const T>(), ArrayView<float>()).ok());
}

TYPED_TEST(ConvertArrays, NameTheBadArgument) {
  using T = TypeParam;
  using Floats = ArrayView<const float>;
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kOutOfRange = StatusCode::kOutOfRange;
  float x[4] = {};
  T h[4] = {};
  const ArrayView<T> out(h);
  const ArrayView<const T> in(h);
  EXPECT_TRUE(IsError(Convert(Floats(nullptr, 4), out), kInvalid, "input"));
  EXPECT_TRUE(IsError(Convert(Floats(x, -1), out), kOutOfRange, "input"));
  EXPECT_TRUE(
      IsError(Convert(Floats(reinterpret_cast<float*>(uintptr_t{2}), 4), out), kInvalid, "input"));
  EXPECT_TRUE(IsError(Convert(Floats(x, int64_t{1} << 62), ArrayView<T>(h, int64_t{1} << 62)),
                      kOutOfRange, "input"));
  EXPECT_TRUE(IsError(Convert(Floats(x), ArrayView<T>(h, 3)), kInvalid, "output"));
  EXPECT_TRUE(IsError(Convert(Floats(x), ArrayView<T>(nullptr, 4)), kInvalid, "output"));
  EXPECT_TRUE(IsError(Convert(Floats(x), ArrayView<T>(reinterpret_cast<T*>(uintptr_t{1}), 4)),
                      kInvalid, "output"));
  EXPECT_TRUE(IsError(Convert(Floats(x), ArrayView<T>(reinterpret_cast<T*>(x + 3), 4)), kInvalid,
                      "output"));
  EXPECT_TRUE(
      IsError(Convert(ArrayView<const T>(nullptr, 4), ArrayView<float>(x)), kInvalid, "input"));
  EXPECT_TRUE(IsError(Convert(in, ArrayView<float>(x, 5)), kInvalid, "output"));
  EXPECT_TRUE(IsError(Convert(ArrayView<const T>(reinterpret_cast<T*>(x), 4), ArrayView<float>(x)),
                      kInvalid, "output"));
}

// Whatever rounding, flush-to-zero and denormals-are-zero the host has set.
TYPED_TEST(ConvertArrays, SetTheFloatEnvironment) {
  using T = TypeParam;
  constexpr unsigned kSettings = 0xFFC0;  // without the sticky exception flags
  Random random(1);
  std::vector<float> x(1000);
  for (float& value : x) value = AnyFloat(random) * (random.Integer(0, 1) ? 1.0f : 0x1p-130f);
  std::vector<T> all(65536);
  for (size_t i = 0; i < all.size(); ++i) all[i].bits = static_cast<uint16_t>(i);
  std::vector<T> expected(x.size()), y(x.size());
  std::vector<float> expected_back(all.size()), back(all.size());
  for (size_t i = 0; i < x.size(); ++i) expected[i] = FromFloat<T>(x[i]);
  for (size_t i = 0; i < all.size(); ++i) expected_back[i] = ToFloat(all[i]);
  const unsigned before = _mm_getcsr();
  for (const unsigned environment : {0x2000u, 0x4000u, 0x6000u, 0x8000u, 0x0040u, 0xC040u}) {
    const unsigned mxcsr = _MM_MASK_MASK | environment;
    _mm_setcsr(mxcsr);
    const bool ok = Convert(x, ArrayView<T>(y)).ok() &&
                    Convert(ArrayView<const T>(all), ArrayView<float>(back)).ok();
    const unsigned after = _mm_getcsr();
    _mm_setcsr(before);
    ASSERT_TRUE(ok);
    EXPECT_EQ(after & kSettings, mxcsr & kSettings);
    EXPECT_TRUE(SameBits(y.data(), expected.data(), static_cast<int64_t>(y.size())));
    EXPECT_TRUE(SameBits(back.data(), expected_back.data(), static_cast<int64_t>(back.size())));
  }
}

TYPED_TEST(ConvertArrays, AllocateNothingTheSecondTime) {
  using T = TypeParam;
  std::vector<float> x(100, 1.5f);
  std::vector<T> y(100);
  ConversionOptions clip;
  clip.clip_to_finite = true;
  const auto all = [&] {
    return Convert(x, ArrayView<T>(y)).ok() && Convert(x, ArrayView<T>(y), clip).ok() &&
           Convert(ArrayView<const T>(y), ArrayView<float>(x)).ok();
  };
  ASSERT_TRUE(all());
  const int64_t before = AllocationCount();
  const bool ok = all();
  const int64_t after = AllocationCount();
  EXPECT_TRUE(ok);
  EXPECT_EQ(after - before, 0);
}

}  // namespace
}  // namespace qforge::test
