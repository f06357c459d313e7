// Conversions between f32 and 16-bit floats: the functions that every ISA has against
// qforge/half.h, bit for bit. Every length and both guards; all 16-bit values; floats in steps. All
// 2^32 floats take a quarter of a minute and are left to
//   conversion_test --gtest_also_run_disabled_tests --gtest_filter='*EveryFloat*'
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "conversion/conversion_case.h"
#include "ops/array_functions.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"

namespace qforge::test {
namespace {

constexpr Guard kGuards[] = {Guard::kBehind, Guard::kInFront};

std::string Describe(Isa isa, int64_t length, bool clipped = false) {
  return std::string(IsaName(isa)) + ", length " + std::to_string(length) +
         (clipped ? ", clipped" : "");
}

template <class T>
class HalfArrays : public EveryIsaTest {
 protected:
  static constexpr DataType kType = DataTypeOf<T>::kValue;

  // Converts consecutive floats, by their bits, in steps of `step`, on `isa`, and compares.
  static void ExpectFloats(Isa isa, uint64_t step) {
    const auto convert = GetFromF32(isa, kType, /*clipped=*/false);
    const auto convert_clipped = GetFromF32(isa, kType, /*clipped=*/true);
    ASSERT_TRUE(convert.ok() && convert_clipped.ok());
    constexpr int64_t kBlock = 4096;
    std::vector<float> x(kBlock);
    std::vector<T> y(kBlock), clipped(kBlock);
    for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += kBlock * step) {
      for (uint64_t i = 0; i < kBlock; ++i) {
        x[i] = internal::BitsFloat(static_cast<uint32_t>(bits + i * step));
      }
      (*convert)(x.data(), kBlock, y.data());
      (*convert_clipped)(x.data(), kBlock, clipped.data());
      int64_t wrong = 0;
      for (int64_t i = 0; i < kBlock; ++i) {
        const uint16_t expected = FromFloat<T>(x[i]).bits;
        wrong += y[i].bits != expected;
        wrong += clipped[i].bits != Clipped<T>(expected);
      }
      ASSERT_EQ(wrong, 0) << IsaName(isa) << ", from 0x" << std::hex << bits << " on";
    }
  }
};
using HalfTypes = ::testing::Types<Half, BFloat16>;
TYPED_TEST_SUITE(HalfArrays, HalfTypes, HalfNames);

TYPED_TEST(HalfArrays, OfEveryLengthToFloat) {
  using T = TypeParam;
  Random random(1);
  for (const Guard guard : kGuards) {
    for (const int64_t length : Lengths()) {
      GuardedBuffer<T> input(length, guard);
      for (T& value : input) value.bits = random.Any<uint16_t>();
      input.Seal();
      const int64_t padded = length + (length % 3 == 0 ? 0 : random.Integer<int64_t>(0, 70));
      std::vector<float> expected(static_cast<size_t>(padded), 0.0f);
      for (int64_t i = 0; i < length; ++i) expected[static_cast<size_t>(i)] = ToFloat(input[i]);
      GuardedBuffer<float> output(padded, guard);
      for (const Isa isa : SupportedIsas()) {
        const auto convert = GetToF32(isa, this->kType);
        ASSERT_TRUE(convert.ok()) << convert.status().message();
        std::memset(output.data(), 0xFF, static_cast<size_t>(padded) * sizeof(float));
        (*convert)(input.data(), length, padded, output.data());
        ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length);
        ASSERT_TRUE(SameBits(output.data(), expected.data(), padded))
            << Describe(isa, length) << ", padded to " << padded;
        RecordChecked(isa);
      }
    }
  }
}

TYPED_TEST(HalfArrays, OfEveryLengthFromFloat) {
  using T = TypeParam;
  Random random(2);
  for (const Guard guard : kGuards) {
    for (const int64_t length : Lengths()) {
      GuardedBuffer<float> input(length, guard);
      for (float& value : input) value = AnyFloat(random);
      input.Seal();
      GuardedBuffer<T> output(length, Opposite(guard));
      for (const bool clipped : {false, true}) {
        std::vector<T> expected;
        for (const float x : input) {
          const uint16_t bits = FromFloat<T>(x).bits;
          expected.push_back(T{clipped ? Clipped<T>(bits) : bits});
        }
        for (const Isa isa : SupportedIsas()) {
          const auto convert = GetFromF32(isa, this->kType, clipped);
          ASSERT_TRUE(convert.ok()) << convert.status().message();
          std::memset(output.data(), 0xFF, static_cast<size_t>(length) * sizeof(T));
          (*convert)(input.data(), length, output.data());
          ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, clipped);
          ASSERT_TRUE(SameBits(output.data(), expected.data(), length))
              << Describe(isa, length, clipped);
          RecordChecked(isa);
        }
      }
    }
  }
}

TYPED_TEST(HalfArrays, OfEvery16BitValue) {
  using T = TypeParam;
  std::vector<T> input(65536), back(65536);
  std::vector<float> output(65536);
  for (size_t i = 0; i < input.size(); ++i) input[i].bits = static_cast<uint16_t>(i);
  for (const Isa isa : SupportedIsas()) {
    const auto to = GetToF32(isa, this->kType);
    const auto from = GetFromF32(isa, this->kType, /*clipped=*/false);
    ASSERT_TRUE(to.ok() && from.ok());
    (*to)(input.data(), 65536, 65536, output.data());
    (*from)(output.data(), 65536, back.data());
    for (size_t i = 0; i < input.size(); ++i) {
      ASSERT_EQ(internal::FloatBits(output[i]), internal::FloatBits(ToFloat(input[i])))
          << IsaName(isa) << ", 0x" << std::hex << i;
      // All come back; NaNs are quiet then.
      ASSERT_EQ(back[i].bits, FromFloat<T>(output[i]).bits)
          << IsaName(isa) << ", 0x" << std::hex << i;
      if (!std::isnan(output[i])) {
        ASSERT_EQ(back[i].bits, i) << IsaName(isa);
      }
    }
    RecordChecked(isa);
  }
}

TYPED_TEST(HalfArrays, OfFloatsInSteps) {
  for (const Isa isa : SupportedIsas()) {
    this->ExpectFloats(isa, 1021);  // a prime
    if (this->HasFatalFailure()) return;
    RecordChecked(isa);
  }
}

TYPED_TEST(HalfArrays, DISABLED_OfEveryFloat) {
  this->ExpectFloats(SupportedIsas().back(), 1);
  for (const Isa isa : SupportedIsas()) RecordChecked(isa);  // in steps, by the test above
}

}  // namespace
}  // namespace qforge::test
