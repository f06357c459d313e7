// Every remainder of every tile, empty dimensions, and shapes larger than any block.
#include <gtest/gtest.h>

#include <array>
#include <ostream>
#include <string>

#include "gemm/linear_case.h"
#include "support/random.h"

namespace qforge::test {
namespace {

// Lets what does not depend on the shape change from case to case, so that each meets each
// remainder sooner or later.
LinearCase VariedCase(int64_t rows, int64_t outputs, int64_t inputs, uint64_t seed) {
  Random random(seed);
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.seed = seed;
  constexpr std::array kOutputs = {DataType::kU8, DataType::kS8, DataType::kS32, DataType::kF32};
  c.output = kOutputs[random.Next() % kOutputs.size()];
  c.input = random.Next() % 3 == 0 ? DataType::kS8 : DataType::kU8;
  c.layout =
      random.Next() % 2 == 0 ? WeightsLayout::kInputsByOutputs : WeightsLayout::kOutputsByInputs;
  if (random.Next() % 3 == 0) c.zero_points = Granularity::kPerChannel;
  c.gap = random.Next() % 2 == 0 ? 0 : random.Integer(1, 9);
  c.guard = random.Next() % 2 == 0 ? Guard::kBehind : Guard::kInFront;
  return c;
}

// --- M and N in 1..33 with K in 1..70, one test per M --------------------------------------------

class SmallShapes : public EveryIsaTest, public ::testing::WithParamInterface<int> {};

TEST_P(SmallShapes, MatchTheReference) {
  constexpr int kMaxInputs = 70;
  const int rows = GetParam();
  for (int outputs = 1; outputs <= 33; ++outputs) {
    // Four K per shape: one of each remainder modulo 4, most of them; all K within a few shapes.
    for (int remainder = 0; remainder < 4; ++remainder) {
      const int inputs =
          1 + (4 * ((5 * rows + 7 * outputs + 3 * remainder) % 18) + remainder) % kMaxInputs;
      const uint64_t seed = static_cast<uint64_t>((rows * 33 + outputs) * 4 + remainder);
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(VariedCase(rows, outputs, inputs, seed)));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, SmallShapes, ::testing::Range(1, 34));

// --- Remainders that need more than 33 rows or columns -------------------------------------------

class ColumnRemainders : public EveryIsaTest, public ::testing::WithParamInterface<int> {};

TEST_P(ColumnRemainders, UpToThreeFullPanels) {
  const int rows = GetParam();
  for (int outputs = 34; outputs <= 3 * 64 + 1; ++outputs) {
    const int inputs = 1 + (outputs * 13 + rows) % 41;
    const uint64_t seed = static_cast<uint64_t>(10000 + rows * 1000 + outputs);
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(VariedCase(rows, outputs, inputs, seed)));
  }
}

INSTANTIATE_TEST_SUITE_P(Rows, ColumnRemainders, ::testing::Values(1, 2, 5, 13));

using RowRemainders = EveryIsaTest;

TEST_F(RowRemainders, UpToSeventyRows) {
  for (const int outputs : {3, 8, 16, 24, 33, 64}) {
    for (int rows = 34; rows <= 70; ++rows) {
      const uint64_t seed = static_cast<uint64_t>(20000 + rows * 100 + outputs);
      ASSERT_NO_FATAL_FAILURE(
          CheckOnEveryIsa(VariedCase(rows, outputs, 1 + (rows * 7 + outputs) % 19, seed)));
    }
  }
}

using InputRemainders = EveryIsaTest;

// K beyond what loops are unrolled by, in every remainder.
TEST_F(InputRemainders, UpToTwoHundredInputs) {
  for (int inputs = 71; inputs <= 200; ++inputs) {
    for (const int rows : {1, 6}) {
      const uint64_t seed = static_cast<uint64_t>(30000 + inputs * 10 + rows);
      ASSERT_NO_FATAL_FAILURE(
          CheckOnEveryIsa(VariedCase(rows, 1 + (inputs * 11) % 70, inputs, seed)));
    }
  }
}

// One row through deep weights, whose sums several accumulators share.
TEST_F(InputRemainders, OfDeepVectors) {
  for (const int first : {509, 1021, 2045}) {
    for (int inputs = first; inputs < first + 36; ++inputs) {
      const uint64_t seed = static_cast<uint64_t>(50000 + inputs);
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(VariedCase(1, 1 + inputs * 7 % 131, inputs, seed)));
    }
  }
}

// --- Empty dimensions ----------------------------------------------------------------------------

using EmptyShapes = EveryIsaTest;

TEST_F(EmptyShapes, EachDimensionInTurn) {
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kS32, DataType::kF32}) {
    for (int empty = 1; empty < 8; ++empty) {
      LinearCase c;
      c.rows = (empty & 1) != 0 ? 0 : 5;
      c.outputs = (empty & 2) != 0 ? 0 : 19;
      c.inputs = (empty & 4) != 0 ? 0 : 7;
      c.output = output;
      c.bias = DataType::kS32;
      for (const int64_t groups : {1, 3}) {
        c.groups = groups;
        for (const bool transposed : {false, true}) {
          c.transposed_input = transposed;
          ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
        }
      }
    }
  }
}

