// The array functions that every ISA has, against the reference, bit for bit: every length, values
// of every kind, and arrays that end at an unmapped page on either side.
#include "ops/array_functions.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <type_traits>
#include <vector>

#include "quantization/array_case.h"
#include "ref/reference.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Calls check(length, guard of the inputs) for all lengths and both guards.
template <class Check>
void ForEachCase(Check&& check) {
  for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
    for (const int64_t length : Lengths()) {
      check(length, guard);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

std::string Describe(Isa isa, int64_t length, Guard guard) {
  return std::string(IsaName(isa)) + ", length " + std::to_string(length) + ", guard " +
         (guard == Guard::kBehind ? "behind" : "in front");
}

class Ranges : public EveryIsaTest {};

TEST_F(Ranges, MatchTheReference) {
  Random random(1);
  ForEachCase([&](int64_t length, Guard guard) {
    const auto values = Filled<float>(length, guard, [&] { return AnyFloat(random); });
    const ValueRange expected = ref::FindRange(values.data(), length);
    for (const Isa isa : SupportedIsas()) {
      const auto update_range = GetUpdateRange(isa);
      ASSERT_TRUE(update_range.ok()) << update_range.status().message();
      float min = kInfinity;
      float max = -kInfinity;
      (*update_range)(values.data(), length, &min, &max);
      const ValueRange range = ref::FinishRange(min, max);
      ASSERT_TRUE(SameBits(&range.min, &expected.min, 1) && SameBits(&range.max, &expected.max, 1))
          << Describe(isa, length, guard) << ": [" << range.min << ", " << range.max
          << "], expected [" << expected.min << ", " << expected.max << "]";
      RecordChecked(isa);
    }
  });
}

// A lone extreme value is found wherever it stands, and what the caller starts from counts.
TEST_F(Ranges, FindEveryPosition) {
  for (const Isa isa : SupportedIsas()) {
    const auto update_range = GetUpdateRange(isa);
    ASSERT_TRUE(update_range.ok()) << update_range.status().message();
    for (const int64_t length : {1, 7, 8, 31, 64, 65, 135}) {
      std::vector<float> values(static_cast<size_t>(length), 1.0f);
      for (int64_t i = 0; i < length; ++i) {
        float min = 0.5f;
        float max = 1.5f;
        values[i] = -2.0f;
        (*update_range)(values.data(), length, &min, &max);
        ASSERT_EQ(min, -2.0f) << IsaName(isa) << ", " << i << " of " << length;
        ASSERT_EQ(max, 1.5f) << IsaName(isa) << ", " << i << " of " << length;
        values[i] = 3.0f;
        min = 0.5f;
        (*update_range)(values.data(), length, &min, &max);
        ASSERT_EQ(min, 0.5f) << IsaName(isa) << ", " << i << " of " << length;
        ASSERT_EQ(max, 3.0f) << IsaName(isa) << ", " << i << " of " << length;
        values[i] = 1.0f;
      }
    }
    RecordChecked(isa);
  }
}

TEST_F(Ranges, OfColumnsMatchTheReference) {
  Random random(2);
  ForEachCase([&](int64_t length, Guard guard) {
    const auto values = Filled<float>(length, guard, [&] { return AnyFloat(random); });
    std::vector<float> start_min(static_cast<size_t>(length));
    std::vector<float> start_max(static_cast<size_t>(length));
    for (float& min : start_min) min = random.Integer(0, 1) ? kInfinity : random.Real(-9, 0);
    for (float& max : start_max) max = random.Integer(0, 1) ? -kInfinity : random.Real(0, 9);
    GuardedBuffer<float> min(length, Opposite(guard));
    GuardedBuffer<float> max(length, guard);
    for (const Isa isa : SupportedIsas()) {
      const auto update_ranges = GetUpdateColumnRanges(isa);
      ASSERT_TRUE(update_ranges.ok()) << update_ranges.status().message();
      std::copy(start_min.begin(), start_min.end(), min.begin());
      std::copy(start_max.begin(), start_max.end(), max.begin());
      (*update_ranges)(values.data(), length, min.data(), max.data());
      ASSERT_TRUE(min.CanariesIntact() && max.CanariesIntact()) << Describe(isa, length, guard);
      for (int64_t i = 0; i < length; ++i) {
        float expected_min = start_min[i];
        float expected_max = start_max[i];
        ref::UpdateRange(values.data() + i, 1, &expected_min, &expected_max);
        ASSERT_EQ(min[i], expected_min) << Describe(isa, length, guard) << ", column " << i;
        ASSERT_EQ(max[i], expected_max) << Describe(isa, length, guard) << ", column " << i;
      }
      RecordChecked(isa);
    }
  });
}

template <class T>
class Conversions : public EveryIsaTest {
 protected:
  static constexpr DataType kType = DataTypeOf<T>::kValue;

  // Fills `buffer` anew, so that what is not written shows.
  template <class Element>
  static void Reset(const GuardedBuffer<Element>& buffer) {
    std::memset(buffer.data(), 0xFF, static_cast<size_t>(buffer.size()) * sizeof(Element));
  }

  // The limits as well as what lies between.
  static int32_t AnyZeroPoint(Random& random) {
    switch (random.Integer(0, 3)) {
      case 0:
        return std::numeric_limits<T>::min();
      case 1:
        return std::numeric_limits<T>::max();
      default:
        return random.Any<T>();
    }
  }
};

using QuantizedTypes = ::testing::Types<uint8_t, int8_t>;
struct TypeNames {
  template <class T>
  static std::string GetName(int) {
    return DataTypeName(DataTypeOf<T>::kValue);
  }
};
TYPED_TEST_SUITE(Conversions, QuantizedTypes, TypeNames);

TYPED_TEST(Conversions, QuantizeMatchesTheReference) {
  using T = TypeParam;
  Random random(3);
  ForEachCase([&](int64_t length, Guard guard) {
    const auto input = Filled<float>(length, guard, [&] { return AnyFloat(random); });
    const int64_t padded = length + (length % 3 == 0 ? 0 : random.Integer<int64_t>(0, 140));
    const QuantizationParameters parameters{length % 2 == 0 ? 0x1p-4f : random.Real(0.01f, 1.0f),
                                            this->AnyZeroPoint(random)};
    std::vector<T> expected(static_cast<size_t>(padded), T{0});
    ref::Quantize(input.data(), length, parameters, expected.data());
    GuardedBuffer<T> output(padded, guard);
    for (const Isa isa : SupportedIsas()) {
      const auto quantize = GetQuantize(isa, this->kType);
      ASSERT_TRUE(quantize.ok()) << quantize.status().message();
      this->Reset(output);
      (*quantize)(input.data(), length, padded, &parameters, output.data());
      ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, guard);
      ASSERT_TRUE(SameBits(output.data(), expected.data(), padded))
          << Describe(isa, length, guard) << ", padded to " << padded;
      RecordChecked(isa);
    }
  });
}

TYPED_TEST(Conversions, QuantizeColumnsMatchesTheReference) {
  using T = TypeParam;
  Random random(4);
  ForEachCase([&](int64_t length, Guard guard) {
    const auto input = Filled<float>(length, guard, [&] { return AnyFloat(random); });
    const auto scales = Filled<float>(length, Opposite(guard), [&] {
      return random.Integer(0, 4) == 0 ? 0x1p-126f : random.Real(0.01f, 1.0f);
    });
    const auto zero_points =
        Filled<int32_t>(length, guard, [&] { return this->AnyZeroPoint(random); });
    std::vector<T> expected(static_cast<size_t>(length));
    for (int64_t i = 0; i < length; ++i) {
      ref::Quantize(input.data() + i, 1, {scales[i], zero_points[i]}, &expected[i]);
    }
    GuardedBuffer<T> output(length, Opposite(guard));
    for (const Isa isa : SupportedIsas()) {
      const auto quantize = GetQuantizeColumns(isa, this->kType);
      ASSERT_TRUE(quantize.ok()) << quantize.status().message();
      this->Reset(output);
      (*quantize)(input.data(), length, scales.data(), zero_points.data(), output.data());
      ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, guard);
      ASSERT_TRUE(SameBits(output.data(), expected.data(), length)) << Describe(isa, length, guard);
      RecordChecked(isa);
    }
  });
}

