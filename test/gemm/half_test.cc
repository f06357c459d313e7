// int8 products with f16 and bf16 around them: activations that are quantised on the way in,
// residuals of floats, and outputs rounded to 16 bits.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "gemm/linear_case.h"
#include "pack/packed_matrix.h"
#include "qforge/conversion.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

constexpr DataType kHalves[] = {DataType::kF16, DataType::kBF16};
constexpr DataType kResiduals[] = {DataType::kNone, DataType::kU8,  DataType::kS8,
                                   DataType::kF32,  DataType::kF16, DataType::kBF16};
constexpr DataType kBiases[] = {DataType::kNone, DataType::kS32, DataType::kF32};
constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kClamp};
constexpr InputScaling kScalings[] = {InputScaling::kPerTensor, InputScaling::kPerRow,
                                      InputScaling::kDynamicPerTensor,
                                      InputScaling::kDynamicPerRow};
constexpr bool kNoYes[] = {false, true};

// Values where a conversion or a sum may go wrong.
std::vector<float> SpecialValues() {
  using Limits = std::numeric_limits<float>;
  return {Limits::quiet_NaN(),
          Limits::infinity(),
          -Limits::infinity(),
          Limits::max(),
          Limits::lowest(),
          65504.0f,
          0x1p-24f,  // the smallest f16
          Limits::denorm_min(),
          0x1p-133f,  // the smallest bf16
          -0.0f,
          1.0f};
}

// --- Outputs and residuals -----------------------------------------------------------------------

struct Around {
  DataType output;
  DataType residual;
  friend std::ostream& operator<<(std::ostream& out, const Around& x) {
    return out << DataTypeName(x.output) << "_residual_" << DataTypeName(x.residual);
  }
};

class HalfEpilogues : public EveryIsaTest, public ::testing::WithParamInterface<Around> {};

TEST_P(HalfEpilogues, AllCombinations) {
  constexpr int64_t kShapes[][3] = {{3, 19, 9},  {1, 5, 6},  {7, 8, 3}, {2, 33, 8},
                                    {13, 16, 5}, {5, 2, 11}, {4, 64, 4}};
  uint64_t index = 0;
  for (const DataType bias : kBiases) {
    for (const Activation activation : kActivations) {
      for (const InputScaling scaling : {InputScaling::kPerTensor, InputScaling::kPerRow}) {
        for (const bool zero_points : kNoYes) {
          const auto& shape = kShapes[index % std::size(kShapes)];
          LinearCase c;
          c.rows = shape[0];
          c.outputs = shape[1];
          c.inputs = shape[2];
          c.groups = index % 3 == 0 ? 3 : 1;
          c.bias = bias;
          c.activation = activation;
          c.scaling = scaling;
          if (zero_points) c.zero_points = Granularity::kPerChannel;
          c.output = GetParam().output;
          c.residual = GetParam().residual;
          c.gap = static_cast<int64_t>(index / 7 % 3);
          c.guard = index % 4 < 2 ? Guard::kBehind : Guard::kInFront;
          c.seed = ++index;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
        }
      }
    }
  }
}

// Outputs from 0 through subnormals to infinity.
TEST_P(HalfEpilogues, EveryMagnitude) {
  for (int exponent = -126; exponent <= 127; exponent += 3) {
    LinearCase c;
    c.rows = 2;
    c.outputs = 19;
    c.inputs = 9;
    c.output = GetParam().output;
    LinearData data(c);
    data.input_scale = std::ldexp(1.5f, exponent);
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
  }
}

// Every number of columns in the last vector of any ISA, and panels of every number of vectors.
class HalfTails : public HalfEpilogues {};

TEST_P(HalfTails, OfEveryNumberOfColumns) {
  for (int64_t outputs = 1; outputs <= 80; outputs += outputs < 17 ? 1 : 7) {
    LinearCase c;
    c.rows = 1 + outputs % 27;
    c.outputs = outputs;
    c.inputs = 5 + outputs % 80;
    c.output = GetParam().output;
    c.residual = GetParam().residual;
    c.residual_in_output = c.residual == c.output && outputs % 2 == 0;
    c.gap = outputs % 3;
    c.guard = outputs % 4 < 2 ? Guard::kBehind : Guard::kInFront;
    c.seed = static_cast<uint64_t>(outputs);
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
  }
}

class FloatResiduals : public HalfEpilogues {};

TEST_P(FloatResiduals, OfSpecialValues) {
  for (const Activation activation : kActivations) {
    for (const bool per_row : kNoYes) {
      for (const float special : SpecialValues()) {
        LinearCase c;
        c.rows = 5;
        c.outputs = 37;
        c.inputs = 12;
        c.activation = activation;
        if (per_row) c.scaling = InputScaling::kPerRow;
        c.output = GetParam().output;
        c.residual = GetParam().residual;
        LinearData data(c);
        data.residual.Set([&](int64_t i, int64_t j) {
          return (i + j) % 3 == 0 ? special : static_cast<float>(i * 5 - j);
        });
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data)) << "some are " << special;
      }
    }
  }
}

