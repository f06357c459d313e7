// Weights beyond s8, or beyond a width that is asked for, on every ISA: the bits of the reference,
// which adds each outlier by itself.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "gemm/linear_case.h"
#include "pack/packed_matrix.h"
#include "plan/summation.h"

namespace qforge::test {
namespace {

using kernels::Summation;

class Outliers : public EveryIsaTest {};

LinearCase MakeCase(int64_t rows, int64_t outputs, int64_t inputs, uint64_t seed) {
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.output = DataType::kS32;
  c.weights = WeightKind::kNormal;
  c.guard = seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
  c.gap = static_cast<int64_t>(seed % 3) * 5;
  c.seed = seed;
  return c;
}

// Values whose sum is small, as large as s8, far beyond it, or of several entries that cancel.
std::vector<int8_t> AnyValues(Random& random) {
  switch (random.Integer(0, 4)) {
    case 0:
      return {random.Any<int8_t>()};
    case 1:
      return {127};
    case 2:
      return std::vector<int8_t>(static_cast<size_t>(random.Integer(2, 20)),
                                 random.Integer(0, 1) == 0 ? int8_t{127} : int8_t{-128});
    case 3:
      return {127, -127, 127, -127};
    default:
      return {0};
  }
}

// About one weight in `rarity`.
void AddAnywhere(LinearData& data, int rarity) {
  Random random(data.c.seed + 77);
  for (int64_t channel = 0; channel < data.c.groups * data.c.outputs; ++channel) {
    data.AddOutlier(channel, 0, {});
    for (int64_t k = 0; k < data.c.inputs; ++k) {
      if (random.Integer(1, rarity) == 1) data.AddOutlier(channel, k, AnyValues(random));
    }
  }
}

// How the panels hold them.
SeeWeights ExpectsWideGroups(bool any) {
  return [any](const PackedWeights& weights) {
    if (weights.isa() == Isa::kScalar) return;
    const pack::PackedMatrix& matrix = weights.matrix();
    EXPECT_EQ(matrix.shares.wide_groups > 0, any) << weights.Describe();
    const bool dot = cpu::Traits(weights.isa()).vnni;
    EXPECT_EQ(matrix.layout.summation, dot ? Summation::kDot : Summation::kNarrow);
    EXPECT_EQ(matrix.layout.outliers, dot && any) << weights.Describe();
  };
}

TEST_F(Outliers, EveryRemainderOfK) {
  uint64_t seed = 1;
  for (int64_t inputs = 4; inputs <= 70; ++inputs, ++seed) {
    LinearData data(MakeCase(1 + inputs % 14, 1 + inputs * 7 % 90, inputs, seed));
    AddAnywhere(data, 9);
    LinearData one(data.c);
    one.AddOutlier(0, inputs - 1, std::vector<int8_t>(5, 127));
    CheckOnEveryIsa(one, ExpectsWideGroups(true));
    CheckOnEveryIsa(data);
  }
}

TEST_F(Outliers, EveryTile) {
  uint64_t seed = 100;
  for (int64_t rows = 1; rows <= 26; ++rows, ++seed) {
    for (const int64_t outputs : {1, 8, 15, 16, 33, 64, 130}) {
      LinearData data(MakeCase(rows, outputs, 41, seed));
      AddAnywhere(data, 30);
      CheckOnEveryIsa(data);
    }
  }
}

// At each corner of a panel, and at every place of a group of k.
TEST_F(Outliers, OneAlone) {
  for (const int64_t k : {0, 1, 2, 3, 60, 61, 62, 63, 64, 65, 66}) {
    for (const int64_t channel : {0, 7, 8, 15, 16, 31, 63, 64, 69}) {
      LinearData data(MakeCase(7, 70, 67, static_cast<uint64_t>(k * 100 + channel)));
      data.AddOutlier(channel, k, std::vector<int8_t>(9, -128));
      CheckOnEveryIsa(data, ExpectsWideGroups(true));
    }
  }
}

// Sums within s8 need nothing: they become weights.
TEST_F(Outliers, WithinBytes) {
  LinearCase c = MakeCase(9, 40, 64, 5);
  c.weights = WeightKind::kZero;
  LinearData data(c);
  for (int64_t channel = 0; channel < 40; ++channel) {
    data.AddOutlier(channel, channel % 64, {100, 27, -5});
  }
  CheckOnEveryIsa(data, ExpectsWideGroups(false));
}

// Beyond s16: several wide groups in one place.
TEST_F(Outliers, BeyondSixteenBits) {
  LinearData data(MakeCase(5, 20, 36, 6));
  data.AddOutlier(3, 5, std::vector<int8_t>(700, 127));
  data.AddOutlier(19, 35, std::vector<int8_t>(900, -128));
  CheckOnEveryIsa(data, ExpectsWideGroups(true));
}

TEST_F(Outliers, Everywhere) {
  LinearData data(MakeCase(8, 70, 50, 7));
  AddAnywhere(data, 1);
  CheckOnEveryIsa(data, ExpectsWideGroups(true));
}

TEST_F(Outliers, EveryEpilogue) {
  uint64_t seed = 200;
  for (const DataType output : {DataType::kU8, DataType::kS8, DataType::kF32, DataType::kS32}) {
    for (const DataType input : {DataType::kU8, DataType::kS8, DataType::kF32}) {
      for (int choice = 0; choice < 16; ++choice, ++seed) {
        LinearCase c = MakeCase(1 + static_cast<int64_t>(seed % 15), 37, 45, seed);
        c.output = output;
        c.input = input;
        c.groups = choice % 4 == 3 ? 3 : 1;
        c.transposed_input = (choice & 1) != 0;
        if ((choice & 2) != 0) c.zero_points = Granularity::kPerChannel;
        if ((choice & 4) != 0) c.scaling = InputScaling::kPerRow;
        if ((choice & 8) != 0) c.bias = DataType::kS32;
        if (output != DataType::kS32) {
          c.activation = choice % 3 == 0 ? Activation::kClamp : Activation::kRelu;
          if (choice % 5 == 0) c.residual = DataType::kU8;
        } else {
          c.accumulate = choice % 3 == 0;
        }
        if (choice % 2 == 0) c.layout = WeightsLayout::kOutputsByInputs;
        LinearData data(c);
        AddAnywhere(data, 25);
        CheckOnEveryIsa(data);
      }
    }
  }
}

// A narrower main part, of any width, and chosen by density.
TEST_F(Outliers, MainBits) {
  uint64_t seed = 300;
  for (const int bits : {0, 2, 3, 4, 5, 6, 7, 8}) {
    for (const int32_t maximum : {255, 127, 15}) {
      LinearCase c = MakeCase(7, 50, 90, ++seed);
      c.main_bits = bits;
      c.activation_maximum = maximum;
      c.extreme_input = true;
      CheckOnEveryIsa(c);
      LinearData data(c);
      AddAnywhere(data, 20);
      CheckOnEveryIsa(data);
    }
  }
  for (const double density : {0.001, 0.05, 0.3, 1.0}) {
    LinearCase c = MakeCase(7, 50, 90, ++seed);
    c.outlier_density = density;
    CheckOnEveryIsa(c);
  }
}

// No more panels than are sampled, so that the choice is exact.
TEST(OutlierWidths, TheCheapestIsChosen) {
  bool narrower = false;
  for (const WeightKind weights :
       {WeightKind::kAny, WeightKind::kTiny, WeightKind::kNormal, WeightKind::kFill2,
        WeightKind::kUnsafePairInFront, WeightKind::kUnsafePanels}) {
    for (const int32_t maximum : {255, 127}) {
      for (const Isa isa : SupportedIsas()) {
        if (isa == Isa::kScalar || cpu::Traits(isa).vnni) continue;  // no sums of 16 bits
        LinearCase c = MakeCase(1, cpu::Traits(isa).vector_bytes, 520, 400);
        c.weights = weights;
        c.activation_maximum = maximum;
        const auto cost = [&](int bits) {
          c.main_bits = bits;
          const PackedWeights packed = LinearData(c).Pack(isa).value();
          const pack::PackedMatrix& matrix = packed.matrix();
          const bool said = packed.Describe().find("weights beyond") != std::string::npos;
          EXPECT_EQ(said, matrix.main_bits < 8) << packed.Describe();
          if (bits == 0) narrower = narrower || matrix.main_bits < 8;
          if (matrix.shares.groups == 0) return plan::kWidenedGroupCost;
          return matrix.shares.cost / static_cast<double>(matrix.shares.groups);
        };
        double least = cost(8);
        for (int bits = 2; bits < 8; ++bits) least = std::min(least, cost(bits));
        EXPECT_EQ(cost(0), least) << WeightKindName(weights) << " to " << maximum << ", "
                                  << IsaName(isa);
      }
    }
  }
  EXPECT_TRUE(narrower || !IsaSupported(Isa::kAvx512));
}

TEST_F(Outliers, OnThreads) {
  ContextOptions options;
  options.max_threads = 3;
  const Result<Context> context = Context::Create(options);
  ASSERT_TRUE(context.ok());
  LinearData data(MakeCase(200, 200, 200, 8));
  AddAnywhere(data, 100);
  const TestMatrix expected = ReferenceResult(data);
  for (const Isa isa : SupportedIsas()) {
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    const Status status = data.Run(*context, isa, result);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_TRUE(SameBits(expected, result)) << IsaName(isa);
    RecordChecked(isa);
  }
}

// What is refused: the field, the value and the limit.
class BadOutliers : public ::testing::Test {
 protected:
  BadOutliers() : data_(MakeCase(1, 3, 8, 9)) {
    data_.AddOutlier(1, 5, {3, 4});
    options_ = data_.weights_options(Isa::kScalar);
  }