TYPED_TEST(Conversions, DequantizeMatchesTheReference) {
  using T = TypeParam;
  Random random(5);
  ForEachCase([&](int64_t length, Guard guard) {
    const auto input = Filled<T>(length, guard, [&] { return random.Any<T>(); });
    const QuantizationParameters parameters{random.Real(1e-6f, 10.0f), this->AnyZeroPoint(random)};
    std::vector<float> expected(static_cast<size_t>(length));
    ref::Dequantize(input.data(), length, parameters, expected.data());
    GuardedBuffer<float> output(length, guard);
    for (const Isa isa : SupportedIsas()) {
      const auto dequantize = GetDequantize(isa, this->kType);
      ASSERT_TRUE(dequantize.ok()) << dequantize.status().message();
      this->Reset(output);
      (*dequantize)(input.data(), length, &parameters, output.data());
      ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, guard);
      ASSERT_TRUE(SameBits(output.data(), expected.data(), length)) << Describe(isa, length, guard);
      RecordChecked(isa);
    }
  });
}

TYPED_TEST(Conversions, RequantizeMatchesTheReference) {
  using T = TypeParam;
  Random random(6);
  ForEachCase([&](int64_t length, Guard guard) {
    const auto input = Filled<int32_t>(length, guard, [&] {
      return random.Integer(0, 2) == 0 ? random.Any<int32_t>() : random.Integer(-2000, 2000);
    });
    const auto multipliers = Filled<float>(std::max<int64_t>(length, 1), guard, [&] {
      return random.Integer(0, 1) ? 0.125f : random.Real(1e-3f, 0.2f);
    });
    const int32_t least = std::numeric_limits<T>::min();
    const int32_t most = std::numeric_limits<T>::max();
    kernels::RequantizeLimits limits{this->AnyZeroPoint(random), least, most};
    if (length % 2 == 1) {
      limits.lo = random.Integer(least, most);
      limits.hi = random.Integer(limits.lo, most);
    }
    for (const bool per_column : {false, true}) {
      std::vector<T> expected(static_cast<size_t>(length));
      ref::Requantize(input.data(), length, multipliers.data(), per_column, limits.zero_point,
                      limits.lo, limits.hi, expected.data());
      GuardedBuffer<T> output(length, Opposite(guard));
      for (const Isa isa : SupportedIsas()) {
        const auto requantize = GetRequantize(isa, this->kType, per_column);
        ASSERT_TRUE(requantize.ok()) << requantize.status().message();
        this->Reset(output);
        (*requantize)(input.data(), length, multipliers.data(), &limits, output.data());
        ASSERT_TRUE(output.CanariesIntact()) << Describe(isa, length, guard);
        ASSERT_TRUE(SameBits(output.data(), expected.data(), length))
            << Describe(isa, length, guard) << (per_column ? ", per column" : "");
        RecordChecked(isa);
      }
    }
  });
}

}  // namespace
}  // namespace qforge::test
