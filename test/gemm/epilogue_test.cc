// Every combination of what an epilogue, an input and the weights may be.
#include <gtest/gtest.h>

#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "gemm/linear_case.h"

namespace qforge::test {
namespace {

constexpr DataType kBiases[] = {DataType::kNone, DataType::kS32, DataType::kF32};
constexpr DataType kIntegerBiases[] = {DataType::kNone, DataType::kS32};
constexpr DataType kResiduals[] = {DataType::kNone, DataType::kU8, DataType::kS8};
constexpr DataType kInputs[] = {DataType::kU8, DataType::kS8};
constexpr Activation kActivations[] = {Activation::kNone, Activation::kRelu, Activation::kClamp};
constexpr Activation kIntegerActivations[] = {Activation::kNone, Activation::kRelu};
constexpr InputScaling kScalings[] = {InputScaling::kPerTensor, InputScaling::kPerRow};
constexpr InputScaling kFloatScalings[] = {InputScaling::kPerTensor, InputScaling::kPerRow,
                                           InputScaling::kDynamicPerTensor,
                                           InputScaling::kDynamicPerRow};
constexpr std::optional<Granularity> kScales[] = {std::nullopt, Granularity::kPerTensor,
                                                  Granularity::kPerGroup, Granularity::kPerChannel};
constexpr std::optional<Granularity> kZeroPoints[] = {
    std::nullopt, Granularity::kPerTensor, Granularity::kPerGroup, Granularity::kPerChannel};
constexpr WeightsLayout kLayouts[] = {WeightsLayout::kInputsByOutputs,
                                      WeightsLayout::kOutputsByInputs};
constexpr int64_t kGroups[] = {1, 3};
constexpr bool kNoYes[] = {false, true};

// Picks one value from each of several lists: index 0, 1, ... below combinations() gives each
// combination once. combinations() is known when all lists have been asked.
class Combination {
 public:
  explicit Combination(int64_t index) : rest_(index) {}

  template <class T, size_t kSize>
  T Pick(const T (&values)[kSize]) {
    combinations_ *= static_cast<int64_t>(kSize);
    const int64_t digit = rest_ % static_cast<int64_t>(kSize);
    rest_ /= static_cast<int64_t>(kSize);
    return values[digit];
  }
  int64_t combinations() const { return combinations_; }

 private:
  int64_t rest_;
  int64_t combinations_ = 1;
};

// Small shapes with every kind of remainder, and without one. Taken in turn.
void PickShape(int64_t index, LinearCase* c) {
  struct Shape {
    int64_t rows, outputs, inputs;
  };
  constexpr Shape kShapes[] = {{3, 19, 9},  {1, 5, 6},  {7, 8, 3}, {2, 33, 8},
                               {13, 16, 5}, {5, 2, 11}, {4, 64, 4}};
  const Shape& shape = kShapes[index % static_cast<int64_t>(std::size(kShapes))];
  c->rows = shape.rows;
  c->outputs = shape.outputs;
  c->inputs = shape.inputs;
  c->gap = index / 7 % 3;
  c->guard = index / 21 % 2 == 0 ? Guard::kBehind : Guard::kInFront;
  c->seed = static_cast<uint64_t>(index);
}

template <class MakeCase>
void CheckCombinations(MakeCase&& make_case) {
  Combination first(0);
  make_case(first);
  for (int64_t index = 0; index < first.combinations(); ++index) {
    Combination combination(index);
    LinearCase c = make_case(combination);
    PickShape(index, &c);
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c)) << "combination " << index;
  }
}

void PickWeights(Combination& pick, LinearCase* c) {
  c->layout = pick.Pick(kLayouts);
  c->scales = pick.Pick(kScales);
  c->zero_points = pick.Pick(kZeroPoints);
  c->groups = pick.Pick(kGroups);
}

// --- u8, s8 and f32 output: one test per output type and residual --------------------------------

struct ScaledOutput {
  DataType output;
  DataType residual;

  std::string name() const {
    return std::string(DataTypeName(output)) + "_residual_" + DataTypeName(residual);
  }
  friend std::ostream& operator<<(std::ostream& out, const ScaledOutput& x) {
    return out << x.name();
  }
};

class ScaledEpilogues : public EveryIsaTest, public ::testing::WithParamInterface<ScaledOutput> {};

TEST_P(ScaledEpilogues, AllCombinations) {
  CheckCombinations([](Combination& pick) {
    LinearCase c;
    c.output = GetParam().output;
    c.residual = GetParam().residual;
    c.bias = pick.Pick(kBiases);
    c.activation = pick.Pick(kActivations);
    c.input = pick.Pick(kInputs);
    c.scaling = pick.Pick(kScalings);
    c.transposed_input = pick.Pick(kNoYes);
    PickWeights(pick, &c);
    return c;
  });
}

std::vector<ScaledOutput> ScaledOutputs() {
  std::vector<ScaledOutput> all;
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kF32}) {
    for (const DataType residual : kResiduals) all.push_back({output, residual});
  }
  return all;
}

INSTANTIATE_TEST_SUITE_P(Outputs, ScaledEpilogues, ::testing::ValuesIn(ScaledOutputs()),
                         [](const auto& info) { return info.param.name(); });

// --- s32 output ----------------------------------------------------------------------------------

using IntegerEpilogues = EveryIsaTest;

