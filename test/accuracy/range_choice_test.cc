// Range choice: each method against its definition, computed the plain way; what is promised
// between methods, on many histograms; degenerate histograms and bad options.
#include "qforge/range_choice.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "accuracy/samples.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();
constexpr float kSmallestNormal = std::numeric_limits<float>::min();

constexpr RangeMethod kMethods[] = {RangeMethod::kMinMax, RangeMethod::kPercentile,
                                    RangeMethod::kL2, RangeMethod::kL2Approximate,
                                    RangeMethod::kKlDivergence};

Histogram Of(const std::vector<float>& values, int64_t max_bins = 2048) {
  Histogram histogram = std::move(Histogram::Create({max_bins})).value();
  EXPECT_TRUE(histogram.Observe(values).ok());
  return histogram;
}

ChosenRange Choose(const Histogram& histogram, const RangeOptions& options) {
  const Result<ChosenRange> chosen = ChooseRange(histogram, options);
  EXPECT_TRUE(chosen.ok()) << chosen.status().message();
  return chosen.ok() ? *chosen : ChosenRange();
}

double L2Error(const Histogram& histogram, const QuantizationParameters& parameters,
               const RangeOptions& options) {
  const Result<double> error = HistogramL2Error(histogram, parameters, options);
  EXPECT_TRUE(error.ok()) << error.status().message();
  return error.ok() ? *error : kNan;
}

int Lowest(const ParameterOptions& options) {
  return options.type == DataType::kU8 ? 0 : -(1 << (options.bits - 1));
}

std::string Describe(const RangeOptions& options) {
  return std::string(RangeMethodName(options.method)) + " " +
         DataTypeName(options.parameters.type) + " bits " +
         std::to_string(options.parameters.bits) +
         (options.parameters.symmetric ? " symmetric" : "") +
         (options.parameters.power_of_two_scale ? " power of two" : "") + " activation " +
         std::to_string(static_cast<int>(options.activation));
}

// Every combination of the options that change what a search does.
std::vector<RangeOptions> AllOptions() {
  std::vector<RangeOptions> all;
  for (const DataType type : {DataType::kU8, DataType::kS8}) {
    for (const int bits : {2, 4, 7, 8}) {
      for (const bool symmetric : {false, true}) {
        for (const bool power_of_two : {false, true}) {
          for (const Activation activation :
               {Activation::kNone, Activation::kRelu, Activation::kClamp}) {
            RangeOptions options;
            options.parameters = {type, symmetric, bits, power_of_two};
            options.activation = activation;
            options.clamp_min = -0.5f;
            options.clamp_max = 2.25f;
            all.push_back(options);
          }
        }
      }
    }
  }
  return all;
}

// The mean of the squared error over many points of each bin.
double SampledL2Error(const Histogram& histogram, const QuantizationParameters& parameters,
                      const RangeOptions& options) {
  constexpr int kPoints = 2000;
  const double scale = static_cast<double>(parameters.scale);
  const int lowest = Lowest(options.parameters) - parameters.zero_point;
  const int highest = lowest + (1 << options.parameters.bits) - 1;
  double sum = 0.0;
  const auto add = [&](double x, double weight) {
    if (options.activation == Activation::kRelu) x = std::max(x, 0.0);
    if (options.activation == Activation::kClamp) {
      x = std::clamp(x, static_cast<double>(options.clamp_min),
                     static_cast<double>(options.clamp_max));
    }
    const double n = std::clamp<double>(std::nearbyint(x / scale), lowest, highest);
    sum += weight * (x - n * scale) * (x - n * scale);
  };
  for (int64_t i = 0; i < histogram.counts().size(); ++i) {
    if (histogram.counts()[i] == 0) continue;
    const double begin = std::max(histogram.Edge(i), static_cast<double>(histogram.min()));
    const double end = std::min(histogram.Edge(i + 1), static_cast<double>(histogram.max()));
    for (int point = 0; point < kPoints; ++point) {
      add(begin + (end - begin) * (point + 0.5) / kPoints,
          static_cast<double>(histogram.counts()[i]) / kPoints);
    }
  }
  add(0.0, static_cast<double>(histogram.zeros()));
  return sum / static_cast<double>(histogram.finite_count());
}