// Without inputs the accumulators are the bias, and old values are still added to.
TEST_F(EmptyShapes, NoInputsLeaveTheEpilogue) {
  for (const DataType bias : {DataType::kNone, DataType::kS32, DataType::kF32}) {
    LinearCase c;
    c.rows = 4;
    c.outputs = 21;
    c.inputs = 0;
    c.bias = bias;
    c.residual = DataType::kS8;
    c.zero_points = Granularity::kPerChannel;
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    c.input = DataType::kF32;
    for (const InputScaling scaling : {InputScaling::kPerTensor, InputScaling::kDynamicPerTensor,
                                       InputScaling::kDynamicPerRow}) {
      c.scaling = scaling;
      for (const bool transposed : {true, false}) {
        c.transposed_input = transposed;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
    if (bias == DataType::kF32) continue;
    c.scaling = InputScaling::kPerTensor;
    c.input = DataType::kU8;
    c.residual = DataType::kNone;
    c.output = DataType::kS32;
    c.accumulate = true;
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
  }
}

// What has no elements needs no address.
TEST_F(EmptyShapes, NullPointersToNothing) {
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options;
    options.max_isa = isa;
    const auto no_outputs = PackedWeights::Create(MatrixView<const int8_t>(nullptr, 7, 0), options);
    ASSERT_TRUE(no_outputs.ok()) << no_outputs.status().message();
    const auto linear = Linear::Create(context, *no_outputs, Epilogue());
    ASSERT_TRUE(linear.ok()) << linear.status().message();
    const uint8_t input[2 * 7] = {};
    const Status no_columns =
        linear->Run(InputMatrix(input, 2, 7), {}, OutputMatrix(static_cast<float*>(nullptr), 2, 0));
    EXPECT_TRUE(no_columns.ok()) << no_columns.message();
    const Status no_rows = linear->Run(InputMatrix(static_cast<const uint8_t*>(nullptr), 0, 7), {},
                                       OutputMatrix(static_cast<float*>(nullptr), 0, 0));
    EXPECT_TRUE(no_rows.ok()) << no_rows.message();
    RecordChecked(no_outputs->isa());
  }
}

// --- Large shapes --------------------------------------------------------------------------------

struct LargeShape {
  int64_t rows;
  int64_t outputs;
  int64_t inputs;

  std::string name() const {
    return std::to_string(rows) + "x" + std::to_string(outputs) + "x" + std::to_string(inputs);
  }
  friend std::ostream& operator<<(std::ostream& out, const LargeShape& x) {
    return out << x.name();
  }
};

class LargeShapes : public EveryIsaTest, public ::testing::WithParamInterface<LargeShape> {};

TEST_P(LargeShapes, MatchTheReference) {
  const LargeShape shape = GetParam();
  const uint64_t seed = static_cast<uint64_t>(shape.rows * 31 + shape.outputs * 7 + shape.inputs);
  ASSERT_NO_FATAL_FAILURE(
      CheckOnEveryIsa(VariedCase(shape.rows, shape.outputs, shape.inputs, seed)));
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, LargeShapes,
    ::testing::Values(LargeShape{1, 301, 1031},    // a vector by a matrix of the size of L2
                      LargeShape{1, 2100, 2503},   // and of L3
                      LargeShape{3, 1567, 3001},   //
                      LargeShape{1, 3, 20011},     // deep and narrow
                      LargeShape{6, 512, 512},     // no remainder anywhere
                      LargeShape{19, 130, 3000},   // several blocks of K, if there are such
                      LargeShape{2, 3001, 130},    // wide
                      LargeShape{20011, 16, 36},   // tall and skinny
                      LargeShape{5003, 5, 9},      //
                      LargeShape{257, 129, 131},   //
                      LargeShape{128, 128, 128},   //
                      LargeShape{102, 323, 256}),  //
    [](const auto& info) { return info.param.name(); });

using PreparedInputs = EveryIsaTest;

// A is prepared block by block where it has to be: transposed, quantised, or summed by row.
TEST_F(PreparedInputs, OfManyBlocks) {
  LinearCase c;
  c.rows = 4001;
  c.outputs = 2;
  c.inputs = 301;
  c.groups = 2;
  c.zero_points = Granularity::kPerChannel;
  c.scaling = InputScaling::kPerRow;
  c.residual = DataType::kU8;
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
  c.transposed_input = true;
  ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
  c.input = DataType::kF32;
  for (const InputScaling scaling :
       {InputScaling::kPerRow, InputScaling::kDynamicPerTensor, InputScaling::kDynamicPerRow}) {
    c.scaling = scaling;
    for (const bool transposed : {false, true}) {
      c.transposed_input = transposed;
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

// Rows without gaps are prepared many at a time, others one by one; blocks and tasks cut in
// between.
TEST_F(PreparedInputs, OfManyShortRows) {
  struct Source {
    DataType input;
    InputScaling scaling;
  };
  constexpr Source kSources[] = {
      {DataType::kU8, InputScaling::kPerTensor},
      {DataType::kU8, InputScaling::kPerRow},
      {DataType::kS8, InputScaling::kPerTensor},
      {DataType::kS8, InputScaling::kPerRow},
      {DataType::kF32, InputScaling::kPerTensor},
      {DataType::kF32, InputScaling::kPerRow},
      {DataType::kF32, InputScaling::kDynamicPerTensor},
      {DataType::kF32, InputScaling::kDynamicPerRow},
  };
  LinearCase c;
  c.outputs = 5;
  for (const Source& source : kSources) {
    c.input = source.input;
    c.scaling = source.scaling;
    for (const bool transposed : {false, true}) {
      c.transposed_input = transposed;
      for (const auto& [inputs, groups, gap] :
           {std::array{8, 1, 0}, {9, 1, 0}, {6, 2, 0}, {9, 2, 0}, {9, 2, 3}, {8, 1, 1}}) {
        c.inputs = inputs;
        c.groups = groups;
        c.gap = gap;
        c.rows = 401;
        c.zero_points.reset();
        if (gap == 0) c.zero_points = Granularity::kPerChannel;
        ++c.seed;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
  }
}

using RandomShapes = EveryIsaTest;

TEST_F(RandomShapes, MatchTheReference) {
  Random random(40000);
  for (int i = 0; i < 40; ++i) {
    const int64_t rows = random.Integer(1, 150);
    const int64_t outputs = random.Integer(1, 300);
    const int64_t inputs = random.Integer(1, 400);
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(VariedCase(rows, outputs, inputs, random.Next())));
  }
}

}  // namespace
}  // namespace qforge::test