TEST_F(IntegerEpilogues, AllCombinations) {
  CheckCombinations([](Combination& pick) {
    LinearCase c;
    c.output = DataType::kS32;
    c.accumulate = pick.Pick(kNoYes);
    c.bias = pick.Pick(kIntegerBiases);
    c.activation = pick.Pick(kIntegerActivations);
    c.input = pick.Pick(kInputs);
    c.scaling = pick.Pick(kScalings);
    c.transposed_input = pick.Pick(kNoYes);
    PickWeights(pick, &c);
    return c;
  });
}

// Accumulation wraps modulo 2^32, and ReLU comes before it.
TEST_F(IntegerEpilogues, AccumulationWraps) {
  for (const Activation activation : kIntegerActivations) {
    LinearCase c;
    c.rows = 3;
    c.outputs = 37;
    c.inputs = 8;
    c.output = DataType::kS32;
    c.accumulate = true;
    c.activation = activation;
    LinearData data(c);
    data.initial_output.Set([](int64_t i, int64_t j) {
      return (i + j) % 2 == 0 ? std::numeric_limits<int32_t>::max()
                              : std::numeric_limits<int32_t>::min();
    });
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(data));
  }
}

// --- f32 input: quantised on the way in ----------------------------------------------------------

class FloatInputs : public EveryIsaTest, public ::testing::WithParamInterface<InputScaling> {};

TEST_P(FloatInputs, AllCombinations) {
  constexpr DataType kOutputs[] = {DataType::kU8, DataType::kS8, DataType::kF32};
  CheckCombinations([&](Combination& pick) {
    LinearCase c;
    c.input = DataType::kF32;
    c.scaling = GetParam();
    c.transposed_input = pick.Pick(kNoYes);
    c.output = pick.Pick(kOutputs);
    c.bias = pick.Pick(kBiases);
    PickWeights(pick, &c);
    return c;
  });
  CheckCombinations([&](Combination& pick) {
    LinearCase c;
    c.input = DataType::kF32;
    c.scaling = GetParam();
    c.transposed_input = pick.Pick(kNoYes);
    c.output = DataType::kS32;
    c.bias = pick.Pick(kIntegerBiases);
    PickWeights(pick, &c);
    return c;
  });
}

TEST_P(FloatInputs, EveryRemainder) {
  for (int64_t inputs = 1; inputs <= 70; ++inputs) {
    for (const bool transposed : kNoYes) {
      LinearCase c;
      c.rows = 1 + inputs * 5 % 17;
      c.outputs = 1 + inputs * 3 % 20;
      c.inputs = inputs;
      c.input = DataType::kF32;
      c.scaling = GetParam();
      c.transposed_input = transposed;
      c.output = DataType::kF32;
      c.gap = inputs % 4;
      c.guard = inputs % 2 == 0 ? Guard::kBehind : Guard::kInFront;
      c.seed = static_cast<uint64_t>(inputs);
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

// NaN gives the lowest value, infinities the limits; a range of zero width has a scale, too.
TEST_P(FloatInputs, SpecialValues) {
  using Limits = std::numeric_limits<float>;
  constexpr float kSpecial[] = {Limits::quiet_NaN(),
                                Limits::infinity(),
                                -Limits::infinity(),
                                Limits::max(),
                                Limits::lowest(),
                                Limits::denorm_min(),
                                -0.0f,
                                0.0f,
                                1.0f};
  for (const bool transposed : kNoYes) {
    LinearCase c;
    c.rows = 9;
    c.outputs = 18;
    c.inputs = 40;
    c.input = DataType::kF32;
    c.scaling = GetParam();
    c.transposed_input = transposed;
    for (const float special : kSpecial) {
      LinearData sprinkled(c);  // one row keeps ordinary values
      sprinkled.input.Set([&](int64_t i, int64_t j) {
        const bool hit = i != 0 && j != 0 && (i * 7 + j * 3) % 5 == 0;
        return hit ? special : sprinkled.input.at<float>(i, j);
      });
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(sprinkled)) << "some inputs are " << special;
      LinearData filled(c);
      filled.input.Set([&](int64_t, int64_t) { return special; });
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(filled)) << "all inputs are " << special;
    }
  }
}

std::string ScalingName(const ::testing::TestParamInfo<InputScaling>& info) {
  constexpr const char* kNames[] = {"PerTensor", "PerRow", "DynamicPerTensor", "DynamicPerRow"};
  return kNames[static_cast<int>(info.param)];
}

INSTANTIATE_TEST_SUITE_P(Scalings, FloatInputs, ::testing::ValuesIn(kFloatScalings), ScalingName);

// --- Residual in the output matrix ---------------------------------------------------------------

using AliasedResidual = EveryIsaTest;

TEST_F(AliasedResidual, IsReadBeforeItIsOverwritten) {
  for (const DataType type : {DataType::kU8, DataType::kS8}) {
    for (int64_t outputs = 1; outputs <= 70; ++outputs) {
      LinearCase c;
      c.rows = 1 + outputs % 15;
      c.outputs = outputs;
      c.inputs = 6;
      c.residual = type;
      c.output = type;
      c.residual_in_output = true;
      c.gap = outputs % 3;
      c.seed = static_cast<uint64_t>(outputs);
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

}  // namespace
}  // namespace qforge::test
