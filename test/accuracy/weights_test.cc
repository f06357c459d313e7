// QuantizeWeights with every range method and granularity: each part against ChooseRange on its own
// values.
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <string>
#include <vector>

#include "accuracy/samples.h"
#include "qforge/quantization.h"
#include "qforge/range_choice.h"
#include "support/status_matchers.h"
#include "support/test_matrix.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

constexpr RangeMethod kSearches[] = {RangeMethod::kPercentile, RangeMethod::kL2,
                                     RangeMethod::kL2Approximate, RangeMethod::kKlDivergence};

struct Quantized {
  std::vector<int8_t> values;
  std::vector<float> scales;
  std::vector<int32_t> zero_points;

  friend bool operator==(const Quantized&, const Quantized&) = default;
};

struct Weights {
  int64_t inputs = 40;
  int64_t outputs = 3;
  WeightsQuantizationOptions options;

  bool by_inputs() const { return options.layout == WeightsLayout::kInputsByOutputs; }
  int64_t rows() const { return options.groups * (by_inputs() ? inputs : outputs); }
  int64_t cols() const { return by_inputs() ? outputs : inputs; }
  int64_t parts() const {
    if (options.granularity == Granularity::kPerTensor) return 1;
    return options.groups * (options.granularity == Granularity::kPerGroup ? 1 : outputs);
  }
  // The part that element (row, col) belongs to.
  int64_t PartOf(int64_t row, int64_t col) const {
    if (options.granularity == Granularity::kPerTensor) return 0;
    const int64_t group = row / (by_inputs() ? inputs : outputs);
    if (options.granularity == Granularity::kPerGroup) return group;
    return group * outputs + (by_inputs() ? col : row % outputs);
  }
};

std::vector<float> Values(const Weights& w) {
  std::vector<float> values = Sample(Shape::kOutliers, w.rows() * w.cols(), 1);
  // A part of zeros, an infinity, and a NaN.
  for (int64_t i = 0; i < w.rows(); ++i) {
    for (int64_t j = 0; j < w.cols(); ++j) {
      if (w.PartOf(i, j) == 2) values[i * w.cols() + j] = 0.0f;
    }
  }
  values[0] = std::numeric_limits<float>::infinity();
  values[1] = std::numeric_limits<float>::quiet_NaN();
  return values;
}

Quantized Quantize(const Weights& w, const std::vector<float>& values, const Context* context) {
  Quantized result;
  result.values.resize(values.size(), 99);
  result.scales.resize(static_cast<size_t>(w.parts()));
  result.zero_points.resize(static_cast<size_t>(w.parts()));
  const MatrixView<const float> in(values.data(), w.rows(), w.cols());
  const MatrixView<int8_t> out(result.values.data(), w.rows(), w.cols());
  const Status status =
      context == nullptr
          ? QuantizeWeights(in, w.options, out, result.scales, result.zero_points)
          : QuantizeWeights(*context, in, w.options, out, result.scales, result.zero_points);
  EXPECT_TRUE(status.ok()) << status.message();
  return result;
}

void Check(const Weights& w, const Context& context) {
  const std::vector<float> values = Values(w);
  const Quantized quantized = Quantize(w, values, nullptr);
  RangeOptions options;
  options.method = w.options.method;
  options.percentile = w.options.percentile;
  options.parameters = {DataType::kS8, w.options.symmetric, w.options.bits,
                        w.options.power_of_two_scale};
  const int highest = (1 << (w.options.bits - 1)) - 1;
  const int lowest = w.options.symmetric ? -highest : -highest - 1;
  for (int64_t part = 0; part < w.parts(); ++part) {
    std::vector<float> own;
    std::vector<int8_t> actual;
    for (int64_t i = 0; i < w.rows(); ++i) {
      for (int64_t j = 0; j < w.cols(); ++j) {
        if (w.PartOf(i, j) != part) continue;
        own.push_back(values[i * w.cols() + j]);
        actual.push_back(quantized.values[i * w.cols() + j]);
      }
    }
    Histogram histogram = std::move(Histogram::Create()).value();
    ASSERT_TRUE(histogram.Observe(own).ok());
    const Result<ChosenRange> chosen = ChooseRange(histogram, options);
    ASSERT_TRUE(chosen.ok()) << chosen.status().message();
    ASSERT_EQ(quantized.scales[part], chosen->parameters.scale) << part;
    ASSERT_EQ(quantized.zero_points[part], chosen->parameters.zero_point) << part;
    std::vector<int8_t> expected(own.size());
    ASSERT_TRUE(qforge::Quantize(own, chosen->parameters, ArrayView<int8_t>(expected)).ok());
    for (int8_t& q : expected) {
      q = static_cast<int8_t>(std::clamp<int>(q, lowest, highest));
    }
    ASSERT_EQ(actual, expected) << part;
  }
  ASSERT_EQ(Quantize(w, values, &context), quantized);
}

