// What follows a float product.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "float_gemm/float_case.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

class FloatEpilogues : public EveryIsaTest {};

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST_F(FloatEpilogues, EveryCombination) {
  uint64_t seed = 1;
  for (const Isa isa : SupportedIsas()) {
    for (const DataType output : kFloatTypes) {
      for (const DataType residual :
           {DataType::kNone, DataType::kF32, DataType::kF16, DataType::kBF16}) {
        for (const Activation activation :
             {Activation::kNone, Activation::kRelu, Activation::kClamp, Activation::kGeluErf,
              Activation::kGeluTanh, Activation::kSigmoid, Activation::kSilu}) {
          for (int bits = 0; bits < 8; ++bits) {
            FloatCase c;
            c.isa = isa;
            c.weights = kFloatTypes[++seed % 3];
            c.output = output;
            c.residual = residual;
            c.activation = activation;
            c.bias = (bits & 1) != 0;
            if ((bits & 2) != 0) c.alpha = -0.375f;
            if ((bits & 4) != 0) c.beta = 1.25f;
            c.rows = 1 + static_cast<int64_t>(seed % 15);
            c.outputs = 1 + static_cast<int64_t>(seed * 7 % 90);
            c.inputs = 13;
            c.gap = static_cast<int64_t>(seed % 2);
            c.guard = seed % 4 < 2 ? Guard::kBehind : Guard::kInFront;
            ASSERT_NO_FATAL_FAILURE(ExpectRight(c, seed));
          }
        }
      }
    }
  }
}

// Without beta, C is not read.
TEST_F(FloatEpilogues, OutputFullOfNaNIsOverwritten) {
  for (const Isa isa : SupportedIsas()) {
    for (const DataType output : kFloatTypes) {
      FloatCase c;
      c.isa = isa;
      c.output = output;
      const FloatData data(c, 7);
      data.output.Set([](int64_t, int64_t) { return kNaN; });
      const TestMatrix result = LibraryResult(data);
      for (int64_t i = 0; i < c.rows; ++i) {
        for (int64_t j = 0; j < c.outputs; ++j) {
          ASSERT_TRUE(std::isfinite(ref::FloatElement(result.input(), i, j))) << c.Text();
        }
      }
    }
  }
}

// A NaN or an infinity in one row of A, and in one column of B, shows there and nowhere else,
// whatever the activation.
TEST_F(FloatEpilogues, NaNAndInfinityPropagate) {
  for (const Isa isa : SupportedIsas()) {
    for (const DataType type : kFloatTypes) {
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        for (const float special : {kNaN, kInfinity}) {
          FloatCase c;
          c.isa = isa;
          c.weights = c.input = c.output = type;
          c.activation = activation;
          c.inputs = 9;
          const FloatData data(c, 8);
          data.input.Set([&](int64_t i, int64_t k) { return i == 3 && k == 8 ? special : 1.0f; });
          data.weights.Set([&](int64_t k, int64_t j) { return j == 20 && k == 2 ? kNaN : 0.5f; });
          const TestMatrix result = LibraryResult(data);
          for (int64_t i = 0; i < c.rows; ++i) {
            for (int64_t j = 0; j < c.outputs; ++j) {
              const float value = ref::FloatElement(result.input(), i, j);
              if (j == 20 || (i == 3 && std::isnan(special))) {
                ASSERT_TRUE(std::isnan(value)) << c.Text() << " " << i << " " << j << " " << value;
              } else {
                ASSERT_EQ(value, i == 3 ? kInfinity : 4.5f) << c.Text() << " " << i << " " << j;
              }
            }
          }
        }
      }
    }
  }
}

// The residual may be the output itself.
TEST_F(FloatEpilogues, ResidualInPlace) {
  for (const Isa isa : SupportedIsas()) {
    FloatCase c;
    c.isa = isa;
    c.residual = DataType::kF32;
    const FloatData data(c, 9);
    const TestMatrix apart = LibraryResult(data);
    const Result<Linear> linear = MakeLinear(data);
    ASSERT_TRUE(linear.ok()) << linear.status().message();
    const TestMatrix in_place = data.residual.Clone(Guard::kBehind);
    RunArguments arguments;
    arguments.residual = in_place.input();
    const Status status = linear->Run(data.input.input(), in_place.output(), arguments);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(SameBits(apart, in_place));
  }
}

// Where no sum needs rounding, every ISA gives the exact result, the dot product included.
TEST_F(FloatEpilogues, SmallIntegersAreExact) {
  for (const Isa isa : SupportedIsas()) {
    for (const DataType type : kFloatTypes) {
      for (const int64_t inputs : {1, 2, 15, 64, 301}) {
        FloatCase c;
        c.isa = isa;
        c.weights = c.input = type;
        c.inputs = inputs;
        const FloatData data(c, 10);
        Random random(11);
        data.input.Set([&](int64_t, int64_t) { return random.Integer(-100, 100); });
        data.weights.Set([&](int64_t, int64_t) { return random.Integer(-100, 100); });
        ASSERT_TRUE(SameBits(ReferenceResult(data), LibraryResult(data))) << c.Text();
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