  void Expect(StatusCode code, const std::string& field, const std::string& text) const {
    for (const Isa isa : SupportedIsas()) {
      PackedWeightsOptions options = options_;
      options.max_isa = isa;
      const auto packed = PackedWeights::Create(data_.weights.view<const int8_t>(), options);
      ASSERT_FALSE(packed.ok()) << text;
      EXPECT_EQ(packed.status().code(), code);
      EXPECT_EQ(packed.status().field(), field);
      EXPECT_NE(std::string(packed.status().message()).find(text), std::string::npos)
          << packed.status().message();
    }
  }

  LinearData data_;
  PackedWeightsOptions options_;
};

TEST_F(BadOutliers, Shape) {
  options_.outliers.inputs = 9;
  Expect(StatusCode::kInvalidArgument, "options.outliers", "9 x 3; K x groups * N = 8 x 3");
}

TEST_F(BadOutliers, Entries) {
  data_.outlier_rows[1] = 8;
  Expect(StatusCode::kOutOfRange, "options.outliers.row_indices", "value 1 is 8, not in [0, 8)");
  data_.outlier_rows[1] = 4;
  Expect(StatusCode::kInvalidArgument, "options.outliers.row_indices",
         "value 1 is 4, less than the 5");
  options_.outliers.values = {};
  Expect(StatusCode::kInvalidArgument, "options.outliers.values", "0 values for 2 row indices");
}

TEST_F(BadOutliers, Widths) {
  options_.main_bits = 9;
  Expect(StatusCode::kOutOfRange, "options.main_bits", "9 is neither 0 nor in [2, 8]");
  options_.main_bits = 1;
  Expect(StatusCode::kOutOfRange, "options.main_bits", "1 is neither 0 nor in [2, 8]");
  options_.main_bits = 7;
  options_.outlier_density = 0.1;
  Expect(StatusCode::kInvalidArgument, "options.main_bits", "is 7, but options.outlier_density");
  options_.main_bits = 8;
  options_.outlier_density = -0.5;
  Expect(StatusCode::kOutOfRange, "options.outlier_density", "-0.5 is not in [0, 1]");
}

TEST_F(BadOutliers, Saturation) {
  options_.accumulation = Accumulation::kSaturating16;
  Expect(StatusCode::kUnsupported, "options.accumulation",
         "outliers are not for sums that saturate");
}

// More than one sum can hold, which weights of s8 could not reach with so few inputs.
TEST_F(BadOutliers, BeyondInt32) {
  data_.AddOutlier(2, 7, std::vector<int8_t>(66400, 127));
  options_ = data_.weights_options(Isa::kScalar);
  Expect(StatusCode::kOutOfRange, "options.outliers.values", "could leave int32");
  // With the dense part.
  data_.outlier_values.assign(data_.outlier_values.size(), 0);
  std::fill_n(data_.outlier_values.begin() + 2, 66310, int8_t{127});
  data_.weight(7, 2) = 127;
  data_.weight(6, 2) = -128;
  options_ = data_.weights_options(Isa::kScalar);
  Expect(StatusCode::kOutOfRange, "weights", "column 2 could leave int32");
}

// Refused before a weight is looked at.
TEST_F(BadOutliers, ManyInputs) {
  const int64_t inputs = (int64_t{1} << 30) + 1;
  const int8_t weight = 0;
  const int64_t offsets[] = {0, 1};
  const int64_t rows[] = {5};
  PackedWeightsOptions options;
  options.outliers.inputs = inputs;
  options.outliers.outputs = 1;
  options.outliers.column_offsets = offsets;
  options.outliers.row_indices = rows;
  options.outliers.values = {&weight, 1};
  const auto packed = PackedWeights::Create({&weight, inputs, 1}, options);
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.status().code(), StatusCode::kUnsupported);
  EXPECT_STREQ(packed.status().message(),
               "UNSUPPORTED: options.outliers: K = 1073741825; at most 1073741824 is possible");
}

// Without column offsets there are none, whatever else the view says.
TEST_F(Outliers, NoneWithoutOffsets) {
  LinearCase c = MakeCase(3, 20, 40, 11);
  c.main_bits = 4;
  const LinearData data(c);
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options = data.weights_options(isa);
    options.outliers.inputs = 40;
    options.outliers.outputs = 20;
    const auto packed = PackedWeights::Create(data.weights.view<const int8_t>(), options);
    EXPECT_TRUE(packed.ok()) << packed.status().message();
    RecordChecked(isa);
  }
}

