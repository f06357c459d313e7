// The integer half of ref::Linear against products worked out by hand: layouts, zero-points,
// groups, strides and wrap-around.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <vector>

#include "ref/reference.h"

namespace qforge::ref {
namespace {

constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
constexpr int32_t kMin = std::numeric_limits<int32_t>::min();

//     [ 10  20  30 ]         [ 1  -2 ]          [ 220  -120 ]
// A = [ 40  50  60 ]     B = [ 3   4 ]     AB = [ 490  -240 ]
//                            [ 5  -6 ]
// Row 0: 10 + 60 + 150 = 220, -20 + 80 - 180 = -120.
// Row 1: 40 + 150 + 300 = 490, -80 + 200 - 360 = -240.
class Product : public ::testing::Test {
 protected:
  Product() {
    problem.rows = 2;
    problem.inputs = 3;
    problem.outputs = 2;
    problem.input = {a, 2, 3};
    problem.weights = b;
    problem.weights_stride = 2;
    problem.epilogue.output = OutputS32{};
    problem.output = {c, 2, 2};
  }

  std::vector<int32_t> Run() {
    Linear(problem, {0, 2, 0, 2});
    return {c, c + 4};
  }

  LinearProblem problem;
  const uint8_t a[6] = {10, 20, 30, 40, 50, 60};
  const int8_t b[6] = {1, -2, 3, 4, 5, -6};
  int32_t c[4] = {};
};

TEST_F(Product, OfRowMajorMatrices) {
  EXPECT_EQ(Run(), (std::vector<int32_t>{220, -120, 490, -240}));
}

TEST_F(Product, TakesWeightsByOutput) {
  const int8_t transposed[6] = {1, 3, 5, -2, 4, -6};
  problem.weights = transposed;
  problem.layout = WeightsLayout::kOutputsByInputs;
  problem.weights_stride = 3;
  EXPECT_EQ(Run(), (std::vector<int32_t>{220, -120, 490, -240}));
}

TEST_F(Product, TakesTransposedInput) {
  const uint8_t transposed[6] = {10, 40, 20, 50, 30, 60};
  problem.input = {transposed, 3, 2};
  problem.transposed_input = true;
  EXPECT_EQ(Run(), (std::vector<int32_t>{220, -120, 490, -240}));
}

TEST_F(Product, TakesStrides) {
  const uint8_t wide_a[8] = {10, 20, 30, 99, 40, 50, 60, 99};
  const int8_t wide_b[9] = {1, -2, 99, 3, 4, 99, 5, -6, 99};
  int32_t wide_c[6] = {7, 7, 7, 7, 7, 7};
  problem.input = {wide_a, 2, 3, 4};
  problem.weights = wide_b;
  problem.weights_stride = 3;
  problem.output = {wide_c, 2, 2, 3};
  Run();
  EXPECT_EQ(std::vector<int32_t>(wide_c, wide_c + 6),
            (std::vector<int32_t>{220, -120, 7, 490, -240, 7}));
}

// -118, -108, -98; -88, -78, -68: that is A - 128. Sums of the columns of B: 9 and -4.
TEST_F(Product, TakesSignedInput) {
  const int8_t signed_a[6] = {-118, -108, -98, -88, -78, -68};
  problem.input = {signed_a, 2, 3};
  EXPECT_EQ(Run(),
            (std::vector<int32_t>{220 - 128 * 9, -120 + 128 * 4, 490 - 128 * 9, -240 + 128 * 4}));
}

TEST_F(Product, SubtractsTheInputsZeroPoint) {
  problem.quantization.zero_point = 10;
  EXPECT_EQ(Run(), (std::vector<int32_t>{220 - 90, -120 + 40, 490 - 90, -240 + 40}));
}

TEST_F(Product, SubtractsZeroPointsPerRow) {
  const float scales[2] = {1, 1};
  const int32_t zero_points[2] = {1, 100};
  problem.quantization =
      InputQuantization(ArrayView<const float>(scales), ArrayView<const int32_t>(zero_points));
  EXPECT_EQ(Run(), (std::vector<int32_t>{220 - 9, -120 + 4, 490 - 900, -240 + 400}));
}

// Row sums of A: 60 and 150.
TEST_F(Product, SubtractsTheWeightsZeroPoint) {
  const int32_t zero_points[1] = {-3};
  problem.zero_points = zero_points;
  EXPECT_EQ(Run(), (std::vector<int32_t>{220 + 180, -120 + 180, 490 + 450, -240 + 450}));
}

// (a - 10) (b - z) = ab - 10 b - z a + 10 z, thrice.
TEST_F(Product, SubtractsZeroPointsPerChannelAndTheInputs) {
  const int32_t zero_points[2] = {2, -1};
  problem.zero_points = zero_points;
  problem.quantization.zero_point = 10;
  EXPECT_EQ(Run(), (std::vector<int32_t>{220 - 90 - 120 + 60, -120 + 40 + 60 - 30,
                                         490 - 90 - 300 + 60, -240 + 40 + 150 - 30}));
}

TEST_F(Product, AddsIntegerBias) {
  const std::vector<int32_t> bias{1000, -1000};
  problem.epilogue.bias = bias;
  EXPECT_EQ(Run(), (std::vector<int32_t>{1220, -1120, 1490, -1240}));
}

TEST_F(Product, ReluComesBeforeAccumulation) {
  problem.epilogue.activation = Activation::kRelu;
  problem.epilogue.output = OutputS32{true};
  c[0] = -1000;
  c[1] = -1;
  c[2] = 5;
  c[3] = 6;
  EXPECT_EQ(Run(), (std::vector<int32_t>{-780, -1, 495, 6}));
}

TEST_F(Product, AccumulationWraps) {
  problem.epilogue.output = OutputS32{true};
  c[0] = kMax;
  c[1] = kMin;
  c[2] = c[3] = 0;
  EXPECT_EQ(Run(), (std::vector<int32_t>{kMin + 219, kMax - 119, 490, -240}));
}

TEST_F(Product, WritesItsBlockAlone) {
  Linear(problem, {1, 2, 0, 1});
  EXPECT_EQ(std::vector<int32_t>(c, c + 4), (std::vector<int32_t>{0, 0, 490, 0}));
}

// With the bias, without the ReLU.
TEST_F(Product, AccumulatorsOfABlock) {
  const std::vector<int32_t> bias{1000, -1000};
  problem.epilogue.bias = bias;
  problem.epilogue.activation = Activation::kRelu;
  int32_t tile[4] = {7, 7, 7, 7};
  Accumulators(problem, {0, 2, 1, 2}, tile, 2);
  EXPECT_EQ(std::vector<int32_t>(tile, tile + 4), (std::vector<int32_t>{-1120, 7, -1240, 7}));
}

TEST_F(Product, OfNoInputsIsTheBias) {
  const std::vector<int32_t> bias{kMin, kMax};
  problem.inputs = 0;
  problem.input = {static_cast<const uint8_t*>(nullptr), 2, 0};
  problem.weights = nullptr;
  problem.epilogue.bias = bias;
  EXPECT_EQ(Run(), (std::vector<int32_t>{kMin, kMax, kMin, kMax}));
}

// Two groups of 2 inputs and 1 output: [1 2 | 3 4] with [5; 6 | 7; 8] is [17 | 53].
TEST(Groups, MultiplyTheirOwnColumns) {
  const uint8_t a[4] = {1, 2, 3, 4};
  const int8_t b[4] = {5, 6, 7, 8};
  int32_t c[2] = {};
  LinearProblem problem;
  problem.rows = 1;
  problem.inputs = 2;
  problem.outputs = 1;
  problem.groups = 2;
  problem.input = {a, 1, 4};
  problem.weights = b;
  problem.weights_stride = 1;
  problem.epilogue.output = OutputS32{};
  problem.output = {c, 1, 2};
  Linear(problem, {0, 1, 0, 2});
  EXPECT_EQ(c[0], 17);
  EXPECT_EQ(c[1], 53);

  problem.layout = WeightsLayout::kOutputsByInputs;
  problem.weights_stride = 2;
  problem.transposed_input = true;
  problem.input = {a, 4, 1};
  c[0] = c[1] = 0;
  Linear(problem, {0, 1, 0, 2});
  EXPECT_EQ(c[0], 17);
  EXPECT_EQ(c[1], 53);
}

// Two groups of 1 input and 2 outputs; A is [1 | 1], B is [10 20 | 30 40].
TEST(Groups, TakeParametersPerGroupOrChannel) {
  const uint8_t a[2] = {1, 1};
  const int8_t b[4] = {10, 20, 30, 40};
  int32_t c[4] = {};
  LinearProblem problem;
  problem.rows = 1;
  problem.inputs = 1;
  problem.outputs = 2;
  problem.groups = 2;
  problem.input = {a, 1, 2};
  problem.weights = b;
  problem.weights_stride = 2;
  problem.epilogue.output = OutputS32{};
  problem.output = {c, 1, 4};

  const int32_t per_group[2] = {1, 2};
  problem.zero_points = per_group;
  Linear(problem, {0, 1, 0, 4});
  EXPECT_EQ(std::vector<int32_t>(c, c + 4), (std::vector<int32_t>{9, 19, 28, 38}));

  const int32_t per_channel[4] = {1, 2, 3, 4};
  problem.zero_points = per_channel;
  Linear(problem, {0, 1, 0, 4});
  EXPECT_EQ(std::vector<int32_t>(c, c + 4), (std::vector<int32_t>{9, 18, 27, 36}));

  const float scales_per_group[2] = {0.5f, 2.0f};
  problem.zero_points = {};
  problem.scales = scales_per_group;
  problem.epilogue.output = OutputF32{};
  float y[4] = {};
  problem.output = {y, 1, 4};
  Linear(problem, {0, 1, 0, 4});
  EXPECT_EQ(std::vector<float>(y, y + 4), (std::vector<float>{5, 10, 60, 80}));
}

// 65,800 * 255 * 127 = 2,130,933,000 fits int32; with twice as many k the sum wraps.
TEST(LongSums, AreExactModulo2To32) {
  for (const int64_t inputs : {65800, 131600}) {
    const std::vector<uint8_t> a(static_cast<size_t>(inputs), 255);
    const std::vector<int8_t> b(static_cast<size_t>(inputs), 127);
    int32_t c = 0;
    LinearProblem problem;
    problem.rows = 1;
    problem.inputs = inputs;
    problem.outputs = 1;
    problem.input = {a.data(), 1, inputs};
    problem.weights = b.data();
    problem.weights_stride = 1;
    problem.epilogue.output = OutputS32{};
    problem.output = {&c, 1, 1};
    Linear(problem, {0, 1, 0, 1});
    EXPECT_EQ(c, inputs == 65800 ? 2130933000 : static_cast<int32_t>(4261866000u));
  }
}

}  // namespace
}  // namespace qforge::ref
