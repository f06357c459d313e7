// Inputs at their limits: integers stay exact, floats stay defined.
#include <gtest/gtest.h>

#include <cfloat>
#include <cstdlib>
#include <limits>
#include <ostream>
#include <string>

#include "gemm/linear_case.h"

namespace qforge::test {
namespace {

// --- Integers ------------------------------------------------------------------------------------

using Pattern = int (*)(int64_t row, int64_t k);
struct NamedPattern {
  const char* name;
  Pattern value;
  friend std::ostream& operator<<(std::ostream& out, const NamedPattern& x) {
    return out << x.name;
  }
};

// Of A, by row and k; u8 values, of which an s8 input takes 128 off.
constexpr NamedPattern kInputPatterns[] = {
    {"all 255", [](int64_t, int64_t) { return 255; }},
    {"all 0", [](int64_t, int64_t) { return 0; }},
    {"all 128", [](int64_t, int64_t) { return 128; }},
    {"255 and 0 in turn", [](int64_t i, int64_t k) { return (i + k) % 2 == 0 ? 255 : 0; }},
};

// Of B, by output and k.
constexpr NamedPattern kWeightPatterns[] = {
    {"all -128", [](int64_t, int64_t) { return -128; }},
    {"all 127", [](int64_t, int64_t) { return 127; }},
    {"signs alternate over k", [](int64_t, int64_t k) { return k % 2 == 0 ? 127 : -128; }},
    {"signs alternate over pairs of k", [](int64_t, int64_t k) { return k % 4 < 2 ? -128 : 127; }},
    {"signs alternate over outputs",
     [](int64_t j, int64_t k) { return (j + k) % 2 == 0 ? -128 : 127; }},
};

class IntegerExtremes : public EveryIsaTest, public ::testing::WithParamInterface<NamedPattern> {};

TEST_P(IntegerExtremes, AreExact) {
  const NamedPattern& input = GetParam();
  for (const NamedPattern& weight : kWeightPatterns) {
    for (const int64_t inputs : {1, 2, 3, 4, 5, 63, 64, 129, 1000}) {
      for (const DataType type : {DataType::kU8, DataType::kS8}) {
        for (const int zero_point_corner : {0, 1, 2, 3, 4}) {
          LinearCase c;
          c.rows = 7;
          c.outputs = 19;
          c.inputs = inputs;
          c.input = type;
          c.layout = WeightsLayout::kOutputsByInputs;
          c.output = DataType::kS32;
          if (zero_point_corner != 0) c.zero_points = Granularity::kPerTensor;
          LinearData data(c);
          const int offset = type == DataType::kS8 ? 128 : 0;
          data.input.Set([&](int64_t i, int64_t k) { return input.value(i, k) - offset; });
          data.weights.Set(weight.value);
          data.input_zero_point = (zero_point_corner % 2 == 0 ? 0 : 255) - offset;
          if (zero_point_corner != 0) data.zero_points[0] = zero_point_corner <= 2 ? -128 : 127;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data))
              << "input: " << input.name << ", weights: " << weight.name << ", zero-points "
              << data.input_zero_point << " and "
              << (zero_point_corner != 0 ? data.zero_points[0] : 0);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Inputs, IntegerExtremes, ::testing::ValuesIn(kInputPatterns),
                         [](const auto& info) {
                           std::string name = info.param.name;
                           for (char& letter : name) letter = letter == ' ' ? '_' : letter;
                           return name;
                         });

// The deepest products that fit in int32, and one step beyond them.
struct Depth {
  const char* name;
  int64_t inputs;
  int weight;
  int weight_zero_point;
  bool fits;
  friend std::ostream& operator<<(std::ostream& out, const Depth& x) { return out << x.name; }
};
constexpr Depth kDepths[] = {
    {"limit", 65793, -128, 0, true},
    {"beyond_limit", 65794, -128, 0, false},
    {"limit_with_weight_zero_points", 33025, -128, 127, true},
    {"beyond_limit_with_weight_zero_points", 33026, -128, 127, false},
    {"small_weights_reach_further", 150001, 3, 0, true},
};

class IntegerDepth : public EveryIsaTest, public ::testing::WithParamInterface<Depth> {
 protected:
  static LinearData Data() {
    const Depth depth = GetParam();
    LinearCase c;
    c.rows = 2;
    c.outputs = 17;
    c.inputs = depth.inputs;
    c.output = DataType::kS32;
    c.layout = WeightsLayout::kOutputsByInputs;
    if (depth.weight_zero_point != 0) c.zero_points = Granularity::kPerTensor;
    LinearData data(c);
    data.weights.Set([&](int64_t, int64_t) { return depth.weight; });
    data.input.Set([](int64_t, int64_t) { return 255; });
    data.input_zero_point = 0;
    if (depth.weight_zero_point != 0) data.zero_points[0] = depth.weight_zero_point;
    return data;
  }
};

TEST_P(IntegerDepth, IsExactOrRefused) {
  LinearData data = Data();
  if (GetParam().fits) {
    CheckOnEveryIsa(data);
    return;
  }
  for (const Isa isa : SupportedIsas()) {
    const Result<PackedWeights> packed = data.Pack(isa);
    ASSERT_FALSE(packed.ok());
    EXPECT_EQ(packed.status().code(), StatusCode::kOutOfRange) << packed.status().message();
    EXPECT_STREQ(packed.status().field(), "weights");
    RecordChecked(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(Depths, IntegerDepth, ::testing::ValuesIn(kDepths),
                         [](const auto& info) { return info.param.name; });

// 65,793 * 255 * 128 = 2^31 - 1 - 127: so much is left for the bias, of either sign.
using BiasDepth = EveryIsaTest;

TEST_F(BiasDepth, SharesTheLimit) {
  for (const int32_t bias : {127, -127, 128, -128}) {
    LinearCase c;
    c.rows = 2;
    c.outputs = 5;
    c.inputs = 65793;
    c.output = DataType::kS32;
    c.bias = DataType::kS32;
    LinearData data(c);
    // Products of the bias's sign, so that the sum goes to the very limit.
    data.input.Set([&](int64_t, int64_t) { return bias < 0 ? 255 : 0; });
    data.input_zero_point = bias < 0 ? 0 : 255;
    data.weights.Set([](int64_t, int64_t) { return -128; });
    for (int32_t& value : data.bias_s32) value = 0;
    data.bias_s32[3] = bias;
    if (std::abs(bias) == 127) {
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
      continue;
    }
    const Context context = Context::Create().value();
    for (const Isa isa : SupportedIsas()) {
      const Status status = data.Run(context, isa, data.MakeOutput(Guard::kBehind));
      EXPECT_EQ(status.code(), StatusCode::kOutOfRange) << status.message();
      EXPECT_STREQ(status.field(), "epilogue.bias");
    }
  }
}

// What counts is sum_k |B - zero_point| itself: here it is 0, although K * max|B - zero_point| is
// not.
TEST_F(BiasDepth, TakesTheExactSum) {
  LinearCase c;
  c.rows = 1;
  c.outputs = 4;
  c.inputs = 33000;
  c.output = DataType::kS32;
  c.bias = DataType::kS32;
  c.zero_points = Granularity::kPerTensor;
  LinearData data(c);
  data.zero_points[0] = 127;
  data.weights.Set([](int64_t, int64_t) { return 127; });
  for (int32_t& value : data.bias_s32) value = std::numeric_limits<int32_t>::max();
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
}

// --- Floats --------------------------------------------------------------------------------------

struct FloatExtreme {
  const char* name;
  float input_scale;
  float weight_scale;
  float output_scale;  // quantised outputs only
  friend std::ostream& operator<<(std::ostream& out, const FloatExtreme& x) {
    return out << x.name;
  }
};
constexpr FloatExtreme kFloatExtremes[] = {
    {"multiplier_overflows", 3e38f, 3e38f, 1.0f},
    {"channel_multiplier_overflows", 1.0f, 3e38f, 1e-10f},
    {"multiplier_underflows_to_zero", 1e-30f, 1e-30f, 1.0f},
    {"multiplier_is_denormal", 1e-22f, 1e-20f, 1.0f},
    {"smallest_scales", FLT_TRUE_MIN, FLT_TRUE_MIN, FLT_TRUE_MIN},
    {"largest_scales", FLT_MAX, FLT_MAX, FLT_MAX},
    {"overflow_meets_underflow", FLT_MAX, FLT_TRUE_MIN, FLT_MAX},
    {"beyond_int32", 1e6f, 1e6f, 1.0f},
};

class FloatExtremes : public EveryIsaTest, public ::testing::WithParamInterface<FloatExtreme> {};

TEST_P(FloatExtremes, StayDefined) {
  const FloatExtreme& extreme = GetParam();
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kF32}) {
    for (const DataType bias : {DataType::kNone, DataType::kF32}) {
      for (const DataType residual : {DataType::kNone, DataType::kS8}) {
        for (const Activation activation :
             {Activation::kNone, Activation::kRelu, Activation::kClamp}) {
          LinearCase c;
          c.rows = 5;
          c.outputs = 21;
          c.inputs = 1;
          c.scales = Granularity::kPerTensor;
          c.output = output;
          c.bias = bias;
          c.residual = residual;
          c.activation = activation;
          LinearData data(c);
          // Accumulators of 0 (which infinity makes a NaN of), of both signs, small and large.
          data.input_zero_point = 0;
          data.input.Set([](int64_t i, int64_t) { return i * i * i; });
          data.weights.Set([](int64_t, int64_t j) { return (j - 10) * (j % 3 == 0 ? 12 : 1); });
          data.scales[0] = extreme.weight_scale;
          data.input_scale = extreme.input_scale;
          if (output != DataType::kF32) data.output.scale = extreme.output_scale;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Scales, FloatExtremes, ::testing::ValuesIn(kFloatExtremes),
                         [](const auto& info) { return info.param.name; });

using FloatValues = EveryIsaTest;

// The largest accumulators there are, scaled to both sides of 2^31, where conversions wrap around.
TEST_F(FloatValues, SaturateBeyondInt32) {
  for (const DataType output : {DataType::kU8, DataType::kS8}) {
    for (const float scale : {0.25f, 0.4999f, 0.5f, 0.9999f, 1.0f, 1.0001f, 2.0f, 1e10f}) {
      for (const DataType residual : {DataType::kNone, DataType::kU8}) {
        LinearCase c;
        c.rows = 2;
        c.outputs = 19;
        c.inputs = 65793;
        c.scales = std::nullopt;
        c.output = output;
        c.bias = DataType::kF32;
        c.residual = residual;
        LinearData data(c);
        data.input.Set([](int64_t, int64_t) { return 255; });
        data.weights.Set([](int64_t, int64_t j) { return j % 2 == 0 ? 127 : -128; });
        data.input_zero_point = 0;
        data.input_scale = scale;
        data.output.scale = 1.0f;
        data.residual_options.scale = 1e6f;
        for (float& bias : data.bias_f32) bias = 1e7f;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data)) << "scale " << scale;
      }
    }
  }
}

// Multipliers of 1/2: every odd accumulator is a tie.
TEST_F(FloatValues, TiesGoToEven) {
  for (const DataType output : {DataType::kU8, DataType::kS8}) {
    for (const int32_t zero_point : {0, 1, 100, 127}) {
      LinearCase c;
      c.rows = 3;
      c.outputs = 256;
      c.inputs = 1;
      c.output = output;
      c.scales = std::nullopt;
      LinearData data(c);
      data.input.Set([](int64_t i, int64_t) { return i + 1; });
      data.weights.Set([](int64_t, int64_t j) { return j - 128; });
      data.input_scale = 0.5f;
      data.input_zero_point = 0;
      data.output.scale = 1.0f;
      data.output.zero_point = zero_point;
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
    }
  }
}

// Accumulators that binary32 cannot hold are rounded once, when they are converted.
TEST_F(FloatValues, LargeAccumulatorsAreRounded) {
  LinearCase c;
  c.rows = 4;
  c.outputs = 23;
  c.inputs = 40001;
  c.output = DataType::kF32;
  LinearData data(c);
  data.input.Set([](int64_t i, int64_t k) { return 255 - (i * 7 + k) % 3; });
  data.weights.Set(
      [](int64_t k, int64_t j) { return (j % 2 == 0 ? 127 : -128) + (k % 5 == j % 5); });
  data.input_zero_point = 0;
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
}

// A float bias may be any finite number; divided by the output's scale it may be infinite, and meet
// an infinite product of the other sign.
TEST_F(FloatValues, ExtremeBiases) {
  constexpr float kExtreme[] = {FLT_MAX, -FLT_MAX,     FLT_MIN, -FLT_TRUE_MIN,
                                -0.0f,   FLT_TRUE_MIN, 0.0f,    1.0f};
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kF32}) {
    for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kClamp}) {
      for (const float scale : {1.0f, 1e-3f, 1e36f}) {
        LinearCase c;
        c.rows = 3;
        c.outputs = 40;
        c.inputs = 2;
        c.output = output;
        c.bias = DataType::kF32;
        c.activation = activation;
        LinearData data(c);
        data.input.Set([](int64_t i, int64_t) { return i; });  // row 0: accumulators of 0
        data.input_zero_point = 0;
        data.input_scale = scale;
        if (output != DataType::kF32) data.output.scale = 1e-3f;
        for (int64_t j = 0; j < data.bias_f32.size(); ++j) {
          data.bias_f32[j] = kExtreme[static_cast<size_t>(j) % std::size(kExtreme)];
        }
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
      }
    }
  }
}

// A negative product that underflows is -0; ReLU makes +0 of it, a clamp whatever its bounds say.
TEST_F(FloatValues, NegativeZeros) {
  for (const Activation activation : {Activation::kNone, Activation::kRelu, Activation::kClamp}) {
    for (const float bound : {0.0f, -0.0f}) {
      LinearCase c;
      c.rows = 2;
      c.outputs = 20;
      c.inputs = 1;
      c.output = DataType::kF32;
      c.activation = activation;
      LinearData data(c);
      data.input.Set([](int64_t, int64_t) { return 1; });
      data.input_zero_point = 0;
      data.input_scale = 1e-30f;
      for (float& scale : data.scales) scale = 1e-30f;
      data.clamp_min = bound;
      data.clamp_max = bound;
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
    }
  }
}

TEST_F(FloatValues, ClampBounds) {
  struct Bounds {
    float min, max;
  };
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  constexpr Bounds kBounds[] = {
      {-kInfinity, kInfinity}, {-kInfinity, 0.0f},       {0.0f, kInfinity},
      {kInfinity, kInfinity},  {-kInfinity, -kInfinity}, {1.5f, 1.5f},
      {-FLT_MAX, FLT_MAX},     {-3.0f, -1.0f},           {1.0f, 3.0f},
      {-1e-40f, 1e-40f}};
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kF32}) {
    for (const float scale : {1.0f, 1e-3f, 1e3f}) {
      for (const Bounds& bounds : kBounds) {
        LinearCase c;
        c.rows = 3;
        c.outputs = 35;
        c.inputs = 2;
        c.output = output;
        c.activation = Activation::kClamp;
        LinearData data(c);
        data.clamp_min = bounds.min;
        data.clamp_max = bounds.max;
        if (output != DataType::kF32) data.output.scale = scale;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data)) << bounds.min << " to " << bounds.max;
      }
    }
  }
}

// Output and residual zero-points at both ends of their types, with ReLU on top.
TEST_F(FloatValues, ZeroPointsAtTheirLimits) {
  for (const DataType type : {DataType::kU8, DataType::kS8}) {
    const int32_t lo = type == DataType::kU8 ? 0 : -128;
    for (const int32_t zero_point : {lo, lo + 1, lo + 254, lo + 255}) {
      for (const Activation activation : {Activation::kNone, Activation::kRelu}) {
        LinearCase c;
        c.rows = 9;
        c.outputs = 50;
        c.inputs = 12;
        c.input = type;
        c.output = type;
        c.residual = type;
        c.activation = activation;
        LinearData data(c);
        data.output.zero_point = zero_point;
        data.residual_options.zero_point = zero_point;
        data.input_zero_point = zero_point;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
