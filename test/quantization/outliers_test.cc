#include "qforge/outliers.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <limits>
#include <random>
#include <vector>

#include "qforge/linear.h"
#include "qforge/quantization.h"

namespace qforge {
namespace {

// Normal, clipped at 4 sigma, and one in a hundred 8 times as large.
std::vector<float> HeavyTailed(int64_t count, uint32_t seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) {
    value = std::clamp(normal(generator), -4.0f, 4.0f);
    if (generator() % 100 == 0) value *= 8.0f;
  }
  return values;
}

// main + outliers, times the scale.
std::vector<float> Dequantized(const OutlierQuantizedWeights& q, WeightsLayout layout,
                               int64_t groups) {
  const bool by_row = layout == WeightsLayout::kInputsByOutputs;
  const int64_t outputs = static_cast<int64_t>(q.scales.size()) / groups;
  std::vector<float> real(q.weights.size());
  const SparseWeights outliers = q.outliers();
  for (int64_t column = 0; column < outliers.outputs; ++column) {
    std::vector<int32_t> total(static_cast<size_t>(q.inputs));
    const auto at = [&](int64_t k) {
      const int64_t group = column / outputs;
      return static_cast<size_t>(by_row ? (group * q.inputs + k) * q.cols + column % outputs
                                        : column * q.cols + k);
    };
    for (int64_t k = 0; k < q.inputs; ++k) total[static_cast<size_t>(k)] = q.weights[at(k)];
    for (int64_t e = outliers.column_offsets[column]; e < outliers.column_offsets[column + 1];
         ++e) {
      total[static_cast<size_t>(outliers.row_indices[e])] += outliers.values[e];
    }
    for (int64_t k = 0; k < q.inputs; ++k) {
      real[at(k)] =
          q.scales[static_cast<size_t>(column)] * static_cast<float>(total[static_cast<size_t>(k)]);
    }
  }
  return real;
}

// Many outliers, all of them far beyond the others.
TEST(Outliers, CanBePacked) {
  for (const int64_t inputs : {600, 20000, 65536}) {
    for (const int64_t large : {int64_t{500}, int64_t{550}, inputs / 2, inputs}) {
      for (const float sign : {1.0f, -1.0f}) {
        std::vector<float> weights(static_cast<size_t>(inputs), 1e-4f);
        std::fill_n(weights.begin(), large, sign);
        OutlierQuantizationOptions options;
        options.density = 1.0;
        const auto q = QuantizeWeightsWithOutliers({weights.data(), inputs, 1}, options);
        ASSERT_TRUE(q.ok()) << q.status().message();
        PackedWeightsOptions packing;
        packing.scales = q->scales;
        packing.outliers = q->outliers();
        const Status packed = PackedWeights::Create(q->main(), packing).status();
        EXPECT_TRUE(packed.ok()) << inputs << ", " << large << ": " << packed.message();
        // As fine as that allows.
        const double sum = static_cast<double>(large) + 1e-4 * static_cast<double>(inputs - large);
        EXPECT_LE(q->scales[0], std::max(1 / 16383.0, sum / 8421504.0) * 1.005);
      }
    }
  }
}

TEST(Outliers, EveryWeightIsWithinHalfAStep) {
  for (const WeightsLayout layout :
       {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
    for (const int64_t groups : {1, 3}) {
      const bool by_row = layout == WeightsLayout::kInputsByOutputs;
      const int64_t inputs = 301, outputs = 17;
      const int64_t rows = groups * (by_row ? inputs : outputs);
      const int64_t cols = by_row ? outputs : inputs;
      const std::vector<float> weights = HeavyTailed(rows * cols, 1);
      OutlierQuantizationOptions options;
      options.layout = layout;
      options.groups = groups;
      options.density = 0.02;
      const auto q = QuantizeWeightsWithOutliers({weights.data(), rows, cols}, options);
      ASSERT_TRUE(q.ok()) << q.status().message();
      const std::vector<float> real = Dequantized(*q, layout, groups);
      for (int64_t i = 0; i < rows * cols; ++i) {
        const int64_t row = i / cols, col = i % cols;
        const int64_t channel = by_row ? row / inputs * outputs + col : row;
        const size_t at = static_cast<size_t>(i);
        ASSERT_LE(std::abs(real[at] - weights[at]),
                  0.501f * q->scales[static_cast<size_t>(channel)])
            << i;
      }
      // At most 6 of 301 a channel, and never so few that the scale is that of all weights.
      const SparseWeights outliers = q->outliers();
      for (int64_t j = 0; j < outliers.outputs; ++j) {
        int64_t positions = 0;
        int32_t previous = -1;
        for (int64_t e = outliers.column_offsets[j]; e < outliers.column_offsets[j + 1]; ++e) {
          const int32_t k = static_cast<int32_t>(outliers.row_indices[e]);
          positions += k != previous ? 1 : 0;
          previous = k;
        }
        ASSERT_LE(positions, 6);
      }
    }
  }
}

TEST(Outliers, NoDensityIsSymmetricMinMax) {
  const std::vector<float> weights = HeavyTailed(64 * 8, 2);
  OutlierQuantizationOptions options;
  options.density = 0.0;
  const auto q = QuantizeWeightsWithOutliers({weights.data(), 64, 8}, options);
  ASSERT_TRUE(q.ok());
  EXPECT_TRUE(q->values.empty());
  for (int64_t j = 0; j < 8; ++j) {
    float largest = 0.0f;
    for (int64_t k = 0; k < 64; ++k) {
      largest = std::max(largest, std::abs(weights[static_cast<size_t>(k * 8 + j)]));
    }
    EXPECT_FLOAT_EQ(q->scales[static_cast<size_t>(j)], largest / 127.0f);
  }
}

// The square root of the mean squared error of outputs, on activations that are exact.
double OutputError(const PackedWeights& packed, const std::vector<float>& weights, int64_t k,
                   int64_t n) {
  constexpr int64_t kRows = 32;
  std::mt19937 generator(3);
  std::vector<uint8_t> a(static_cast<size_t>(kRows * k));
  for (uint8_t& value : a) value = static_cast<uint8_t>(generator());
  std::vector<float> c(static_cast<size_t>(kRows * n));
  Epilogue epilogue;
  epilogue.output = OutputF32{};
  const auto linear = Linear::Create(Context::Create().value(), packed, epilogue);
  EXPECT_TRUE(linear.ok());
  EXPECT_TRUE(linear->Run({a.data(), kRows, k}, {1.0f, 128}, {c.data(), kRows, n}).ok());
  double error = 0.0;
  for (int64_t i = 0; i < kRows; ++i) {
    for (int64_t j = 0; j < n; ++j) {
      double exact = 0.0;
      for (int64_t l = 0; l < k; ++l) {
        exact += (a[static_cast<size_t>(i * k + l)] - 128.0) *
                 double{weights[static_cast<size_t>(l * n + j)]};
      }
      const double difference = c[static_cast<size_t>(i * n + j)] - exact;
      error += difference * difference;
    }
  }
  return std::sqrt(error / static_cast<double>(kRows * n));
}

// Weights of 4 sigma, 1 % of them 8 times as large: what the whole range costs in accuracy.
TEST(Outliers, AFifthOfTheErrorOfMinMax) {
  const int64_t k = 1024, n = 64;
  const std::vector<float> weights = HeavyTailed(k * n, 4);
  std::vector<int8_t> plain(weights.size());
  std::vector<float> scales(static_cast<size_t>(n));
  ASSERT_TRUE(QuantizeWeights({weights.data(), k, n}, {}, {plain.data(), k, n}, scales).ok());
  PackedWeightsOptions plain_options;
  plain_options.scales = scales;
  const auto min_max = PackedWeights::Create({plain.data(), k, n}, plain_options);
  ASSERT_TRUE(min_max.ok());

  OutlierQuantizationOptions options;
  options.density = 0.02;
  const auto q = QuantizeWeightsWithOutliers({weights.data(), k, n}, options);
  ASSERT_TRUE(q.ok());
  PackedWeightsOptions outlier_options;
  outlier_options.scales = q->scales;
  outlier_options.outliers = q->outliers();
  const auto aware = PackedWeights::Create(q->main(), outlier_options);
  ASSERT_TRUE(aware.ok()) << aware.status().message();

  const double plain_error = OutputError(*min_max, weights, k, n);
  const double aware_error = OutputError(*aware, weights, k, n);
  RecordProperty("reduction", std::to_string(plain_error / aware_error));
  EXPECT_GT(plain_error, 5.0 * aware_error) << plain_error << " and " << aware_error;
}

TEST(Outliers, Degenerate) {
  const auto none = QuantizeWeightsWithOutliers({nullptr, 0, 0});
  ASSERT_TRUE(none.ok());
  EXPECT_TRUE(none->weights.empty());
  EXPECT_EQ(none->outliers().outputs, 0);
  // Channels of no weights, which have no address.
  const auto empty = QuantizeWeightsWithOutliers({nullptr, 0, 3});
  ASSERT_TRUE(empty.ok());
  EXPECT_EQ(empty->scales, std::vector<float>(3, 1.0f));

  const float zeros[6] = {};
  const auto zero = QuantizeWeightsWithOutliers({zeros, 3, 2});
  ASSERT_TRUE(zero.ok());
  EXPECT_EQ(zero->scales, (std::vector<float>{1.0f, 1.0f}));

  // All but one are 0, and that is an outlier: it is held to 16383 steps.
  float one[8] = {};
  one[5] = -3.0f;
  OutlierQuantizationOptions options;
  options.density = 0.125;
  const auto alone = QuantizeWeightsWithOutliers({one, 8, 1}, options);
  ASSERT_TRUE(alone.ok());
  EXPECT_NEAR(Dequantized(*alone, options.layout, 1)[5], -3.0, 1e-3);
  int total = alone->weights[5];
  for (int8_t value : alone->values) total += value;
  EXPECT_EQ(total, -16383);

  // Subnormal weights have no scale of their own.
  const float tiny[4] = {1e-44f, -1e-44f, 0.0f, 1e-45f};
  const auto subnormal = QuantizeWeightsWithOutliers({tiny, 4, 1});
  ASSERT_TRUE(subnormal.ok());
  EXPECT_GE(subnormal->scales[0], std::numeric_limits<float>::min());
}

TEST(Outliers, BadInput) {
  const float weights[4] = {1.0f, 2.0f, std::numeric_limits<float>::infinity(), 4.0f};
  OutlierQuantizationOptions options;
  const auto expect = [&](int64_t rows, StatusCode code, const char* field, const char* value) {
    const auto q = QuantizeWeightsWithOutliers({weights, rows, 1}, options);
    ASSERT_FALSE(q.ok());
    EXPECT_EQ(q.status().code(), code);
    EXPECT_STREQ(q.status().field(), field);
    EXPECT_NE(std::string(q.status().message()).find(value), std::string::npos)
        << q.status().message();
  };
  expect(4, StatusCode::kOutOfRange, "weights", "(2, 0) is inf");
  options.density = 1.5;
  expect(2, StatusCode::kOutOfRange, "options.density", "1.5 is not in [0, 1]");
  options.density = std::nan("");
  expect(2, StatusCode::kOutOfRange, "options.density", "nan");
  options.density = 0.1;
  options.groups = 0;
  expect(2, StatusCode::kOutOfRange, "options.groups", "0 is below 1");
  options.groups = 3;
  expect(2, StatusCode::kInvalidArgument, "options.groups", "3 does not divide");
  // Any number divides no rows; that of the columns must not wrap around.
  options.groups = int64_t{1} << 62;
  const auto many = QuantizeWeightsWithOutliers({nullptr, 0, 4}, options);
  ASSERT_FALSE(many.ok());
  EXPECT_EQ(many.status().code(), StatusCode::kOutOfRange);
  options.groups = 1;
  options.layout = static_cast<WeightsLayout>(7);
  expect(2, StatusCode::kInvalidArgument, "options.layout", "7 is no layout");
}

}  // namespace
}  // namespace qforge
