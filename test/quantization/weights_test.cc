// QuantizeWeights: against its definition, element by element through the reference, and its
// errors.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <string>
#include <vector>

#include "qforge/quantization.h"
#include "quantization/array_case.h"
#include "ref/reference.h"
#include "support/status_matchers.h"
#include "support/test_matrix.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

struct Case {
  int64_t inputs;
  int64_t outputs;
  WeightsQuantizationOptions options;
  int64_t gap;
};

bool ByInputs(const Case& c) { return c.options.layout == WeightsLayout::kInputsByOutputs; }
int64_t Rows(const Case& c) { return c.options.groups * (ByInputs(c) ? c.inputs : c.outputs); }
int64_t Columns(const Case& c) { return ByInputs(c) ? c.outputs : c.inputs; }

// Which of the scales element (row, column) of the matrix has.
int64_t IndexOf(const Case& c, int64_t row, int64_t column) {
  const int64_t rows_of_group = ByInputs(c) ? c.inputs : c.outputs;
  const int64_t group = row / rows_of_group;
  switch (c.options.granularity) {
    case Granularity::kPerTensor:
      return 0;
    case Granularity::kPerGroup:
      return group;
    case Granularity::kPerChannel:
      return group * c.outputs + (ByInputs(c) ? column : row % rows_of_group);
  }
  return -1;
}

int64_t Count(const Case& c) {
  switch (c.options.granularity) {
    case Granularity::kPerTensor:
      return 1;
    case Granularity::kPerGroup:
      return c.options.groups;
    case Granularity::kPerChannel:
      return c.options.groups * c.outputs;
  }
  return -1;
}

std::string Describe(const Case& c) {
  return "K=" + std::to_string(c.inputs) + " N=" + std::to_string(c.outputs) +
         " G=" + std::to_string(c.options.groups) + (ByInputs(c) ? " KxN" : " NxK") +
         " granularity " + std::to_string(static_cast<int>(c.options.granularity)) +
         (c.options.symmetric ? " symmetric" : " asymmetric");
}

void Check(const Case& c, Guard guard) {
  SCOPED_TRACE(Describe(c));
  Random random(static_cast<uint64_t>(c.inputs * 1000 + c.outputs));
  TestMatrix weights(DataType::kF32, Rows(c), Columns(c), c.gap, guard);
  weights.Set([&](int64_t, int64_t) { return AnyFloat(random); });
  weights.Seal();
  const TestMatrix quantized(DataType::kS8, Rows(c), Columns(c), c.gap, Opposite(guard));
  const int64_t count = Count(c);
  const GuardedBuffer<float> scales(count, guard);
  const bool with_zero_points = !c.options.symmetric || c.inputs % 2 == 0;
  const GuardedBuffer<int32_t> zero_points(with_zero_points ? count : 0, guard);

  const Status status = QuantizeWeights(weights.view<const float>(), c.options,
                                        quantized.view<int8_t>(), scales, zero_points);
  ASSERT_TRUE(status.ok()) << status.message();
  ASSERT_TRUE(scales.CanariesIntact() && zero_points.CanariesIntact());

  std::vector<float> min(static_cast<size_t>(count), kInfinity);
  std::vector<float> max(static_cast<size_t>(count), -kInfinity);
  for (int64_t i = 0; i < Rows(c); ++i) {
    for (int64_t j = 0; j < Columns(c); ++j) {
      const int64_t index = IndexOf(c, i, j);
      ref::UpdateRange(&weights.at<float>(i, j), 1, &min[index], &max[index]);
    }
  }
  std::vector<QuantizationParameters> parameters;
  for (int64_t index = 0; index < count; ++index) {
    const ValueRange range = ref::FinishRange(min[index], max[index]);
    parameters.push_back(
        ref::ChooseParameters(range.min, range.max, {DataType::kS8, c.options.symmetric}));
    ASSERT_EQ(scales[index], parameters[index].scale) << index;
    if (!with_zero_points) continue;
    ASSERT_EQ(zero_points[index], parameters[index].zero_point) << index;
  }
  const TestMatrix expected(DataType::kS8, Rows(c), Columns(c), c.gap);
  for (int64_t i = 0; i < Rows(c); ++i) {
    for (int64_t j = 0; j < Columns(c); ++j) {
      int8_t& q = expected.at<int8_t>(i, j);
      ref::Quantize(&weights.at<float>(i, j), 1, parameters[IndexOf(c, i, j)], &q);
      if (c.options.symmetric) q = std::max(q, int8_t{-127});
    }
  }
  ASSERT_TRUE(SameBits(expected, quantized));
}