// As QuantizeWeightsWithOutliers gives them where it allows none: nothing is different, K = 1
// included.
TEST_F(Outliers, NoneWithOffsets) {
  for (const int64_t inputs : {1, 3, 4, 16, 300}) {
    LinearCase c = MakeCase(3, 20, inputs, 12);
    c.weights = WeightKind::kAny;
    LinearData data(c);
    for (const Isa isa : SupportedIsas()) {
      for (const Accumulation accumulation : {Accumulation::kExact, Accumulation::kSaturating16}) {
        PackedWeightsOptions options = data.weights_options(isa);
        options.accumulation = accumulation;
        const auto without = PackedWeights::Create(data.weights.view<const int8_t>(), options);
        const std::vector<int64_t> offsets(21, 0);
        options.outliers.inputs = inputs;
        options.outliers.outputs = 20;
        options.outliers.column_offsets = offsets;
        const auto with = PackedWeights::Create(data.weights.view<const int8_t>(), options);
        ASSERT_TRUE(with.ok()) << with.status().message();
        EXPECT_EQ(with->Describe(), without.value().Describe());
        RecordChecked(isa);
      }
    }
  }
}

TEST_F(BadOutliers, FewInputs) {
  LinearData small(MakeCase(1, 3, 3, 10));
  small.AddOutlier(1, 2, {3});
  const auto packed = PackedWeights::Create(small.weights.view<const int8_t>(),
                                            small.weights_options(Isa::kScalar));
  ASSERT_FALSE(packed.ok());
  EXPECT_EQ(packed.status().code(), StatusCode::kUnsupported);
  EXPECT_STREQ(packed.status().message(),
               "UNSUPPORTED: options.outliers: K = 3; at least 4 is needed");
}

}  // namespace
}  // namespace qforge::test