TEST(HistogramL2Error, IsTheMeanOverEvenlySpreadValues) {
  Random random(1);
  for (const Shape shape :
       {Shape::kNormal, Shape::kRelu, Shape::kTwoPeaks, Shape::kFewValues, Shape::kNegative}) {
    const Histogram histogram = Of(Sample(shape, 2000, 1), 64);
    for (const RangeOptions& options : AllOptions()) {
      SCOPED_TRACE(Name(shape) + ", " + Describe(options));
      const QuantizationParameters parameters = {
          random.Real(0.01f, 0.3f),
          Lowest(options.parameters) + random.Integer(0, (1 << options.parameters.bits) - 1)};
      const double expected = SampledL2Error(histogram, parameters, options);
      EXPECT_NEAR(L2Error(histogram, parameters, options), expected, 1e-4 * expected + 1e-9);
    }
  }
}

// Values 1 and 3 at scale 2 and no zero-point: 1 is rounded to 0 or 2, 3 to 2 or 4.
TEST(HistogramL2Error, ByHand) {
  const RangeOptions options;
  EXPECT_DOUBLE_EQ(L2Error(Of({1.0f}), {2.0f, 0}, options), 1.0);
  EXPECT_DOUBLE_EQ(L2Error(Of({2.0f}), {2.0f, 0}, options), 0.0);
  EXPECT_DOUBLE_EQ(L2Error(Of({-5.0f}), {2.0f, 0}, options), 25.0);
  EXPECT_DOUBLE_EQ(L2Error(Of({0.0f, 0.0f, 0.0f, -6.0f}), {2.0f, 0}, options), 9.0);
  EXPECT_DOUBLE_EQ(L2Error(Of({700.0f}), {2.0f, 5}, options), 200.0 * 200.0);
  // Evenly over whole steps: scale^2 / 12.
  std::vector<float> even;
  for (int i = 0; i <= 1024; ++i) even.push_back(static_cast<float>(i) * 0x1p-3f);
  EXPECT_NEAR(L2Error(Of(even), {4.0f, 0}, options), 16.0 / 12.0, 0.02);
  RangeOptions relu;
  relu.activation = Activation::kRelu;
  EXPECT_DOUBLE_EQ(L2Error(Of({-5.0f, 2.0f}), {2.0f, 0}, relu), 0.0);
  EXPECT_DOUBLE_EQ(L2Error(Of({kNan}), {2.0f, 0}, options), 0.0);
}

TEST(HistogramL2Error, RefusesBadParameters) {
  const Histogram histogram = Of({1.0f});
  const auto status = [&](QuantizationParameters parameters, const RangeOptions& options) {
    return HistogramL2Error(histogram, parameters, options).status();
  };
  RangeOptions options;
  EXPECT_TRUE(IsError(status({0.0f, 0}, options), StatusCode::kOutOfRange, "parameters.scale"));
  EXPECT_TRUE(IsError(status({kNan, 0}, options), StatusCode::kOutOfRange, "parameters.scale"));
  EXPECT_TRUE(
      IsError(status({1.0f, 256}, options), StatusCode::kOutOfRange, "parameters.zero_point"));
  options.parameters.bits = 4;
  EXPECT_TRUE(
      IsError(status({1.0f, 16}, options), StatusCode::kOutOfRange, "parameters.zero_point"));
  EXPECT_TRUE(status({1.0f, 15}, options).ok());
}

