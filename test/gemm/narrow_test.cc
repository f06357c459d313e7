// Sums of 16 bits without VNNI: exact whatever weights and activations are, on every way that
// packing can choose, and each way really taken.
#include <gtest/gtest.h>

#include <array>
#include <cstdio>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "gemm/linear_case.h"
#include "pack/packed_matrix.h"
#include "plan/summation.h"

namespace qforge::test {
namespace {

using kernels::Summation;

// Whether packing has a choice.
bool HasChoice(Isa isa) { return isa != Isa::kScalar && !cpu::Traits(isa).vnni; }

std::vector<Isa> IsasWithChoice() {
  std::vector<Isa> isas;
  for (const Isa isa : SupportedIsas()) {
    if (HasChoice(isa)) isas.push_back(isa);
  }
  return isas;
}

// How packing sums a matrix's products; what is not given may be anything.
struct Way {
  bool narrow = true;
  std::optional<int> depth;
  std::optional<bool> split;  // whether groups of k were split to fit into steps
  std::optional<bool> wide;   // whether panels have groups that are summed in 32 bits

  friend std::ostream& operator<<(std::ostream& out, const Way& way) {
    if (!way.narrow) return out << "not in 16 bits";
    out << "in 16 bits";
    if (way.depth) out << ", depth " << *way.depth;
    if (way.split) out << (*way.split ? ", split" : ", not split");
    if (way.wide) out << (*way.wide ? ", with wide groups" : ", without wide groups");
    return out;
  }
};

// Expects that packing has chosen this way where it had a choice, and not where it had none.
SeeWeights Expects(const Way& way) {
  return [way](const PackedWeights& weights) {
    const pack::PackedMatrix& matrix = weights.matrix();
    const bool narrow = matrix.layout.summation == Summation::kNarrow;
    if (!HasChoice(weights.isa())) {
      EXPECT_FALSE(narrow) << IsaName(weights.isa());
      return;
    }
    SCOPED_TRACE(weights.Describe());
    EXPECT_EQ(narrow, way.narrow) << way;
    if (!narrow) return;
    EXPECT_EQ(matrix.layout.depth, way.depth.value_or(matrix.layout.depth)) << way;
    EXPECT_EQ(matrix.shares.split > 0, way.split.value_or(matrix.shares.split > 0)) << way;
    EXPECT_EQ(matrix.shares.wide_groups > 0, way.wide.value_or(matrix.shares.wide_groups > 0))
        << way;
  };
}

// What does not change the way, from case to case another.
LinearCase VariedCase(int64_t rows, int64_t outputs, int64_t inputs, uint64_t seed) {
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.output = DataType::kS32;
  c.extreme_input = true;
  c.layout = seed % 3 == 0 ? WeightsLayout::kInputsByOutputs : WeightsLayout::kOutputsByInputs;
  c.gap = static_cast<int64_t>(seed / 2 % 3) * 5;
  c.guard = seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
  c.seed = seed;
  return c;
}

// --- Each kind of weights ------------------------------------------------------------------------

struct NamedWay {
  WeightKind weights;
  int32_t activation_maximum;
  Way way;

  std::string name() const {
    return std::string(WeightKindName(weights)) + "_to_" + std::to_string(activation_maximum);
  }
  friend std::ostream& operator<<(std::ostream& out, const NamedWay& x) { return out << x.name(); }
};

constexpr Way kWidened{false, {}, {}, {}};
constexpr Way Depth(int depth) { return {true, depth, false, false}; }
constexpr Way kSplit{true, {}, true, false};

const NamedWay kNamedWays[] = {
    {WeightKind::kAny, 255, kWidened},
    {WeightKind::kZero, 255, Depth(8)},
    {WeightKind::kTiny, 255, Depth(8)},
    {WeightKind::kNormal, 255, {true, 2, true, false}},
    {WeightKind::kHalf, 127, {true, 4, true, false}},
    {WeightKind::kFill1, 255, Depth(1)},
    {WeightKind::kFill2, 255, Depth(2)},
    {WeightKind::kFill4, 255, Depth(4)},
    {WeightKind::kFill8, 255, Depth(8)},
    {WeightKind::kHighest, 255, kWidened},
    {WeightKind::kLowest, 255, kWidened},
    {WeightKind::kAlternatingByInput, 255, Depth(1)},
    {WeightKind::kAlternatingByOutput, 255, kWidened},
    {WeightKind::kUnsafePairInFront, 255, kSplit},
    {WeightKind::kUnsafePairBehind, 255, kSplit},
    {WeightKind::kUnsafePanels, 255, {true, 8, false, true}},
    // What a promise makes safe.
    {WeightKind::kAny, 127, {true, {}, {}, false}},
    {WeightKind::kNormal, 127, {true, 4, {}, false}},
    {WeightKind::kHighest, 127, Depth(1)},
    {WeightKind::kLowest, 127, Depth(1)},
    {WeightKind::kUnsafePanels, 127, {true, 1, false, false}},
    {WeightKind::kFill1, 127, Depth(2)},
    {WeightKind::kAny, 31, {true, 8, {}, false}},
    {WeightKind::kAny, 1, Depth(8)},
    {WeightKind::kLowest, 15, Depth(8)},
};

class NarrowWeights : public EveryIsaTest, public ::testing::WithParamInterface<NamedWay> {};

TEST_P(NarrowWeights, AreSummedAsExpected) {
  for (const int64_t inputs : {255, 256, 257, 258, 512, 515}) {
    LinearCase c = VariedCase(2 * kExtremeRows + 1, 150, inputs, static_cast<uint64_t>(inputs));
    c.weights = GetParam().weights;
    c.activation_maximum = GetParam().activation_maximum;
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c, Expects(GetParam().way)));
  }
}