TEST(QuantizeWeights, MatchesTheReference) {
  constexpr int64_t kSizes[][2] = {{1, 1},  {0, 5},    {5, 0},   {3, 17},   {16, 16},
                                   {33, 7}, {70, 100}, {4, 300}, {300, 513}};
  for (const auto& [inputs, outputs] : kSizes) {
    for (const WeightsLayout layout :
         {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
      for (const Granularity granularity :
           {Granularity::kPerTensor, Granularity::kPerGroup, Granularity::kPerChannel}) {
        for (const bool symmetric : {false, true}) {
          for (const int64_t groups : {1, 3}) {
            const Case c{inputs, outputs, {layout, groups, granularity, symmetric}, groups - 1};
            Check(c, groups == 1 ? Guard::kBehind : Guard::kInFront);
            if (::testing::Test::HasFatalFailure()) return;
          }
        }
      }
    }
  }
}

TEST(QuantizeWeights, ByHand) {
  const float w[6] = {-1.0f, 10.0f, 0.5f, -20.0f, 1.27f, 25.4f};  // K x N
  int8_t q[6];
  float scales[2];
  ASSERT_TRUE(QuantizeWeights({w, 3, 2}, {}, {q, 3, 2}, scales).ok());
  EXPECT_EQ(scales[0], 1.27f / 127);
  EXPECT_EQ(scales[1], 25.4f / 127);
  EXPECT_EQ(std::vector<int>(q, q + 6), (std::vector<int>{-100, 50, 50, -100, 127, 127}));

  WeightsQuantizationOptions options;
  options.layout = WeightsLayout::kOutputsByInputs;
  options.symmetric = false;
  const float v[4] = {-55.0f, 200.0f, 0.0f, 51.0f};  // N x K
  int32_t zero_points[2];
  ASSERT_TRUE(QuantizeWeights({v, 2, 2}, options, {q, 2, 2}, scales, zero_points).ok());
  EXPECT_EQ(scales[0], 1.0f);
  EXPECT_EQ(scales[1], 0.2f);
  EXPECT_EQ(zero_points[0], -73);
  EXPECT_EQ(zero_points[1], -128);
  EXPECT_EQ(std::vector<int>(q, q + 4), (std::vector<int>{-128, 127, -128, 127}));
}

// The value without a counterpart is not used, whatever the weights are.
TEST(QuantizeWeights, SymmetricIsSymmetric) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  std::vector<float> w = {nan, -kInfinity, -1e30f, 0.0f, 1e30f, kInfinity};
  for (int i = 0; i < 500; ++i) w.push_back(static_cast<float>(i % 41 - 20));  // to be kept
  const int64_t count = static_cast<int64_t>(w.size());
  std::vector<int8_t> q(w.size());
  for (const WeightsLayout layout :
       {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
    const bool by_inputs = layout == WeightsLayout::kInputsByOutputs;
    const int64_t rows = by_inputs ? count : 1;
    for (const RangeMethod method : {RangeMethod::kMinMax, RangeMethod::kPercentile}) {
      for (const int bits : {2, 4, 8}) {
        WeightsQuantizationOptions options;
        options.layout = layout;
        options.method = method;
        options.percentile = 95.0;
        options.bits = bits;
        float scale;
        ASSERT_TRUE(QuantizeWeights({w.data(), rows, count / rows}, options,
                                    {q.data(), rows, count / rows}, {&scale, 1})
                        .ok());
        const int most = (1 << (bits - 1)) - 1;
        EXPECT_EQ(q[0], -most) << bits;
        EXPECT_EQ(q[1], -most) << bits;
        EXPECT_EQ(q[3], 0) << bits;
        EXPECT_EQ(q[5], most) << bits;
        EXPECT_EQ(*std::min_element(q.begin(), q.end()), -most) << bits;
        EXPECT_EQ(*std::max_element(q.begin(), q.end()), most) << bits;
      }
    }
  }
}

TEST(QuantizeWeights, NamesTheBadArgument) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kOutOfRange = StatusCode::kOutOfRange;
  const std::vector<float> w(12, 1.0f);
  std::vector<int8_t> q(12, 7);
  std::vector<float> scales(3, 7.0f);
  std::vector<int32_t> zero_points(3, 7);
  const MatrixView<const float> weights(w.data(), 4, 3);
  const MatrixView<int8_t> quantized(q.data(), 4, 3);
  const auto with = [&](auto change) {
    WeightsQuantizationOptions options;
    change(options);
    return QuantizeWeights(weights, options, quantized, scales, zero_points);
  };
  EXPECT_TRUE(IsError(with([](auto& o) { o.groups = 0; }), kOutOfRange, "options.groups"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.groups = 3; }), kInvalid, "options.groups"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.layout = static_cast<WeightsLayout>(2); }), kInvalid,
                      "options.layout"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.granularity = static_cast<Granularity>(3); }), kInvalid,
                      "options.granularity"));
  EXPECT_TRUE(
      IsError(with([](auto& o) { o.granularity = Granularity::kPerTensor; }), kInvalid, "scales"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.groups = 2; }), kInvalid, "scales"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.layout = WeightsLayout::kOutputsByInputs; }), kInvalid,
                      "scales"));

  const WeightsQuantizationOptions options;
  EXPECT_TRUE(
      IsError(QuantizeWeights({nullptr, 4, 3}, options, quantized, scales), kInvalid, "weights"));
  EXPECT_TRUE(IsError(QuantizeWeights({w.data(), 4, 3, 2}, options, quantized, scales), kInvalid,
                      "weights"));
  EXPECT_TRUE(
      IsError(QuantizeWeights(weights, options, {nullptr, 4, 3}, scales), kInvalid, "quantized"));
  EXPECT_TRUE(
      IsError(QuantizeWeights(weights, options, {q.data(), 3, 4}, scales), kInvalid, "quantized"));
  EXPECT_TRUE(IsError(QuantizeWeights(weights, options, quantized, ArrayView<float>(nullptr, 3)),
                      kInvalid, "scales"));
  EXPECT_TRUE(IsError(QuantizeWeights(weights, options, quantized, scales,
                                      ArrayView<int32_t>(zero_points.data(), 2)),
                      kInvalid, "zero_points"));
  WeightsQuantizationOptions asymmetric;
  asymmetric.symmetric = false;
  EXPECT_TRUE(
      IsError(QuantizeWeights(weights, asymmetric, quantized, scales), kInvalid, "zero_points"));
  const MatrixView<int8_t> shared(reinterpret_cast<int8_t*>(const_cast<float*>(w.data())), 4, 3);
  EXPECT_TRUE(IsError(QuantizeWeights(weights, options, shared, scales), kInvalid, "quantized"));

  EXPECT_EQ(q, std::vector<int8_t>(12, 7));
  EXPECT_EQ(scales, std::vector<float>(3, 7.0f));
  EXPECT_EQ(zero_points, std::vector<int32_t>(3, 7));
}

}  // namespace
}  // namespace qforge::test