// What the header promises, on every shape, with every option.
TEST(ChooseRange, L2IsNeverWorseThanItsApproximationNorThatThanMinMax) {
  for (int shape = 0; shape < kShapeCount; ++shape) {
    for (const int64_t max_bins : {16, 100}) {
      const Histogram histogram =
          Of(Sample(static_cast<Shape>(shape), 500, static_cast<uint64_t>(max_bins)), max_bins);
      for (RangeOptions options : AllOptions()) {
        const auto error = [&](RangeMethod method) {
          options.method = method;
          const ChosenRange chosen = Choose(histogram, options);
          EXPECT_EQ(chosen.l2_error, L2Error(histogram, chosen.parameters, options));
          return chosen.l2_error;
        };
        const double l2 = error(RangeMethod::kL2);
        const double approximate = error(RangeMethod::kL2Approximate);
        const double min_max = error(RangeMethod::kMinMax);
        ASSERT_LE(l2, approximate) << Name(static_cast<Shape>(shape)) << Describe(options);
        ASSERT_LE(approximate, min_max) << Name(static_cast<Shape>(shape)) << Describe(options);
      }
    }
  }
}

// Histograms of all kinds of gaps and spikes, in full size.
TEST(ChooseRange, L2IsNeverWorseOnRandomHistograms) {
  Random random(2);
  for (int repetition = 0; repetition < 200; ++repetition) {
    std::vector<float> values;
    const int peaks = random.Integer(1, 6);
    for (int peak = 0; peak < peaks; ++peak) {
      const float centre = random.Real(-1.0f, 1.0f) * std::exp2(random.Real(-20.0f, 20.0f));
      const float width = std::exp2(random.Real(-25.0f, 15.0f));
      const int count = random.Integer(1, 300);
      for (int i = 0; i < count; ++i) values.push_back(centre + width * Normal(random));
    }
    const Histogram histogram = Of(values);
    RangeOptions options;
    options.parameters = {random.Integer(0, 1) ? DataType::kU8 : DataType::kS8,
                          random.Integer(0, 1) == 0, random.Integer(2, 8),
                          random.Integer(0, 1) == 0};
    double error[3];
    for (const int i : {0, 1, 2}) {
      options.method =
          std::vector{RangeMethod::kL2, RangeMethod::kL2Approximate, RangeMethod::kMinMax}[i];
      error[i] = Choose(histogram, options).l2_error;
    }
    ASSERT_LE(error[0], error[1]) << repetition << Describe(options);
    ASSERT_LE(error[1], error[2]) << repetition << Describe(options);
  }
}

// All pairs of edges, one after the other.
TEST(ChooseRange, L2IsTheBestOfAllRanges) {
  for (const Shape shape : {Shape::kNormal, Shape::kRelu, Shape::kOutliers, Shape::kTwoPeaks,
                            Shape::kFarFromZero, Shape::kNegative, Shape::kHuge}) {
    const Histogram histogram = Of(Sample(shape, 1000, 3), 40);
    std::vector<double> ends = {0.0, static_cast<double>(histogram.min()),
                                static_cast<double>(histogram.max())};
    for (int64_t i = 0; i <= histogram.counts().size(); ++i) ends.push_back(histogram.Edge(i));
    for (RangeOptions options : AllOptions()) {
      if (options.activation == Activation::kClamp) continue;
      options.method = RangeMethod::kL2;
      double least = std::numeric_limits<double>::infinity();
      for (const double low : ends) {
        for (const double high : ends) {
          const bool inside = low >= static_cast<double>(histogram.min()) &&
                              high <= static_cast<double>(histogram.max());
          const bool covers = options.activation == Activation::kRelu ? low == 0.0 : low <= 0.0;
          if (!inside && low != 0.0 && high != 0.0) continue;
          if (!covers || high < 0.0 || low == high || high > static_cast<double>(kLargest) ||
              low < -static_cast<double>(kLargest)) {
            continue;
          }
          // Of symmetric ranges the larger end counts: the extreme value, or an edge.
          const double magnitude = std::max(-low, high);
          const bool extreme = magnitude == std::max(-static_cast<double>(histogram.min()),
                                                     static_cast<double>(histogram.max()));
          if (options.parameters.symmetric && !extreme &&
              std::fmod(magnitude, histogram.bin_width()) != 0.0) {
            continue;
          }
          if (high > std::max(static_cast<double>(histogram.max()), 0.0)) continue;
          if (low < std::min(static_cast<double>(histogram.min()), 0.0)) continue;
          const auto parameters = ChooseParameters(static_cast<float>(low),
                                                   static_cast<float>(high), options.parameters);
          ASSERT_TRUE(parameters.ok());
          least = std::min(least, L2Error(histogram, *parameters, options));
        }
      }
      const double found = Choose(histogram, options).l2_error;
      ASSERT_LE(found, least) << Name(shape) << ", " << Describe(options);
      // The search looks at nothing else; but under a ReLU values of one sign have no other range.
      if (!options.parameters.symmetric && std::isfinite(least) &&
          options.activation == Activation::kNone) {
        ASSERT_EQ(found, least) << Name(shape) << ", " << Describe(options);
      }
    }
  }
}