INSTANTIATE_TEST_SUITE_P(Kinds, NarrowWeights, ::testing::ValuesIn(kNamedWays),
                         [](const auto& info) { return info.param.name(); });

// --- Every remainder -----------------------------------------------------------------------------

class NarrowInputs : public EveryIsaTest, public ::testing::WithParamInterface<NamedWay> {};

// A single row with an unmapped page at either end: groups of k are read in any order, but within
// the row.
TEST_P(NarrowInputs, EveryRemainder) {
  std::vector<int64_t> all;
  for (int64_t inputs = 1; inputs <= 40; ++inputs) all.push_back(inputs);
  for (const auto& [first, last] : {std::array{63, 67}, {255, 260}, {511, 516}, {1023, 1027}}) {
    for (int64_t inputs = first; inputs <= last; ++inputs) all.push_back(inputs);
  }
  uint64_t seed = 1;
  for (const int64_t inputs : all) {
    for (const int64_t rows : {1, 1, 5}) {
      const int64_t outputs = GetParam().weights == WeightKind::kUnsafePanels ? 70 : 19;
      LinearCase c = VariedCase(rows, outputs, inputs, ++seed);
      c.weights = GetParam().weights;
      c.activation_maximum = GetParam().activation_maximum;
      Way way;
      way.narrow = inputs >= plan::kFewestNarrowInputs;
      // With few k, what a split costs may decide.
      const bool unclear = way.narrow && inputs < 63 && GetParam().way.split.value_or(false);
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c, unclear ? SeeWeights() : Expects(way)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    Kinds, NarrowInputs,
    ::testing::Values(NamedWay{WeightKind::kTiny, 255, Depth(8)},
                      NamedWay{WeightKind::kNormal, 255, kSplit},
                      NamedWay{WeightKind::kHalf, 127, kSplit},
                      NamedWay{WeightKind::kUnsafePairBehind, 255, kSplit},
                      NamedWay{WeightKind::kAlternatingByInput, 255, Depth(1)},
                      NamedWay{WeightKind::kUnsafePanels, 255, {true, {}, {}, true}}),
    [](const auto& info) { return info.param.name(); });

// By depth of the steps.
class NarrowTiles : public EveryIsaTest, public ::testing::WithParamInterface<int> {
 protected:
  // Weights that differ where they can, and need steps of the depth that is tested.
  static LinearCase Case(int64_t rows, int64_t outputs, uint64_t seed) {
    LinearCase c = VariedCase(rows, outputs, 64 + static_cast<int64_t>(seed % 4), seed);
    switch (GetParam()) {
      case 1:
        c.weights = WeightKind::kAlternatingByInput;
        break;
      case 2:
        // Fewer columns leave room for more.
        c.weights = outputs < 8 ? WeightKind::kFill2 : WeightKind::kNormal;
        break;
      case 4:
        c.weights = WeightKind::kFill4;
        break;
      default:
        c.weights = WeightKind::kTiny;
        c.inputs += 256;
        break;
    }
    constexpr std::array kOutputs = {DataType::kS32, DataType::kU8, DataType::kF32, DataType::kS8};
    c.output = kOutputs[seed % kOutputs.size()];
    return c;
  }
  static SeeWeights ExpectsDepth() { return Expects({true, GetParam(), {}, false}); }
};

TEST_P(NarrowTiles, EveryColumnTail) {
  for (int64_t outputs = 1; outputs <= 70; ++outputs) {
    const LinearCase c = Case(1 + outputs * 5 % 13, outputs, static_cast<uint64_t>(outputs));
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c, ExpectsDepth()));
  }
}