// What epilogue_test.cc has not: 16-bit outputs with any residual, any output with one of floats.
std::vector<Around> AllAround(bool float_residual) {
  std::vector<Around> all;
  for (const DataType output :
       {DataType::kU8, DataType::kS8, DataType::kF32, DataType::kF16, DataType::kBF16}) {
    for (const DataType residual : kResiduals) {
      const bool is_float = DataTypeSize(residual) > 1;
      if (is_float || (!float_residual && DataTypeSize(output) == 2)) {
        all.push_back({output, residual});
      }
    }
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Types, HalfEpilogues, ::testing::ValuesIn(AllAround(false)),
                         ::testing::PrintToStringParamName());
// Each load and each store once.
constexpr Around kLoadsAndStores[] = {
    {DataType::kF16, DataType::kNone}, {DataType::kBF16, DataType::kBF16},
    {DataType::kF16, DataType::kF16},  {DataType::kBF16, DataType::kU8},
    {DataType::kU8, DataType::kF32},   {DataType::kF32, DataType::kBF16}};
INSTANTIATE_TEST_SUITE_P(Types, HalfTails, ::testing::ValuesIn(kLoadsAndStores),
                         ::testing::PrintToStringParamName());
INSTANTIATE_TEST_SUITE_P(Types, FloatResiduals, ::testing::ValuesIn(AllAround(true)),
                         ::testing::PrintToStringParamName());

// The values that kernels of whole tiles of rows meet in large products, on threads, and weights
// that are summed in 16 bits, saturating ones, and such with outliers.
class HalfOutputs : public EveryIsaTest, public ::testing::WithParamInterface<DataType> {};

LinearCase LargeCase(DataType type) {
  LinearCase c;
  c.rows = 29;
  c.outputs = 203;
  c.inputs = 301;
  c.weights = WeightKind::kNormal;
  c.bias = DataType::kF32;
  c.output = c.residual = type;
  return c;
}

TEST_P(HalfOutputs, OfSumsOfSixteenBits) {
  LinearData data(LargeCase(GetParam()));
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data, [](const PackedWeights& weights) {
    const kernels::Summation summation = weights.matrix().layout.summation;
    const bool choice = weights.isa() != Isa::kScalar && !cpu::Traits(weights.isa()).vnni;
    EXPECT_EQ(summation == kernels::Summation::kNarrow, choice) << weights.Describe();
  }));
  LinearCase saturating = LargeCase(GetParam());
  saturating.weights = WeightKind::kAny;
  saturating.accumulation = Accumulation::kSaturating16;
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(saturating));
}

TEST_P(HalfOutputs, WithOutliers) {
  LinearData data(LargeCase(GetParam()));
  for (int64_t channel = 0; channel < data.c.outputs; channel += 3) {
    data.AddOutlier(channel, channel % data.c.inputs, {127, 127, 50});
  }
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
}