TEST(QuantizeWeightsBySearch, ChoosesForEachPart) {
  FixedPool pool(3);
  ContextOptions context_options;
  context_options.pool = &pool;
  const Context context = std::move(Context::Create(context_options)).value();
  for (const WeightsLayout layout :
       {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
    for (const Granularity granularity :
         {Granularity::kPerTensor, Granularity::kPerGroup, Granularity::kPerChannel}) {
      for (const RangeMethod method : kSearches) {
        for (const int64_t groups : {1, 2}) {
          Weights w;
          w.options.layout = layout;
          w.options.granularity = granularity;
          w.options.method = method;
          w.options.groups = groups;
          w.options.symmetric = groups == 1;
          w.options.bits = layout == WeightsLayout::kInputsByOutputs ? 8 : 5;
          w.options.power_of_two_scale = granularity == Granularity::kPerGroup;
          w.options.percentile = 97.0;
          SCOPED_TRACE(std::string(RangeMethodName(method)) + ", layout " +
                       std::to_string(static_cast<int>(layout)) + ", granularity " +
                       std::to_string(static_cast<int>(granularity)) + ", groups " +
                       std::to_string(groups));
          Check(w, context);
          if (::testing::Test::HasFatalFailure()) return;
        }
      }
    }
  }
}

// Columns beyond those that are looked at together, rows beyond those that are gathered.
TEST(QuantizeWeightsBySearch, LargerThanItsBlocks) {
  const Context context = std::move(Context::Create()).value();
  for (const RangeMethod method : {RangeMethod::kMinMax, RangeMethod::kPercentile}) {
    Weights w{1500, 300, {}};
    w.options.method = method;
    if (method == RangeMethod::kPercentile) {
      Check(w, context);
    } else {
      const std::vector<float> values = Values(w);
      EXPECT_EQ(Quantize(w, values, &context), Quantize(w, values, nullptr));
    }
  }
}

TEST(QuantizeWeightsBySearch, NarrowsMinMaxToo) {
  Weights w;
  w.options.bits = 3;
  w.options.symmetric = false;
  const Quantized quantized = Quantize(w, Sample(Shape::kNormal, w.rows() * w.cols(), 2), nullptr);
  const auto [least, most] = std::minmax_element(quantized.values.begin(), quantized.values.end());
  EXPECT_EQ(*least, -4);
  EXPECT_EQ(*most, 3);
}

// With few bits tails are better clipped; and each channel has its own.
TEST(QuantizeWeightsBySearch, LosesLessThanMinMax) {
  Weights w{2000, 8, {}};
  const std::vector<float> values = Sample(Shape::kNormal, 16'000, 3);
  const auto loss = [&](RangeMethod method, Granularity granularity) {
    w.options.method = method;
    w.options.granularity = granularity;
    w.options.bits = 4;
    const Quantized quantized = Quantize(w, values, nullptr);
    double sum = 0.0;
    for (size_t i = 0; i < values.size(); ++i) {
      const size_t part = granularity == Granularity::kPerChannel ? i % 8 : 0;
      const double error = static_cast<double>(values[i]) -
                           static_cast<double>(quantized.scales[part]) * quantized.values[i];
      sum += error * error;
    }
    return sum;
  };
  const double l2 = loss(RangeMethod::kL2, Granularity::kPerChannel);
  EXPECT_LT(l2, 0.7 * loss(RangeMethod::kMinMax, Granularity::kPerChannel));
  EXPECT_LT(l2, loss(RangeMethod::kL2, Granularity::kPerTensor));
}

TEST(QuantizeWeightsBySearch, EmptyAndNotANumber) {
  for (const RangeMethod method : kSearches) {
    Weights w{0, 3, {}};
    w.options.method = method;
    EXPECT_EQ(Quantize(w, {}, nullptr).scales, std::vector<float>(3, 1.0f));
    w.inputs = 2;
    const std::vector<float> nans(6, std::numeric_limits<float>::quiet_NaN());
    EXPECT_EQ(Quantize(w, nans, nullptr).scales, std::vector<float>(3, 1.0f));
    w.outputs = 0;
    EXPECT_TRUE(Quantize(w, {}, nullptr).scales.empty());
  }
}

TEST(QuantizeWeightsBySearch, NamesTheBadOption) {
  const std::vector<float> values(6, 1.0f);
  std::vector<int8_t> quantized(6, 7);
  std::vector<float> scales(3, 7.0f);
  const auto with = [&](auto change) {
    WeightsQuantizationOptions options;
    change(options);
    return QuantizeWeights({values.data(), 2, 3}, options, {quantized.data(), 2, 3}, scales);
  };
  EXPECT_TRUE(IsError(with([](auto& o) { o.method = static_cast<RangeMethod>(9); }),
                      StatusCode::kInvalidArgument, "options.method"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.bits = 9; }), StatusCode::kOutOfRange, "options.bits"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.percentile = 10.0; }), StatusCode::kOutOfRange,
                      "options.percentile"));
  EXPECT_EQ(quantized, std::vector<int8_t>(6, 7));
  EXPECT_EQ(scales, std::vector<float>(3, 7.0f));
}

}  // namespace
}  // namespace qforge::test