TEST_P(NarrowTiles, EveryRowTail) {
  for (int64_t rows = 1; rows <= 30; ++rows) {
    const LinearCase c = Case(rows, 43, static_cast<uint64_t>(rows));
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c, ExpectsDepth()));
  }
}

INSTANTIATE_TEST_SUITE_P(Depths, NarrowTiles, ::testing::ValuesIn(plan::kNarrowDepths));

// Beyond the second-level cache, where weights are prefetched, and with a single row.
using NarrowMatrices = EveryIsaTest;

TEST_F(NarrowMatrices, BeyondTheCache) {
  for (const int64_t rows : {1, 3}) {
    LinearCase c = VariedCase(rows, 1200, 2051, 7);
    c.weights = WeightKind::kTiny;
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c, Expects(Depth(8))));
  }
}

// The deepest products that fit in int32: sums of 16 bits at their limit all along.
TEST_F(NarrowMatrices, OfTheDeepestProducts) {
  LinearCase c = VariedCase(kExtremeRows, 9, 65793 * 2, 5);
  c.weights = WeightKind::kFill1;
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c, Expects(Depth(1))));
}

// --- Epilogues, inputs and weights' parameters ---------------------------------------------------

template <class T, size_t kSize>
T Pick(const std::array<T, kSize>& values, uint64_t* digits) {
  const T value = values[*digits % kSize];
  *digits /= kSize;
  return value;
}

// What an epilogue's kernels do not depend on takes turns.
void PickOperands(uint64_t index, LinearCase* c) {
  struct Shape {
    WeightKind weights;
    int64_t inputs;
    int64_t outputs;
  };
  constexpr std::array kShapes = {Shape{WeightKind::kTiny, 64, 7},                 // depth 8
                                  Shape{WeightKind::kNormal, 66, 5},               // 2
                                  Shape{WeightKind::kTiny, 67, 6},                 // 4
                                  Shape{WeightKind::kAlternatingByInput, 65, 7}};  // 1
  const Shape& shape = kShapes[index % kShapes.size()];
  c->weights = shape.weights;
  c->inputs = shape.inputs;
  c->outputs = shape.outputs;
  c->rows = 1 + static_cast<int64_t>(index % 13);
  c->groups = index % 5 == 0 ? 3 : 1;
  c->input = index % 3 == 0 ? DataType::kS8 : DataType::kU8;
  c->transposed_input = index % 7 == 0;
  c->layout = index % 2 == 0 ? WeightsLayout::kInputsByOutputs : WeightsLayout::kOutputsByInputs;
  c->gap = static_cast<int64_t>(index % 3);
  c->extreme_input = true;
  c->seed = index;
}

// Where there is no choice, epilogue_test.cc has all combinations.
void CheckNarrow(const LinearCase& c) {
  LinearData data(c);
  CheckOnIsas(IsasWithChoice(), data, Expects({true, {}, {}, false}));
}

TEST(NarrowEpilogues, ScaledOutputs) {
  constexpr std::array kOutputs = {DataType::kU8, DataType::kS8, DataType::kF32};
  constexpr std::array kBiases = {DataType::kNone, DataType::kS32, DataType::kF32};
  constexpr std::array kResiduals = {DataType::kNone, DataType::kU8, DataType::kS8};
  constexpr std::array kActivations = {Activation::kNone, Activation::kRelu, Activation::kClamp};
  constexpr std::array kScalings = {InputScaling::kPerTensor, InputScaling::kPerRow};
  constexpr std::array<std::optional<Granularity>, 2> kZeroPoints = {std::nullopt,
                                                                     Granularity::kPerChannel};
  for (uint64_t index = 0; index < 3 * 3 * 3 * 3 * 2 * 2; ++index) {
    uint64_t digits = index;
    LinearCase c;
    c.output = Pick(kOutputs, &digits);
    c.bias = Pick(kBiases, &digits);
    c.residual = Pick(kResiduals, &digits);
    c.activation = Pick(kActivations, &digits);
    c.scaling = Pick(kScalings, &digits);
    c.zero_points = Pick(kZeroPoints, &digits);
    c.residual_in_output = c.residual == c.output && index % 2 == 0;
    PickOperands(index + index / 4, &c);
    ASSERT_NO_FATAL_FAILURE(CheckNarrow(c)) << "combination " << index;
  }
}