TEST(ChooseRange, MinMaxIsChooseParameters) {
  for (int shape = 0; shape < kShapeCount; ++shape) {
    const Histogram histogram = Of(Sample(static_cast<Shape>(shape), 300, 4));
    for (RangeOptions options : AllOptions()) {
      options.method = RangeMethod::kMinMax;
      ValueRange range{histogram.min(), histogram.max()};
      if (options.activation == Activation::kRelu) {
        range = {std::max(range.min, 0.0f), std::max(range.max, 0.0f)};
      }
      if (options.activation == Activation::kClamp) {
        range = {std::clamp(range.min, -0.5f, 2.25f), std::clamp(range.max, -0.5f, 2.25f)};
      }
      const auto expected = ChooseParameters(range.min, range.max, options.parameters);
      ASSERT_TRUE(expected.ok());
      const ChosenRange chosen = Choose(histogram, options);
      EXPECT_EQ(chosen.parameters.scale, expected->scale) << Describe(options);
      EXPECT_EQ(chosen.parameters.zero_point, expected->zero_point) << Describe(options);
    }
  }
}

// As many values as asked for lie outside, up to those of a bin.
TEST(ChooseRange, PercentileClipsAsManyValuesAsAsked) {
  std::vector<float> values = Sample(Shape::kNormal, 100'000, 5);
  const Histogram histogram = Of(values);
  RangeOptions options;
  options.method = RangeMethod::kPercentile;
  for (const double percentile : {90.0, 99.0, 99.9, 100.0}) {
    options.percentile = percentile;
    for (const bool symmetric : {false, true}) {
      options.parameters.symmetric = symmetric;
      const ChosenRange chosen = Choose(histogram, options);
      // Half a step is what the rounded zero-point may have moved the range by.
      const float half = 0.5f * chosen.parameters.scale;
      const auto beyond = [&](float by) {
        return std::count_if(values.begin(), values.end(), [&](float x) {
          return x < chosen.range.min - by - (symmetric ? -chosen.parameters.scale : 0.0f) ||
                 x > chosen.range.max + by;
        });
      };
      const double expected = (100.0 - percentile) / 100.0 * 100'000;
      EXPECT_LE(static_cast<double>(beyond(half)), expected);
      EXPECT_GE(static_cast<double>(beyond(-half)), expected);
    }
  }
  RangeOptions min_max;
  min_max.method = RangeMethod::kMinMax;
  options.percentile = 100.0;
  options.parameters.symmetric = false;
  EXPECT_EQ(Choose(histogram, options).parameters.scale,
            Choose(histogram, min_max).parameters.scale);
}

TEST(ChooseRange, PercentileByHand) {
  // 1 to 100, and -1000: half a percent of 200 may be lost at either end.
  std::vector<float> values;
  for (int i = 0; i < 199; ++i) values.push_back(static_cast<float>(i / 2) + 1.0f);
  values.push_back(-1000.0f);
  RangeOptions options;
  options.method = RangeMethod::kPercentile;
  options.percentile = 99.0;
  const ChosenRange chosen = Choose(Of(values), options);
  EXPECT_EQ(chosen.range.min, 0.0f);
  EXPECT_NEAR(chosen.range.max, 100.0f, 1.0f);
}

// The relative entropy of one range from its definition, every step with every bin.
double PlainKlDivergence(const Histogram& histogram, const QuantizationParameters& parameters,
                         const ParameterOptions& options) {
  const double scale = static_cast<double>(parameters.scale);
  const int lowest = Lowest(options) - parameters.zero_point;
  const int steps = 1 << options.bits;
  const int64_t bins = histogram.counts().size();
  std::vector<double> p(static_cast<size_t>(bins), 0.0), q(p);
  double total = 0.0, kept = 0.0;
  const double bottom = (lowest - 0.5) * scale;
  const double top = (lowest + steps - 0.5) * scale;
  std::vector<double> of_step(static_cast<size_t>(steps), 0.0), bins_of_step(of_step);
  std::vector<std::vector<double>> part(static_cast<size_t>(steps), p);
  double below = 0.0, above = 0.0;
  for (int64_t i = 0; i < bins; ++i) {
    const double count = static_cast<double>(histogram.counts()[i]);
    if (count == 0.0) continue;
    total += count;
    const double begin = std::max(histogram.Edge(i), static_cast<double>(histogram.min()));
    const double end = std::min(histogram.Edge(i + 1), static_cast<double>(histogram.max()));
    below += count * std::clamp((bottom - begin) / (end - begin), 0.0, 1.0);
    above += count * std::clamp((end - top) / (end - begin), 0.0, 1.0);
    for (int s = 0; s < steps; ++s) {
      const double from = std::max(begin, (lowest + s - 0.5) * scale);
      const double to = std::min(end, (lowest + s + 0.5) * scale);
      if (to <= from) continue;
      part[s][i] = (to - from) / (end - begin);
      of_step[s] += part[s][i] * count;
      bins_of_step[s] += part[s][i];
      p[i] += part[s][i] * count;
      kept += part[s][i] * count;
    }
  }
  for (int s = 0; s < steps; ++s) {
    for (int64_t i = 0; i < bins; ++i) {
      if (part[s][i] > 0.0) q[i] += part[s][i] * of_step[s] / bins_of_step[s];
    }
  }
  if ((below > 0.0 && of_step.front() == 0.0) || (above > 0.0 && of_step.back() == 0.0)) {
    return std::numeric_limits<double>::infinity();
  }
  *std::find_if(p.begin(), p.end(), [](double x) { return x > 0.0; }) += below;
  *std::find_if(p.rbegin(), p.rend(), [](double x) { return x > 0.0; }) += above;
  double divergence = 0.0;
  for (int64_t i = 0; i < bins; ++i) {
    if (p[i] > 0.0) divergence += p[i] / total * std::log(p[i] / total / (q[i] / kept));
  }
  return divergence;
}

// One end to search for: nothing that is allowed is better.
TEST(ChooseRange, KlDivergenceIsTheLeast) {
  for (const Shape shape : {Shape::kNormal, Shape::kOneSided, Shape::kOutliers, Shape::kRelu}) {
    const Histogram histogram = Of(Sample(shape, 3000, 6), 256);
    for (const bool symmetric : {true, false}) {
      const bool one_end = symmetric || histogram.min() >= 0.0f;
      RangeOptions options;
      options.method = RangeMethod::kKlDivergence;
      options.parameters = {DataType::kS8, symmetric, 4, false};
      const ChosenRange chosen = Choose(histogram, options);
      const double found = PlainKlDivergence(histogram, chosen.parameters, options.parameters);
      ASSERT_TRUE(std::isfinite(found));
      int tried = 0;
      for (int64_t i = 0; i <= histogram.counts().size(); ++i) {
        const double edge = histogram.Edge(i);
        if (edge <= 0.0 || edge > static_cast<double>(histogram.max())) continue;
        // Two ends: at least no better one for the low end that was chosen.
        const float low = symmetric ? -static_cast<float>(edge) : std::min(chosen.range.min, 0.0f);
        const auto parameters = ChooseParameters(low, static_cast<float>(edge), options.parameters);
        ASSERT_TRUE(parameters.ok());
        if (static_cast<double>(parameters->scale) < histogram.bin_width()) continue;
        ++tried;
        const double divergence = PlainKlDivergence(histogram, *parameters, options.parameters);
        if (one_end) {
          ASSERT_LE(found, divergence + 1e-12) << Name(shape) << " at " << edge;
        }
      }
      EXPECT_GT(tried, 20);
      // Not worse than clipping nothing in any case.
      options.method = RangeMethod::kMinMax;
      EXPECT_LE(found, PlainKlDivergence(histogram, Choose(histogram, options).parameters,
                                         options.parameters) +
                           1e-12);
    }
  }
}

// Far outliers are clipped, and the bulk is kept: the point of the method.
TEST(ChooseRange, ClippingMethodsIgnoreALoneOutlier) {
  std::vector<float> values = Sample(Shape::kOneSided, 100'000, 7);
  values.push_back(40.0f);
  const Histogram histogram = Of(values);
  for (const RangeMethod method : {RangeMethod::kPercentile, RangeMethod::kL2,
                                   RangeMethod::kL2Approximate, RangeMethod::kKlDivergence}) {
    RangeOptions options;
    options.method = method;
    options.parameters.bits = 4;
    const ChosenRange chosen = Choose(histogram, options);
    EXPECT_LT(chosen.range.max, 6.0f) << RangeMethodName(method);
    EXPECT_GT(chosen.range.max, 1.5f) << RangeMethodName(method);
  }
}

// The narrower the range, the finer the steps: only what passes the activation counts.
TEST(ChooseRange, IsNarrowedByWhatFollows) {
  const Histogram histogram = Of(Sample(Shape::kUniform, 10'000, 8));
  for (const RangeMethod method : kMethods) {
    RangeOptions options;
    options.method = method;
    const double plain = static_cast<double>(Choose(histogram, options).parameters.scale);
    options.activation = Activation::kRelu;
    const ChosenRange relu = Choose(histogram, options);
    EXPECT_EQ(relu.parameters.zero_point, 0) << RangeMethodName(method);
    EXPECT_LT(static_cast<double>(relu.parameters.scale), 0.7 * plain) << RangeMethodName(method);
    options.activation = Activation::kClamp;
    options.clamp_min = -1.0f;
    options.clamp_max = 1.0f;
    const ChosenRange clamped = Choose(histogram, options);
    EXPECT_LE(clamped.range.max, 1.01f) << RangeMethodName(method);
    EXPECT_GE(clamped.range.min, -1.01f) << RangeMethodName(method);
    // Where 0 is not between the bounds, it is still represented.
    options.clamp_min = 0.5f;
    options.clamp_max = kInfinity;
    EXPECT_EQ(Choose(histogram, options).range.min, 0.0f) << RangeMethodName(method);
  }
}

TEST(ChooseRange, ParametersAreOfTheKindAskedFor) {
  for (int shape = 0; shape < kShapeCount; ++shape) {
    const Histogram histogram = Of(Sample(static_cast<Shape>(shape), 200, 9), 100);
    for (RangeOptions options : AllOptions()) {
      for (const RangeMethod method : kMethods) {
        options.method = method;
        SCOPED_TRACE(Name(static_cast<Shape>(shape)) + ", " + Describe(options));
        const ChosenRange chosen = Choose(histogram, options);
        const float scale = chosen.parameters.scale;
        const int zero_point = chosen.parameters.zero_point;
        const int lowest = Lowest(options.parameters);
        const int values = 1 << options.parameters.bits;
        ASSERT_TRUE(scale >= kSmallestNormal && scale <= kLargest) << scale;
        ASSERT_TRUE(zero_point >= lowest && zero_point < lowest + values) << zero_point;
        ASSERT_TRUE(chosen.range.min <= 0.0f && chosen.range.max >= 0.0f);
        ASSERT_TRUE(std::isfinite(chosen.l2_error) && chosen.l2_error >= 0.0) << chosen.l2_error;
        int exponent;
        if (options.parameters.power_of_two_scale) {
          ASSERT_EQ(std::frexp(scale, &exponent), 0.5f);
        }
        if (options.parameters.symmetric) {
          ASSERT_EQ(zero_point, options.parameters.type == DataType::kU8 ? values / 2 : 0);
        }
      }
    }
  }
}

TEST(ChooseRange, DegenerateHistograms) {
  for (const RangeMethod method : kMethods) {
    RangeOptions options;
    options.method = method;
    SCOPED_TRACE(RangeMethodName(method));
    for (const auto& values :
         std::vector<std::vector<float>>{{}, {kNan}, {kInfinity, -kInfinity}}) {
      EXPECT_TRUE(IsError(ChooseRange(Of(values), options).status(), StatusCode::kInvalidArgument,
                          "histogram"));
    }
    const ChosenRange zeros = Choose(Of({0.0f, -0.0f}), options);
    EXPECT_EQ(zeros.parameters.scale, 1.0f);
    EXPECT_EQ(zeros.parameters.zero_point, 0);
    EXPECT_EQ(zeros.l2_error, 0.0);

    // A single value, and a constant, are met.
    for (const auto& values : std::vector<std::vector<float>>{
             {2.55f}, {-51.0f}, std::vector<float>(1000, 12.75f), {kNan, 5.1f, kInfinity}}) {
      const ChosenRange chosen = Choose(Of(values), options);
      const float value = values[0] == values[0] ? values[0] : values[1];
      EXPECT_LE(chosen.l2_error, 1e-10 * static_cast<double>(value * value));
    }
    const ChosenRange subnormal = Choose(Of({0x1p-149f, -0x1p-140f}), options);
    EXPECT_EQ(subnormal.parameters.scale, kSmallestNormal);
    const ChosenRange huge = Choose(Of({-kLargest, kLargest, 1.0f}), options);
    EXPECT_TRUE(std::isfinite(huge.parameters.scale) && std::isfinite(huge.range.max) &&
                std::isfinite(huge.range.min));
    options.parameters.bits = 2;
    options.parameters.symmetric = true;
    options.parameters.power_of_two_scale = true;
    EXPECT_EQ(Choose(Of({-kLargest, kLargest}), options).parameters.scale, 0x1p127f);
    // All of it is clamped away.
    options.activation = Activation::kRelu;
    EXPECT_EQ(Choose(Of({-3.0f, -1.0f}), options).l2_error, 0.0);
    // All of it is moved to a bound that is more bins away than doubles can count.
    options.activation = Activation::kClamp;
    options.clamp_min = options.clamp_max = 0x1p100f;
    EXPECT_EQ(Choose(Of({1.0f, 2.0f}), options).l2_error, 0.0);
  }
}

TEST(ChooseRange, RefusesBadOptions) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kOutOfRange = StatusCode::kOutOfRange;
  const Histogram histogram = Of({1.0f, 2.0f});
  const auto with = [&](auto change) {
    RangeOptions options;
    change(options);
    EXPECT_EQ(HistogramL2Error(histogram, {1.0f, 0}, options).status().code(),
              ChooseRange(histogram, options).status().code());
    return ChooseRange(histogram, options).status();
  };
  EXPECT_TRUE(with([](auto&) {}).ok());
  EXPECT_TRUE(IsError(with([](auto& o) { o.method = static_cast<RangeMethod>(5); }), kInvalid,
                      "options.method"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.parameters.type = DataType::kF32; }), kInvalid,
                      "options.parameters.type"));
  for (const int bits : {-1, 0, 1, 9}) {
    EXPECT_TRUE(IsError(with([&](auto& o) { o.parameters.bits = bits; }), kOutOfRange,
                        "options.parameters.bits"));
  }
  for (const double percentile : {50.0, 100.1, -1.0, std::numeric_limits<double>::quiet_NaN()}) {
    EXPECT_TRUE(IsError(with([&](auto& o) { o.percentile = percentile; }), kOutOfRange,
                        "options.percentile"));
  }
  for (const float bound : {kInfinity, -kInfinity}) {
    EXPECT_TRUE(IsError(with([&](auto& o) {
                          o.activation = Activation::kClamp;
                          o.clamp_min = o.clamp_max = bound;
                        }),
                        kInvalid, "options.clamp_min"));
  }
  EXPECT_TRUE(IsError(with([](auto& o) { o.activation = static_cast<Activation>(3); }), kInvalid,
                      "options.activation"));
  const auto with_clamp = [&](float min, float max) {
    return with([&](auto& o) {
      o.activation = Activation::kClamp;
      o.clamp_min = min;
      o.clamp_max = max;
    });
  };
  EXPECT_TRUE(IsError(with_clamp(kNan, 1.0f), kInvalid, "options.clamp_min"));
  EXPECT_TRUE(IsError(with_clamp(0.0f, kNan), kInvalid, "options.clamp_max"));
  EXPECT_TRUE(IsError(with_clamp(1.0f, 0.5f), kInvalid, "options.clamp_min"));
  EXPECT_TRUE(with_clamp(-kInfinity, kInfinity).ok());
}

// The new members of ParameterOptions.
TEST(ChooseParameters, NarrowerTypesAndPowersOfTwo) {
  const auto choose = [](float min, float max, const ParameterOptions& options) {
    return std::move(ChooseParameters(min, max, options)).value();
  };
  QuantizationParameters p = choose(0.0f, 15.0f, {DataType::kU8, false, 4});
  EXPECT_EQ(p.scale, 1.0f);
  EXPECT_EQ(p.zero_point, 0);
  p = choose(-8.0f, 7.0f, {DataType::kS8, false, 4});
  EXPECT_EQ(p.scale, 1.0f);
  EXPECT_EQ(p.zero_point, 0);
  p = choose(-7.0f, 3.0f, {DataType::kU8, true, 4});
  EXPECT_EQ(p.scale, 1.0f);
  EXPECT_EQ(p.zero_point, 8);
  p = choose(-63.0f, 63.0f, {DataType::kS8, true, 7});
  EXPECT_EQ(p.scale, 1.0f);
  for (const float max : {255.0f, 255.5f, 300.0f, 510.0f}) {
    p = choose(0.0f, max, {DataType::kU8, false, 8, true});
    EXPECT_EQ(p.scale, max == 255.0f ? 1.0f : 2.0f) << max;
  }
  EXPECT_EQ(choose(0.0f, 0x1p-140f, {DataType::kU8, false, 8, true}).scale, kSmallestNormal);
  for (const int bits : {1, 9}) {
    EXPECT_TRUE(IsError(ChooseParameters(0.0f, 1.0f, {DataType::kU8, false, bits}).status(),
                        StatusCode::kOutOfRange, "options.bits"));
  }
}

TEST(RangeMethods, HaveNames) {
  EXPECT_STREQ(RangeMethodName(RangeMethod::kL2Approximate), "l2_approximate");
  EXPECT_STREQ(RangeMethodName(static_cast<RangeMethod>(99)), "unknown");
}

}  // namespace
}  // namespace qforge::test