TEST_P(HalfOutputs, OnThreads) {
  for (const DataType input : {DataType::kU8, DataType::kF16, DataType::kBF16}) {
    for (const InputScaling scaling : kScalings) {
      for (const bool transposed : kNoYes) {
        LinearCase c = LargeCase(GetParam());
        if (input == DataType::kU8 && scaling >= InputScaling::kDynamicPerTensor) continue;
        c.rows = 150;
        c.input = input;
        c.scaling = scaling;
        c.transposed_input = transposed;
        c.gap = transposed ? 3 : 0;
        LinearData data(c);
        const TestMatrix expected = ReferenceResult(data);
        data.Seal();
        for (const Isa isa : SupportedIsas()) {
          BackwardPool pool(3);
          ContextOptions options;
          options.pool = &pool;
          const TestMatrix result = data.MakeOutput(Guard::kBehind);
          const Status status = data.Run(Context::Create(options).value(), isa, result);
          ASSERT_TRUE(status.ok()) << status.message();
          ASSERT_TRUE(SameBits(expected, result)) << IsaName(isa) << ": " << c;
          RecordChecked(isa);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Types, HalfOutputs, ::testing::ValuesIn(kHalves),
                         [](const auto& info) { return DataTypeName(info.param); });

// --- Inputs --------------------------------------------------------------------------------------

struct Entrance {
  DataType input;
  InputScaling scaling;
  friend std::ostream& operator<<(std::ostream& out, const Entrance& x) {
    constexpr const char* kNames[] = {"per_tensor", "per_row", "dynamic_per_tensor",
                                      "dynamic_per_row"};
    return out << DataTypeName(x.input) << "_" << kNames[static_cast<int>(x.scaling)];
  }
};

class HalfInputs : public EveryIsaTest, public ::testing::WithParamInterface<Entrance> {
 protected:
  static LinearCase MakeCase(int64_t rows, int64_t outputs, int64_t inputs) {
    LinearCase c;
    c.rows = rows;
    c.outputs = outputs;
    c.inputs = inputs;
    c.input = GetParam().input;
    c.scaling = GetParam().scaling;
    return c;
  }
};

TEST_P(HalfInputs, AllCombinations) {
  constexpr DataType kOutputs[] = {DataType::kU8,  DataType::kS8,  DataType::kS32,
                                   DataType::kF32, DataType::kF16, DataType::kBF16};
  uint64_t index = 0;
  for (const DataType output : kOutputs) {
    for (const bool transposed : kNoYes) {
      for (const bool zero_points : kNoYes) {
        for (const int64_t groups : {1, 3}) {
          for (const DataType bias : {DataType::kNone, DataType::kS32}) {
            LinearCase c = MakeCase(1 + index * 5 % 17, 1 + index * 3 % 40, 1 + index % 23);
            c.transposed_input = transposed;
            c.groups = groups;
            if (zero_points) c.zero_points = Granularity::kPerChannel;
            c.bias = bias;
            c.output = output;
            c.gap = static_cast<int64_t>(index % 3);
            c.guard = index % 2 == 0 ? Guard::kBehind : Guard::kInFront;
            c.seed = ++index;
            ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
          }
        }
      }
    }
  }
}

TEST_P(HalfInputs, EveryRemainder) {
  for (int64_t inputs = 1; inputs <= 70; ++inputs) {
    for (const bool transposed : kNoYes) {
      LinearCase c = MakeCase(1 + inputs * 5 % 17, 1 + inputs * 3 % 20, inputs);
      c.transposed_input = transposed;
      c.output = DataType::kF32;
      c.gap = inputs % 4;
      c.guard = inputs % 2 == 0 ? Guard::kBehind : Guard::kInFront;
      c.seed = static_cast<uint64_t>(inputs);
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

// Around the sizes of the blocks in which rows are converted and transposed.
TEST_P(HalfInputs, LongRowsAndMany) {
  for (const int64_t inputs : {63, 65, 128, 511, 513, 4099}) {
    for (const int64_t rows : {1, 2, 63, 65, 130}) {
      if (inputs > 128 && rows > 2) continue;
      for (const bool transposed : kNoYes) {
        LinearCase c = MakeCase(rows, 9, inputs);
        c.transposed_input = transposed;
        c.gap = rows % 2;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
  }
}

TEST_P(HalfInputs, SpecialValues) {
  for (const bool transposed : kNoYes) {
    LinearCase c = MakeCase(9, 18, 40);
    c.transposed_input = transposed;
    for (const float special : SpecialValues()) {
      LinearData sprinkled(c);  // one row keeps ordinary values
      for (int64_t i = 1; i < c.rows; ++i) {
        for (int64_t k = i % 5; k < c.inputs; k += 5) {
          if (c.input == DataType::kF16) {
            sprinkled.activation<Half>(i, k) = ToHalf(special);
          } else {
            sprinkled.activation<BFloat16>(i, k) = ToBFloat16(special);
          }
        }
      }
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(sprinkled)) << "some inputs are " << special;
      LinearData filled(c);
      filled.input.Set([&](int64_t, int64_t) { return special; });
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(filled)) << "all inputs are " << special;
    }
  }
}

// The same bits as for the f32 that Convert() makes of them.
TEST_P(HalfInputs, AreAsIfConvertedFirst) {
  LinearCase c = MakeCase(21, 35, 77);
  c.output = DataType::kF32;
  const LinearData halves(c);
  LinearCase in_f32 = c;
  in_f32.input = DataType::kF32;
  const LinearData floats(in_f32);  // of the same seed
  const int64_t count = c.rows * c.inputs;
  const ArrayView<float> to(floats.input.data<float>(), count);
  const Status converted =
      c.input == DataType::kF16
          ? Convert(ArrayView<const Half>(halves.input.data<Half>(), count), to)
          : Convert(ArrayView<const BFloat16>(halves.input.data<BFloat16>(), count), to);
  ASSERT_TRUE(converted.ok()) << converted.message();
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const TestMatrix expected = floats.MakeOutput(Guard::kBehind);
    const TestMatrix result = halves.MakeOutput(Guard::kBehind);
    ASSERT_TRUE(floats.Run(context, isa, expected).ok());
    ASSERT_TRUE(halves.Run(context, isa, result).ok());
    ASSERT_TRUE(SameBits(expected, result)) << IsaName(isa) << ": " << c;
    RecordChecked(isa);
  }
}

std::vector<Entrance> Entrances() {
  std::vector<Entrance> all;
  for (const DataType input : kHalves) {
    for (const InputScaling scaling : kScalings) all.push_back({input, scaling});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Types, HalfInputs, ::testing::ValuesIn(Entrances()),
                         ::testing::PrintToStringParamName());

}  // namespace
}  // namespace qforge::test
