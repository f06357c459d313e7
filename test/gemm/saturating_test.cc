// Accumulation::kSaturating16: the reference's definition worked out by hand, and kernels that
// saturate in the same places.
#include <gtest/gtest.h>

#include <array>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "gemm/linear_case.h"

namespace qforge::test {
namespace {

bool Saturates(Isa isa) { return !cpu::Traits(isa).vnni; }

// --- Worked out by hand --------------------------------------------------------------------------

// One row of activations of 255, one output.
struct Example {
  const char* name;
  int64_t inputs;
  std::vector<int> weights;  // the first ones; the others are 0
  int weight_257;            // but this one
  int32_t saturating;
  int32_t exact;
  friend std::ostream& operator<<(std::ostream& out, const Example& x) { return out << x.name; }
};

const Example kExamples[] = {
    // 255 * 254 = 64770 and -255 * 256 = -65280.
    {"pair", 2, {127, 127}, 0, 32767, 64770},
    {"negative_pair", 2, {-128, -128}, 0, -32768, -65280},
    {"opposite_pair", 2, {127, -128}, 0, -255, -255},
    // The sums of k % 4 < 2 and of the others do not meet in 16 bits.
    {"two_sums", 4, {127, 127, 127, 127}, 0, 65534, 129540},
    {"two_sums_of_opposite_signs", 4, {127, 127, -128, -128}, 0, -1, -510},
    // 255 * 128 = 32640, then 255 * 64 = 16320, for which there is no room.
    {"sum", 5, {64, 64, 0, 0, 64}, 0, 32767, 48960},
    // 32767, for 255 more there is no room, and then 255 less; and -32768 + 255.
    {"order", 10, {127, 127, -128, -128, 1, 0, 1, 0, -1}, 0, -1, -255},
    // k = 257 is with what comes before it, as long as k = 256 is not the first of 4.
    {"rest_belongs_to_the_256_before", 258, {127, 127}, 1, 32767, 65025},
    {"longest_rest_belongs_to_the_256_before", 259, {127, 127}, 1, 32767, 65025},
    {"full_group_does_not", 260, {127, 127}, 1, 33022, 65025},
};

class SaturatingExamples : public EveryIsaTest, public ::testing::WithParamInterface<Example> {};

TEST_P(SaturatingExamples, AsWorkedOut) {
  const Example& example = GetParam();
  LinearCase c;
  c.inputs = example.inputs;
  c.output = DataType::kS32;
  c.accumulation = Accumulation::kSaturating16;
  LinearData data(c);
  data.input_zero_point = 0;
  data.input.Set([](int64_t, int64_t) { return 255; });
  data.weights.Set([&](int64_t k, int64_t) {
    if (k < static_cast<int64_t>(example.weights.size())) {
      return example.weights[static_cast<size_t>(k)];
    }
    return k == 257 ? example.weight_257 : 0;
  });
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    const Status status = data.Run(context, isa, result);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(result.at<int32_t>(0, 0), Saturates(isa) ? example.saturating : example.exact)
        << IsaName(isa);
    RecordChecked(isa);
  }
}

INSTANTIATE_TEST_SUITE_P(Sums, SaturatingExamples, ::testing::ValuesIn(kExamples),
                         [](const auto& info) { return info.param.name; });

// --- Against the reference -----------------------------------------------------------------------

LinearCase SaturatingCase(int64_t rows, int64_t outputs, int64_t inputs, uint64_t seed) {
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.accumulation = Accumulation::kSaturating16;
  c.output = DataType::kS32;
  c.extreme_input = true;
  c.gap = static_cast<int64_t>(seed % 3);
  c.guard = seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
  c.seed = seed;
  return c;
}

class SaturatingSums : public EveryIsaTest, public ::testing::WithParamInterface<WeightKind> {};

TEST_P(SaturatingSums, EveryInputRemainder) {
  std::vector<int64_t> all;
  for (const auto& [first, last] :
       {std::array{0, 40}, {63, 67}, {252, 264}, {508, 518}, {1023, 1027}}) {
    for (int64_t inputs = first; inputs <= last; ++inputs) all.push_back(inputs);
  }
  for (const int64_t inputs : all) {
    for (const int64_t rows : {1, 7}) {
      LinearCase c = SaturatingCase(rows, 19, inputs, static_cast<uint64_t>(inputs + rows));
      c.weights = GetParam();
      LinearData data(c);
      // Whether these values saturate at all.
      if (rows == 7 && inputs >= 9) {
        ASSERT_FALSE(
            SameBits(ReferenceResult(data), ReferenceResult(data, Accumulation::kSaturating16)))
            << c;
      }
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, SaturatingSums,
                         ::testing::Values(WeightKind::kAny, WeightKind::kFill1,
                                           WeightKind::kLowest, WeightKind::kAlternatingByInput,
                                           WeightKind::kAlternatingByOutput),
                         [](const auto& info) { return WeightKindName(info.param); });

using SaturatingTiles = EveryIsaTest;

TEST_F(SaturatingTiles, EveryRowAndColumnTail) {
  constexpr std::array kOutputs = {DataType::kS32, DataType::kU8, DataType::kF32, DataType::kS8};
  for (int64_t i = 1; i <= 70; ++i) {
    LinearCase c = SaturatingCase(1 + i % 26, i, 33 + i % 5, static_cast<uint64_t>(i));
    c.output = kOutputs[static_cast<size_t>(i % 4)];
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
  }
}

// Zero-points are corrected for exactly, and signed activations are shifted first.
TEST_F(SaturatingTiles, InputsAndEpilogues) {
  constexpr std::array kInputs = {DataType::kU8, DataType::kS8, DataType::kF32};
  constexpr std::array kOutputs = {DataType::kU8, DataType::kS8, DataType::kF32};
  constexpr std::array kBiases = {DataType::kNone, DataType::kS32, DataType::kF32};
  constexpr std::array kResiduals = {DataType::kNone, DataType::kU8, DataType::kS8};
  for (size_t i = 0; i < 96; ++i) {
    LinearCase c = SaturatingCase(1 + static_cast<int64_t>(i % 13), 9 + i % 2,
                                  30 + static_cast<int64_t>(i % 7), i);
    c.input = kInputs[i % 3];
    c.scaling = i / 3 % 2 == 0 ? InputScaling::kPerTensor : InputScaling::kPerRow;
    if (i / 6 % 2 == 0) c.zero_points = Granularity::kPerChannel;
    c.transposed_input = i / 12 % 2 == 0;
    c.groups = i % 5 == 0 ? 3 : 1;
    c.layout = i % 7 < 3 ? WeightsLayout::kInputsByOutputs : WeightsLayout::kOutputsByInputs;
    if (i % 4 == 0) {
      c.accumulate = i % 8 == 0;
    } else {
      c.output = kOutputs[i % 4 - 1];
      c.bias = kBiases[i / 4 % 3];
      c.residual = kResiduals[i / 12 % 3];
      c.activation = i % 2 == 0 ? Activation::kRelu : Activation::kClamp;
    }
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c)) << "case " << i;
  }
}

// Beyond the second-level cache.
TEST_F(SaturatingTiles, LargeWeights) {
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(SaturatingCase(2, 1100, 2050, 3)));
}

TEST_F(SaturatingTiles, AreDescribed) {
  for (const Isa isa : SupportedIsas()) {
    LinearData data(SaturatingCase(1, 9, 40, 1));
    const PackedWeights weights = data.Pack(isa).value();
    const std::string text = weights.Describe();
    const bool in_16_bits = text.find("256 k summed in 16 bits with saturation") != text.npos;
    const bool in_32_bits = text.find("summed in 32 bits") != text.npos;
    EXPECT_EQ(in_16_bits, Saturates(isa) && isa != Isa::kScalar) << text;
    EXPECT_EQ(in_32_bits, !Saturates(isa)) << text;
    const Linear linear =
        Linear::Create(Context::Create().value(), weights, data.epilogue(), data.linear_options())
            .value();
    EXPECT_EQ(linear.Describe().find("saturating sums of 16 bits") != text.npos, in_16_bits)
        << linear.Describe();
    RecordChecked(weights.isa());
  }
}

}  // namespace
}  // namespace qforge::test