TEST(NarrowEpilogues, IntegerOutputs) {
  constexpr std::array kNoYes = {false, true};
  constexpr std::array kBiases = {DataType::kNone, DataType::kS32};
  constexpr std::array kActivations = {Activation::kNone, Activation::kRelu};
  constexpr std::array kScalings = {InputScaling::kPerTensor, InputScaling::kPerRow};
  constexpr std::array<std::optional<Granularity>, 2> kZeroPoints = {std::nullopt,
                                                                     Granularity::kPerChannel};
  for (uint64_t index = 0; index < 4 * 32; ++index) {
    uint64_t digits = index;
    LinearCase c;
    c.output = DataType::kS32;
    c.accumulate = Pick(kNoYes, &digits);
    c.bias = Pick(kBiases, &digits);
    c.activation = Pick(kActivations, &digits);
    c.scaling = Pick(kScalings, &digits);
    c.zero_points = Pick(kZeroPoints, &digits);
    PickOperands(index + index / 32, &c);
    ASSERT_NO_FATAL_FAILURE(CheckNarrow(c)) << "combination " << index;
  }
}

// Quantised on the way in, and then read in any order of k.
TEST(NarrowEpilogues, FloatInputs) {
  constexpr std::array kScalings = {InputScaling::kPerTensor, InputScaling::kPerRow,
                                    InputScaling::kDynamicPerTensor, InputScaling::kDynamicPerRow};
  constexpr std::array kNoYes = {false, true};
  constexpr std::array kOutputs = {DataType::kS32, DataType::kF32, DataType::kU8};
  constexpr std::array<std::optional<Granularity>, 2> kZeroPoints = {std::nullopt,
                                                                     Granularity::kPerGroup};
  for (uint64_t index = 0; index < 4 * 2 * 3 * 2; ++index) {
    uint64_t digits = index;
    LinearCase c;
    PickOperands(index + index / 4, &c);
    c.input = DataType::kF32;
    c.scaling = Pick(kScalings, &digits);
    c.transposed_input = Pick(kNoYes, &digits);
    c.output = Pick(kOutputs, &digits);
    c.zero_points = Pick(kZeroPoints, &digits);
    c.extreme_input = c.scaling == InputScaling::kPerTensor || c.scaling == InputScaling::kPerRow;
    ASSERT_NO_FATAL_FAILURE(CheckNarrow(c)) << "combination " << index;
  }
}

// --- What is said, and promises ------------------------------------------------------------------

TEST(NarrowWeightsText, GivesTheShares) {
  LinearCase c = VariedCase(1, 128, 256, 1);
  const auto text = [&](Isa isa) { return LinearData(c).Pack(isa).value().Describe(); };
  for (const Isa isa : IsasWithChoice()) {
    c.weights = WeightKind::kUnsafePanels;
    EXPECT_NE(text(isa).find("32 k summed in 16 bits: 0.0 % of groups split, 50.0 % summed in 32"),
              std::string::npos)
        << text(isa);
    c.weights = WeightKind::kFill4;
    EXPECT_NE(text(isa).find("16 k summed in 16 bits: 0.0 % of groups split, 0.0 % summed in 32"),
              std::string::npos)
        << text(isa);
    c.weights = WeightKind::kUnsafePairInFront;
    const PackedWeights weights = LinearData(c).Pack(isa).value();
    const pack::NarrowShares& shares = weights.matrix().shares;
    char share[64];
    std::snprintf(share, sizeof(share), "%.1f %% of groups split",
                  100.0 * static_cast<double>(shares.split) / static_cast<double>(shares.groups));
    EXPECT_GT(shares.split, 0);
    EXPECT_NE(weights.Describe().find(share), std::string::npos) << weights.Describe();
    c.weights = WeightKind::kLowest;
    EXPECT_EQ(text(isa).find("16 bits"), std::string::npos) << text(isa);
  }
}

using NarrowPromises = EveryIsaTest;

// A broken promise gives wrong numbers, but breaks nothing else.
TEST_F(NarrowPromises, MayBeBroken) {
  const Context context = Context::Create().value();
  for (const int32_t maximum : {1, 31, 127, 254}) {
    for (const WeightKind weights : {WeightKind::kAny, WeightKind::kHalf, WeightKind::kLowest}) {
      for (const DataType output : {DataType::kU8, DataType::kS32, DataType::kF32}) {
        LinearCase c = VariedCase(9, 35, 131, static_cast<uint64_t>(maximum));
        c.weights = weights;
        c.output = output;
        c.activation_maximum = maximum;
        LinearData data(c);
        Random random(9);
        data.input.Set([&](int64_t i, int64_t) { return i < 3 ? 255 : random.Integer(0, 255); });
        data.Seal();
        for (const Isa isa : SupportedIsas()) {
          for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
            const TestMatrix result = data.MakeOutput(guard);
            const Status status = data.Run(context, isa, result);
            ASSERT_TRUE(status.ok()) << status.message();
            EXPECT_TRUE(result.CanariesIntact()) << IsaName(isa) << ": " << c;
            RecordChecked(isa);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
