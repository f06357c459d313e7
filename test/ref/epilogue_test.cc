// The float half of ref::Linear against values worked out by hand. Without inputs (K = 0) the
// accumulators are the s32 bias, so that each case states its accumulator.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <vector>

#include "ref/reference.h"

namespace qforge::ref {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr int32_t kMax = std::numeric_limits<int32_t>::max();
constexpr int32_t kMin = std::numeric_limits<int32_t>::min();

// One row whose accumulators are `accumulators`, through the epilogue of `problem`.
template <class T>
std::vector<T> Apply(LinearProblem problem, const std::vector<int32_t>& accumulators) {
  const int64_t outputs = static_cast<int64_t>(accumulators.size());
  std::vector<T> y(accumulators.size());
  problem.rows = 1;
  problem.outputs = outputs;
  problem.input = {static_cast<const uint8_t*>(nullptr), 1, 0};
  problem.epilogue.bias = accumulators;
  problem.output = {y.data(), 1, outputs};
  Linear(problem, {0, 1, 0, outputs});
  return y;
}

LinearProblem ProblemOf(Output output, float input_scale) {
  LinearProblem problem;
  problem.epilogue.output = output;
  problem.quantization.scale = input_scale;
  return problem;
}

TEST(Rounding, IsToNearestEven) {
  EXPECT_EQ(Apply<uint8_t>(ProblemOf(OutputU8{}, 0.5f), {0, 1, 2, 3, 4, 5, 7, 509, 510, 511}),
            (std::vector<uint8_t>{0, 0, 1, 2, 2, 2, 4, 254, 255, 255}));
  EXPECT_EQ(Apply<int8_t>(ProblemOf(OutputS8{}, 0.5f), {-1, -2, -3, -5, -7, -255, -256, -257, 253}),
            (std::vector<int8_t>{0, -1, -2, -2, -4, -128, -128, -128, 126}));
}

// The zero-point is added behind the rounding: 0.5 + 1 is 1, not 2.
TEST(Rounding, ComesBeforeTheZeroPoint) {
  EXPECT_EQ(Apply<uint8_t>(ProblemOf(OutputU8{1.0f, 1}, 0.5f), {1, 3, -1, -2, -3, 507, 508, 509}),
            (std::vector<uint8_t>{1, 3, 1, 0, 0, 255, 255, 255}));
  EXPECT_EQ(Apply<int8_t>(ProblemOf(OutputS8{1.0f, -3}, 0.5f), {1, 3, -1, -249, -250, -251, 260}),
            (std::vector<int8_t>{-3, -1, -3, -127, -128, -128, 127}));
}

TEST(Rounding, OfAccumulatorsBeyond24Bits) {
  // Ties between neighbours that are 2 apart go to the even one.
  EXPECT_EQ(Apply<float>(ProblemOf(OutputF32{}, 1.0f), {16777217, 16777219, -16777217, kMax, kMin}),
            (std::vector<float>{16777216.0f, 16777220.0f, -16777216.0f, 0x1p31f, -0x1p31f}));
}

// 2e9 * 3 is beyond int32: a conversion before the clamp would give INT_MIN, and so 0.
TEST(Saturation, IsInFloat) {
  const std::vector<int32_t> accumulators{2000000000, kMax, 1, 0, -1, kMin};
  EXPECT_EQ(Apply<uint8_t>(ProblemOf(OutputU8{1.0f, 128}, 3.0f), accumulators),
            (std::vector<uint8_t>{255, 255, 131, 128, 125, 0}));
  EXPECT_EQ(Apply<int8_t>(ProblemOf(OutputS8{1.0f, -128}, 3.0f), accumulators),
            (std::vector<int8_t>{127, 127, -125, -128, -128, -128}));
}

// 3e38 / 1e-38 is infinite, and 0 times that is NaN.
TEST(Saturation, OfInfinitiesAndNaN) {
  LinearProblem problem = ProblemOf(OutputU8{1e-38f, 10}, 1.0f);
  const float scale[1] = {3e38f};
  problem.scales = scale;
  EXPECT_EQ(Apply<uint8_t>(problem, {1, -1, 0}), (std::vector<uint8_t>{255, 0, 0}));
  problem.epilogue.output = OutputS8{1e-38f, 10};
  EXPECT_EQ(Apply<int8_t>(problem, {1, -1, 0}), (std::vector<int8_t>{127, -128, -128}));
  // An activation gives NaN its lower bound, as maxps does.
  problem.epilogue.activation = Activation::kRelu;
  EXPECT_EQ(Apply<int8_t>(problem, {1, -1, 0}), (std::vector<int8_t>{127, 10, 10}));
}

// 2^-75 * (2^-75 / 2^-149) is 1/2; (2^-75 * 2^-75) / 2^-149 would be 0.
TEST(Multiplier, DividesByTheOutputScaleFirst) {
  LinearProblem problem = ProblemOf(OutputU8{0x1p-149f, 0}, 0x1p-75f);
  const float scale[1] = {0x1p-75f};
  problem.scales = scale;
  EXPECT_EQ(Apply<uint8_t>(problem, {3, 5, 8}), (std::vector<uint8_t>{2, 2, 4}));
}

TEST(Multiplier, TakesScalesPerRowAndChannel) {
  const std::vector<int32_t> bias{1, 2};
  const float weight_scales[2] = {3, 5};
  const float row_scales[2] = {0.5f, 8};
  const int32_t row_zero_points[2] = {0, 0};
  float y[4] = {};
  LinearProblem problem;
  problem.rows = 2;
  problem.outputs = 2;
  problem.input = {static_cast<const uint8_t*>(nullptr), 2, 0};
  problem.scales = weight_scales;
  problem.quantization = InputQuantization(ArrayView<const float>(row_scales),
                                           ArrayView<const int32_t>(row_zero_points));
  problem.epilogue.bias = bias;
  problem.epilogue.output = OutputF32{};
  problem.output = {y, 2, 2};
  Linear(problem, {0, 2, 0, 2});
  EXPECT_EQ(std::vector<float>(y, y + 4), (std::vector<float>{1.5f, 5, 24, 80}));
}

// (2^12 + 1)^2 = 2^24 + 2^13 + 1 has 25 bits. In one rounding with -(2^24 + 2^13) it leaves 1; the
// product alone would lose it.
TEST(FloatBias, IsAddedInOneRounding) {
  const uint8_t a[1] = {241};
  const int8_t b[1] = {17};  // 241 * 17 = 4097
  const std::vector<float> bias{-(0x1p24f + 0x1p13f)};
  float y = 0;
  LinearProblem problem = ProblemOf(OutputF32{}, 4097.0f);
  problem.rows = problem.inputs = problem.outputs = 1;
  problem.input = {a, 1, 1};
  problem.weights = b;
  problem.weights_stride = 1;
  problem.epilogue.bias = bias;
  problem.output = {&y, 1, 1};
  Linear(problem, {0, 1, 0, 1});
  EXPECT_EQ(y, 1.0f);
}

TEST(FloatBias, IsInRealUnits) {
  const uint8_t a[1] = {3};
  const int8_t b[1] = {2};
  const std::vector<float> bias{10.0f};
  uint8_t y = 0;
  LinearProblem problem = ProblemOf(OutputU8{0.5f, 7}, 2.0f);
  problem.rows = problem.inputs = problem.outputs = 1;
  problem.input = {a, 1, 1};
  problem.weights = b;
  problem.weights_stride = 1;
  problem.epilogue.bias = bias;
  problem.output = {&y, 1, 1};
  Linear(problem, {0, 1, 0, 1});
  EXPECT_EQ(y, (6 * 2 + 10) * 2 + 7);
}

TEST(Residual, IsAddedInRealUnits) {
  LinearProblem problem = ProblemOf(OutputF32{}, 1.0f);
  const uint8_t residual_u8[3] = {0, 100, 255};
  problem.epilogue.residual = {DataType::kU8, 0.25f, 100};
  problem.residual = {residual_u8, 1, 3};
  EXPECT_EQ(Apply<float>(problem, {1, 2, 3}), (std::vector<float>{-24, 2, 41.75f}));

  const int8_t residual_s8[3] = {-128, 0, 127};
  problem.epilogue.residual = {DataType::kS8, 0.25f, -100};
  problem.residual = {residual_s8, 1, 3};
  EXPECT_EQ(Apply<float>(problem, {1, 2, 3}), (std::vector<float>{-6, 27, 59.75f}));

  problem.epilogue.residual = {DataType::kS8, 0.25f, 0};
  problem.epilogue.output = OutputU8{0.5f, 64};  // a step of the residual is half a step
  EXPECT_EQ(Apply<uint8_t>(problem, {1, 2, 3}), (std::vector<uint8_t>{2, 68, 134}));
}

TEST(Residual, MayBeTheOutput) {
  const std::vector<int32_t> bias{10, 20};
  uint8_t y[2] = {5, 6};
  LinearProblem problem = ProblemOf(OutputU8{}, 1.0f);
  problem.rows = 1;
  problem.outputs = 2;
  problem.input = {static_cast<const uint8_t*>(nullptr), 1, 0};
  problem.epilogue.bias = bias;
  problem.epilogue.residual = {DataType::kU8, 2.0f, 0};
  problem.residual = {static_cast<const uint8_t*>(y), 1, 2};
  problem.output = {y, 1, 2};
  Linear(problem, {0, 1, 0, 2});
  EXPECT_EQ(y[0], 20);
  EXPECT_EQ(y[1], 32);
}

TEST(Activation, ReluStopsAtTheZeroPoint) {
  LinearProblem problem = ProblemOf(OutputU8{1.0f, 100}, 1.0f);
  problem.epilogue.activation = Activation::kRelu;
  EXPECT_EQ(Apply<uint8_t>(problem, {-1000, -1, 0, 1, 155, 156}),
            (std::vector<uint8_t>{100, 100, 100, 101, 255, 255}));
}

// -1 * 2^-149 * ... underflows to -0, which ReLU makes +0.
TEST(Activation, ReluOfNegativeZero) {
  LinearProblem problem = ProblemOf(OutputF32{}, 0x1p-149f);
  const float scale[1] = {0x1p-10f};
  problem.scales = scale;
  EXPECT_TRUE(std::signbit(Apply<float>(problem, {-1})[0]));
  problem.epilogue.activation = Activation::kRelu;
  const float y = Apply<float>(problem, {-1})[0];
  EXPECT_EQ(y, 0.0f);
  EXPECT_FALSE(std::signbit(y));
}

TEST(Activation, ClampIsInRealUnits) {
  LinearProblem problem = ProblemOf(OutputF32{}, 0.5f);
  problem.epilogue.activation = Activation::kClamp;
  problem.epilogue.clamp_min = -1.25f;
  problem.epilogue.clamp_max = 6.0f;
  EXPECT_EQ(Apply<float>(problem, {-3, -2, 12, 13}), (std::vector<float>{-1.25f, -1, 6, 6}));
  // -1.25 and 6 are -2.5 (to even: -2) and 12 steps of 0.5.
  problem.epilogue.output = OutputS8{0.5f, 1};
  EXPECT_EQ(Apply<int8_t>(problem, {-3, -2, 12, 13}), (std::vector<int8_t>{-1, -1, 13, 13}));
}

TEST(Activation, ClampMayLieOutsideOfTheType) {
  LinearProblem problem = ProblemOf(OutputU8{1.0f, 0}, 1.0f);
  problem.epilogue.activation = Activation::kClamp;
  problem.epilogue.clamp_min = 300.0f;
  problem.epilogue.clamp_max = kInfinity;
  EXPECT_EQ(Apply<uint8_t>(problem, {0, 400}), (std::vector<uint8_t>{255, 255}));
  problem.epilogue.clamp_min = -kInfinity;
  problem.epilogue.clamp_max = -5.0f;
  EXPECT_EQ(Apply<uint8_t>(problem, {0, 400}), (std::vector<uint8_t>{0, 0}));
}

TEST(Activation, OfNaNIsTheLowerBound) {
  const uint8_t a[1] = {1};
  const int8_t b[1] = {1};
  const std::vector<float> bias{kNan};
  float y = 0;
  LinearProblem problem = ProblemOf(OutputF32{}, 1.0f);
  problem.rows = problem.inputs = problem.outputs = 1;
  problem.input = {a, 1, 1};
  problem.weights = b;
  problem.weights_stride = 1;
  problem.epilogue.bias = bias;
  problem.output = {&y, 1, 1};
  Linear(problem, {0, 1, 0, 1});
  EXPECT_TRUE(std::isnan(y));
  problem.epilogue.activation = Activation::kRelu;
  Linear(problem, {0, 1, 0, 1});
  EXPECT_EQ(y, 0.0f);
  problem.epilogue.activation = Activation::kClamp;
  problem.epilogue.clamp_min = -3.0f;
  problem.epilogue.clamp_max = 4.0f;
  Linear(problem, {0, 1, 0, 1});
  EXPECT_EQ(y, -3.0f);
}

}  // namespace
}  // namespace qforge::ref
