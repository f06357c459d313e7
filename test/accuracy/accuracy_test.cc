// Error statistics, shadow runs and the choice of precisions.
#include "qforge/accuracy.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <string>
#include <vector>

#include "accuracy/samples.h"
#include "qforge/quantization.h"
#include "support/isas.h"
#include "support/status_matchers.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(ErrorStatistics, ByHand) {
  ErrorStatistics error;
  error.Add(3.0, 3.5);
  error.Add(-1.0, -2.5);
  error.Add(0.0, 0.0);
  error.Add(2.0, 2.0);
  EXPECT_EQ(error.count, 4);
  EXPECT_DOUBLE_EQ(error.signal, 14.0);
  EXPECT_DOUBLE_EQ(error.noise, 2.5);
  EXPECT_DOUBLE_EQ(error.max_absolute, 1.5);
  EXPECT_DOUBLE_EQ(error.MeanError(), -0.25);
  EXPECT_DOUBLE_EQ(error.MeanAbsoluteError(), 0.5);
  EXPECT_DOUBLE_EQ(error.MeanSquaredError(), 0.625);
  EXPECT_DOUBLE_EQ(error.RelativeNoise(), 2.5 / 14.0);
  EXPECT_DOUBLE_EQ(error.SignalToNoise(), 10.0 * std::log10(14.0 / 2.5));
}

TEST(ErrorStatistics, DegenerateCases) {
  ErrorStatistics error;
  EXPECT_EQ(error.SignalToNoise(), kInfinity);
  EXPECT_EQ(error.MeanError(), 0.0);
  EXPECT_EQ(error.MeanSquaredError(), 0.0);
  error.Add(0.0, 0.0);
  EXPECT_EQ(error.SignalToNoise(), kInfinity);
  error.Add(kNan, 1.0);
  error.Add(1.0, kInfinity);
  error.Add(kInfinity, kInfinity);
  EXPECT_EQ(error.not_finite, 3);
  EXPECT_EQ(error.count, 1);
  error.Add(0.0, 1.0);
  EXPECT_EQ(error.SignalToNoise(), -kInfinity);
}

TEST(ErrorStatistics, MergeIsTheStatisticsOfAll) {
  ErrorStatistics all, parts[3];
  for (int i = 0; i < 300; ++i) {
    const double reference = i * 0.25 - 30.0;  // sums of these are exact
    const double value = reference + (i % 7) * 0.125 - (i % 3);
    all.Add(reference, value);
    parts[i % 3].Add(reference, value);
  }
  parts[1].Add(kNan, 0.0);
  all.Add(kNan, 0.0);
  parts[2].Merge(parts[0]);
  parts[1].Merge(parts[2]);
  EXPECT_EQ(parts[1].count, all.count);
  EXPECT_EQ(parts[1].not_finite, all.not_finite);
  EXPECT_EQ(parts[1].signal, all.signal);
  EXPECT_EQ(parts[1].noise, all.noise);
  EXPECT_EQ(parts[1].sum, all.sum);
  EXPECT_EQ(parts[1].absolute_sum, all.absolute_sum);
  EXPECT_EQ(parts[1].max_absolute, all.max_absolute);
}

// A layer of random weights with its int8 twin.
struct TwinLayers {
  TwinLayers(const Context& context, WeightsLayout layout, int64_t groups, const Output& output,
             const LinearOptions& options, Activation activation)
      : weights(Sample(Shape::kNormal, groups * kInputs * kOutputs, 1)),
        bias(Sample(Shape::kNormal, groups * kOutputs, 2)) {
    const bool by_inputs = layout == WeightsLayout::kInputsByOutputs;
    const int64_t rows = groups * (by_inputs ? kInputs : kOutputs);
    const int64_t cols = by_inputs ? kOutputs : kInputs;
    layer.weights = {weights.data(), rows, cols};
    layer.layout = layout;
    layer.groups = groups;
    layer.bias = bias;
    layer.activation = activation;
    layer.clamp_min = -2.0f;
    layer.clamp_max = 1.5f;

    std::vector<int8_t> quantized(weights.size());
    std::vector<float> scales(bias.size());
    WeightsQuantizationOptions quantization;
    quantization.layout = layout;
    quantization.groups = groups;
    EXPECT_TRUE(
        QuantizeWeights(layer.weights, quantization, {quantized.data(), rows, cols}, scales).ok());
    PackedWeightsOptions packing;
    packing.layout = layout;
    packing.groups = groups;
    packing.scales = scales;
    auto packed = PackedWeights::Create({quantized.data(), rows, cols}, packing);
    EXPECT_TRUE(packed.ok()) << packed.status().message();
    Epilogue epilogue;
    epilogue.bias = bias;
    epilogue.activation = activation;
    epilogue.clamp_min = layer.clamp_min;
    epilogue.clamp_max = layer.clamp_max;
    epilogue.output = output;
    auto created = Linear::Create(context, *packed, epilogue, options);
    EXPECT_TRUE(created.ok()) << created.status().message();
    linear = std::make_unique<Linear>(std::move(created).value());
  }

  static constexpr int64_t kInputs = 37;
  static constexpr int64_t kOutputs = 19;
  std::vector<float> weights;
  std::vector<float> bias;
  FloatLayer layer;
  std::unique_ptr<Linear> linear;
};

class ShadowRunTest : public ::testing::Test {
 protected:
  static constexpr int64_t kRows = 23;

  ErrorStatistics Run(const Context& context, const TwinLayers& twins,
                      const InputQuantization& quantization) {
    const int64_t cols = twins.layer.groups * TwinLayers::kInputs;
    const std::vector<float> input = Sample(Shape::kUniform, kRows * cols, 3);  // -3 to 5
    ErrorStatistics error;
    const Status status = ShadowRun(context, twins.layer, *twins.linear,
                                    {input.data(), kRows, cols}, quantization, &error);
    EXPECT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(error.count, kRows * twins.layer.groups * TwinLayers::kOutputs);
    return error;
  }

  const Context context_ = std::move(Context::Create()).value();
  const QuantizationParameters uniform_ = std::move(ChooseParameters(-3.0f, 5.0f)).value();
};

// What must come out, element by element, for one combination.
TEST_F(ShadowRunTest, ByDefinition) {
  const TwinLayers twins(context_, WeightsLayout::kInputsByOutputs, 1, OutputF32{}, {DataType::kU8},
                         Activation::kRelu);
  const std::vector<float> input = Sample(Shape::kUniform, kRows * TwinLayers::kInputs, 3);
  std::vector<uint8_t> quantized(input.size());
  ASSERT_TRUE(Quantize(input, uniform_, ArrayView<uint8_t>(quantized)).ok());
  std::vector<float> output(kRows * TwinLayers::kOutputs);
  ASSERT_TRUE(twins.linear
                  ->Run({quantized.data(), kRows, TwinLayers::kInputs},
                        {uniform_.scale, uniform_.zero_point},
                        {output.data(), kRows, TwinLayers::kOutputs})
                  .ok());
  ErrorStatistics expected;
  for (int64_t i = 0; i < kRows; ++i) {
    ErrorStatistics of_row;
    for (int64_t j = 0; j < TwinLayers::kOutputs; ++j) {
      double sum = static_cast<double>(twins.bias[j]);
      for (int64_t k = 0; k < TwinLayers::kInputs; ++k) {
        sum += static_cast<double>(input[i * TwinLayers::kInputs + k]) *
               static_cast<double>(twins.weights[k * TwinLayers::kOutputs + j]);
      }
      of_row.Add(std::max(sum, 0.0), static_cast<double>(output[i * TwinLayers::kOutputs + j]));
    }
    expected.Merge(of_row);
  }
  const ErrorStatistics error = Run(context_, twins, {uniform_.scale, uniform_.zero_point});
  EXPECT_EQ(error.signal, expected.signal);
  EXPECT_EQ(error.noise, expected.noise);
  EXPECT_EQ(error.sum, expected.sum);
  EXPECT_EQ(error.max_absolute, expected.max_absolute);
}

// Every form of input and output is close to the float layer, and none is it.
TEST_F(ShadowRunTest, EveryInputAndOutput) {
  const QuantizationParameters s8 =
      std::move(ChooseParameters(-3.0f, 5.0f, {DataType::kS8})).value();
  const std::vector<float> row_scales(kRows, uniform_.scale);
  const std::vector<int32_t> row_zero_points(kRows, uniform_.zero_point);
  struct Case {
    LinearOptions options;
    InputQuantization quantization;
  };
  const std::vector<Case> cases = {
      {{DataType::kU8}, {uniform_.scale, uniform_.zero_point}},
      {{DataType::kS8}, {s8.scale, s8.zero_point}},
      {{DataType::kF32}, {uniform_.scale, uniform_.zero_point}},
      {{DataType::kU8, InputScaling::kPerRow}, {row_scales, row_zero_points}},
      {{DataType::kF32, InputScaling::kDynamicPerTensor}, {}},
      {{DataType::kF32, InputScaling::kDynamicPerRow}, {}},
      {{DataType::kF16}, {uniform_.scale, uniform_.zero_point}},
      {{DataType::kBF16, InputScaling::kDynamicPerRow}, {}},
  };
  for (const Case& c : cases) {
    for (const Output& output : {Output(OutputF32{}), Output(OutputU8{0.5f, 100}),
                                 Output(OutputS8{0.5f, -20}), Output(OutputBF16{})}) {
      for (const Activation activation :
           {Activation::kNone, Activation::kRelu, Activation::kClamp}) {
        for (const int64_t groups : {1, 2}) {
          for (const WeightsLayout layout :
               {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
            const TwinLayers twins(context_, layout, groups, output, c.options, activation);
            const ErrorStatistics error = Run(context_, twins, c.quantization);
            EXPECT_GT(error.SignalToNoise(), 15.0);
            EXPECT_LT(error.SignalToNoise(), 60.0);
            EXPECT_EQ(error.not_finite, 0);
          }
        }
      }
    }
  }
}

TEST_F(ShadowRunTest, SameForAnyNumberOfThreads) {
  const TwinLayers twins(context_, WeightsLayout::kOutputsByInputs, 2, OutputU8{0.5f, 100},
                         {DataType::kF32, InputScaling::kDynamicPerRow}, Activation::kNone);
  const ErrorStatistics expected = Run(context_, twins, {});
  for (const int threads : {2, 5, 40}) {
    BackwardPool pool(threads);
    ContextOptions options;
    options.pool = &pool;
    const ErrorStatistics error = Run(std::move(Context::Create(options)).value(), twins, {});
    EXPECT_EQ(error.noise, expected.noise);
    EXPECT_EQ(error.absolute_sum, expected.absolute_sum);
  }
}

TEST_F(ShadowRunTest, CountsWhatIsNotFinite) {
  const TwinLayers twins(context_, WeightsLayout::kInputsByOutputs, 1, OutputF32{}, {DataType::kU8},
                         Activation::kNone);
  std::vector<float> input(2 * TwinLayers::kInputs, 1.0f);
  input[0] = std::numeric_limits<float>::infinity();
  ErrorStatistics error;
  ASSERT_TRUE(ShadowRun(context_, twins.layer, *twins.linear,
                        {input.data(), 2, TwinLayers::kInputs},
                        {uniform_.scale, uniform_.zero_point}, &error)
                  .ok());
  EXPECT_EQ(error.not_finite, TwinLayers::kOutputs);
  EXPECT_EQ(error.count, TwinLayers::kOutputs);
  ErrorStatistics of_nothing;
  ASSERT_TRUE(ShadowRun(context_, twins.layer, *twins.linear,
                        {input.data(), 0, TwinLayers::kInputs}, {1.0f, 0}, &of_nothing)
                  .ok());
  EXPECT_EQ(of_nothing.count, 0);
}

// Its views may point nowhere, which UndefinedBehaviorSanitizer watches.
TEST_F(ShadowRunTest, OfALayerWithoutInputs) {
  constexpr int64_t kOutputs = 3;
  constexpr int64_t kStride = 4;
  PackedWeightsOptions packing;
  packing.layout = WeightsLayout::kOutputsByInputs;
  const auto packed = PackedWeights::Create({nullptr, kOutputs, 0, kStride}, packing);
  ASSERT_TRUE(packed.ok()) << packed.status().message();
  const auto linear = Linear::Create(context_, *packed, Epilogue());
  ASSERT_TRUE(linear.ok()) << linear.status().message();
  FloatLayer layer;
  layer.layout = packing.layout;
  layer.weights = {nullptr, kOutputs, 0, kStride};
  ErrorStatistics error;
  const Status status =
      ShadowRun(context_, layer, *linear, {nullptr, 2, 0, kStride}, {1.0f, 0}, &error);
  ASSERT_TRUE(status.ok()) << status.message();
  EXPECT_EQ(error.count, 2 * kOutputs);
  EXPECT_EQ(error.noise, 0.0);
}

// Inputs beyond the range that was observed do not break the promise, which only some ISAs need.
TEST_F(ShadowRunTest, KeepsToTheActivationMaximum) {
  constexpr int64_t kInputs = 512, kOutputs = 8;
  const std::vector<float> weights(kInputs * kOutputs, 100.0f);
  const std::vector<int8_t> quantized(weights.size(), 100);
  const std::vector<float> input(kInputs, 1000.0f);
  FloatLayer layer;
  layer.weights = {weights.data(), kInputs, kOutputs};
  Epilogue epilogue;
  epilogue.output = OutputF32{};
  for (const Isa isa : SupportedIsas()) {
    PackedWeightsOptions options;
    options.activation_maximum = 127;
    options.max_isa = isa;
    const auto packed = PackedWeights::Create({quantized.data(), kInputs, kOutputs}, options);
    ASSERT_TRUE(packed.ok()) << packed.status().message();
    const auto linear = Linear::Create(context_, *packed, epilogue);
    ASSERT_TRUE(linear.ok()) << linear.status().message();
    ErrorStatistics error;
    ASSERT_TRUE(
        ShadowRun(context_, layer, *linear, {input.data(), 1, kInputs}, {1.0f, 0}, &error).ok());
    EXPECT_EQ(error.max_absolute, kInputs * 100.0 * (1000 - 127)) << IsaName(isa);
  }
}

// Without inputs any number of rows is legal, but not more than there can be bytes for.
TEST_F(ShadowRunTest, MoreRowsThanThereIsMemory) {
  const auto packed = PackedWeights::Create(MatrixView<const int8_t>(nullptr, 0, 16));
  ASSERT_TRUE(packed.ok());
  Epilogue epilogue;
  epilogue.output = OutputF32{};
  const LinearOptions options{DataType::kF32, InputScaling::kDynamicPerTensor};
  const auto linear = Linear::Create(context_, *packed, epilogue, options);
  ASSERT_TRUE(linear.ok());
  FloatLayer layer;
  layer.weights = {nullptr, 0, 16};
  ErrorStatistics error;
  for (const int64_t rows : {int64_t{1} << 57, int64_t{1} << 60}) {
    EXPECT_TRUE(IsError(ShadowRun(context_, layer, *linear, {nullptr, rows, 0}, {}, &error),
                        StatusCode::kOutOfRange, "input"));
  }
  EXPECT_EQ(error.count, 0);
}

TEST_F(ShadowRunTest, NamesTheBadArgument) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  const TwinLayers twins(context_, WeightsLayout::kInputsByOutputs, 1, OutputF32{}, {DataType::kU8},
                         Activation::kNone);
  const std::vector<float> input(TwinLayers::kInputs, 1.0f);
  const MatrixView<const float> x(input.data(), 1, TwinLayers::kInputs);
  ErrorStatistics error;
  const auto with = [&](auto change) {
    FloatLayer layer = twins.layer;
    change(layer);
    return ShadowRun(context_, layer, *twins.linear, x, {1.0f, 0}, &error);
  };
  EXPECT_TRUE(IsError(with([](auto& l) { l.groups = 2; }), kInvalid, "layer.groups"));
  EXPECT_TRUE(IsError(with([](auto& l) { l.layout = WeightsLayout::kOutputsByInputs; }), kInvalid,
                      "layer.weights"));
  EXPECT_TRUE(IsError(with([](auto& l) { l.layout = static_cast<WeightsLayout>(4); }), kInvalid,
                      "layer.layout"));
  EXPECT_TRUE(IsError(with([](auto& l) { l.weights.data = nullptr; }), kInvalid, "layer.weights"));
  EXPECT_TRUE(IsError(with([](auto& l) { l.bias = {l.bias.data(), 3}; }), kInvalid, "layer.bias"));
  EXPECT_TRUE(IsError(with([](auto& l) { l.activation = static_cast<Activation>(3); }), kInvalid,
                      "layer.activation"));
  EXPECT_TRUE(IsError(with([](auto& l) {
                        l.activation = Activation::kClamp;
                        l.clamp_min = 5.0f;
                      }),
                      kInvalid, "layer.clamp_min"));
  const auto run = [&](const TwinLayers& t, const MatrixView<const float>& a,
                       const InputQuantization& quantization, ErrorStatistics* to) {
    return ShadowRun(context_, t.layer, *t.linear, a, quantization, to);
  };
  EXPECT_TRUE(IsError(run(twins, x, {1.0f, 0}, nullptr), kInvalid, "statistics"));
  EXPECT_TRUE(IsError(run(twins, {input.data(), 1, 36}, {1.0f, 0}, &error), kInvalid, "input"));
  for (const float scale : {0.0f, 0x1p-127f}) {
    EXPECT_TRUE(
        IsError(run(twins, x, {scale, 0}, &error), StatusCode::kOutOfRange, "quantization.scale"));
  }
  EXPECT_TRUE(IsError(run(twins, x, {1.0f, 256}, &error), StatusCode::kOutOfRange,
                      "quantization.zero_point"));
  const TwinLayers per_row(context_, WeightsLayout::kInputsByOutputs, 1, OutputF32{},
                           {DataType::kU8, InputScaling::kPerRow}, Activation::kNone);
  EXPECT_TRUE(IsError(run(per_row, x, {1.0f, 0}, &error), kInvalid, "quantization.row_scales"));
  const TwinLayers s32(context_, WeightsLayout::kInputsByOutputs, 1, OutputF32{},
                       {DataType::kU8, InputScaling::kPerTensor, true}, Activation::kNone);
  EXPECT_TRUE(IsError(run(s32, x, {1.0f, 0}, &error), StatusCode::kUnsupported, "linear"));
  EXPECT_EQ(error.count, 0);
}

LayerError Layer(double signal_to_noise, double cost, double weight = 1.0) {
  LayerError layer;
  layer.error.count = 1;
  layer.error.signal = 1.0;
  layer.error.noise = std::pow(10.0, -signal_to_noise / 10.0);
  layer.cost = cost;
  layer.weight = weight;
  return layer;
}

struct Chosen {
  PrecisionChoice choice;
  std::vector<LayerPrecision> precisions;

  std::string Text() const {
    std::string text;
    for (const LayerPrecision p : precisions) text += p == LayerPrecision::kHigher ? 'h' : 'q';
    return text;
  }
};

Chosen Choose(const std::vector<LayerError>& layers, const ErrorBudget& budget) {
  Chosen chosen;
  chosen.precisions.resize(layers.size());
  const auto choice =
      ChoosePrecisions(layers, budget, ArrayView<LayerPrecision>(chosen.precisions));
  EXPECT_TRUE(choice.ok()) << choice.status().message();
  if (choice.ok()) chosen.choice = *choice;
  return chosen;
}

TEST(ChoosePrecisions, ByHand) {
  const std::vector<LayerError> layers = {Layer(40, 10), Layer(20, 100), Layer(30, 10),
                                          Layer(20, 50)};
  EXPECT_EQ(Choose(layers, {}).Text(), "qqqq");
  ErrorBudget budget;
  budget.min_signal_to_noise = 25.0;
  EXPECT_EQ(Choose(layers, budget).Text(), "qhqh");
  EXPECT_EQ(Choose(layers, budget).choice.cost, 150.0);
  EXPECT_EQ(Choose(layers, budget).choice.higher, 2);
  // 0.0001 + 0.01 + 0.001 + 0.01: one of the noisy ones has to go, the cheap one.
  budget = {};
  budget.max_total_noise = 0.015;
  EXPECT_EQ(Choose(layers, budget).Text(), "qqqh");
  EXPECT_NEAR(Choose(layers, budget).choice.total_noise, 0.0111, 1e-12);
  budget.max_total_noise = 0.0;
  EXPECT_EQ(Choose(layers, budget).Text(), "hhhh");
  EXPECT_EQ(Choose({}, budget).choice.higher, 0);
}

// Noise per cost says the first; the second alone is enough, and cheaper than both.
TEST(ChoosePrecisions, IsNotGreedy) {
  const std::vector<LayerError> layers = {Layer(20, 1), Layer(17, 3)};
  ErrorBudget budget;
  budget.max_total_noise = 0.0105;
  const Chosen chosen = Choose(layers, budget);
  EXPECT_EQ(chosen.Text(), "qh");
  EXPECT_TRUE(chosen.choice.optimal);
}

TEST(ChoosePrecisions, LayersThatHaveToStay) {
  std::vector<LayerError> layers(5, Layer(50, 1));
  layers[1].error.not_finite = 1;
  layers[2].error.signal = 0.0;         // noise alone
  layers[3].error = ErrorStatistics();  // exact
  layers[4].weight = 0.0;
  EXPECT_EQ(Choose(layers, {}).Text(), "qhhqq");
  layers[4].error.noise = kNan;
  EXPECT_EQ(Choose(layers, {}).Text(), "qhhqh");
  ErrorBudget exact;
  exact.min_signal_to_noise = kInfinity;
  EXPECT_EQ(Choose(layers, exact).Text(), "hhhqh");
}

// Against all sets.
TEST(ChoosePrecisions, CostsTheLeastThatIsPossible) {
  Random random(1);
  for (int repetition = 0; repetition < 300; ++repetition) {
    std::vector<LayerError> layers;
    const int count = random.Integer(1, 10);
    for (int i = 0; i < count; ++i) {
      layers.push_back(Layer(static_cast<double>(random.Real(5.0f, 40.0f)),
                             random.Integer(0, 3) == 0 ? 0.0 : random.Integer(1, 20),
                             random.Integer(0, 2)));
    }
    ErrorBudget budget;
    budget.max_total_noise = static_cast<double>(random.Real(0.0f, 0.3f));
    double least = kInfinity;
    for (int set = 0; set < 1 << count; ++set) {
      double noise = 0.0, cost = 0.0;
      for (int i = 0; i < count; ++i) {
        const LayerError& layer = layers[static_cast<size_t>(i)];
        (set >> i & 1) != 0 ? cost += layer.cost
                            : noise += layer.weight * layer.error.RelativeNoise();
      }
      if (noise <= budget.max_total_noise) least = std::min(least, cost);
    }
    const Chosen chosen = Choose(layers, budget);
    ASSERT_EQ(chosen.choice.cost, least) << repetition;
    ASSERT_TRUE(chosen.choice.optimal);
    ASSERT_LE(chosen.choice.total_noise, budget.max_total_noise * (1.0 + 1e-12));
  }
}

// Too many to prove anything, and yet within the budget, every time the same.
TEST(ChoosePrecisions, ManyLayers) {
  Random random(2);
  for (const int count : {100, 3000}) {
    std::vector<LayerError> layers;
    double total = 0.0;
    for (int i = 0; i < count; ++i) {
      layers.push_back(Layer(static_cast<double>(random.Real(10.0f, 40.0f)),
                             static_cast<double>(random.Real(1.0f, 2.0f))));
      total += layers.back().error.RelativeNoise();
    }
    ErrorBudget budget;
    budget.max_total_noise = 0.3 * total;
    const Chosen chosen = Choose(layers, budget);
    EXPECT_LE(chosen.choice.total_noise, budget.max_total_noise * (1.0 + 1e-12));
    EXPECT_EQ(chosen.choice.optimal, chosen.choice.optimal && count <= 1000);
    EXPECT_EQ(Choose(layers, budget).Text(), chosen.Text());
    // None of the layers in higher precision could be quantised too.
    for (int i = 0; i < count; ++i) {
      if (chosen.precisions[i] == LayerPrecision::kQuantized) continue;
      EXPECT_GT(chosen.choice.total_noise + layers[i].error.RelativeNoise(),
                budget.max_total_noise * (1.0 - 1e-12));
    }
  }
}

TEST(ChoosePrecisions, NamesTheBadArgument) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kOutOfRange = StatusCode::kOutOfRange;
  std::vector<LayerPrecision> precisions(2, LayerPrecision::kHigher);
  const auto choose = [&](const LayerError& layer, const ErrorBudget& budget) {
    const std::vector<LayerError> layers = {Layer(10, 1), layer};
    return ChoosePrecisions(layers, budget, ArrayView<LayerPrecision>(precisions)).status();
  };
  for (const double bad : {-1.0, kNan, kInfinity}) {
    EXPECT_TRUE(IsError(choose(Layer(10, bad), {}), kOutOfRange, "layers"));
    EXPECT_TRUE(IsError(choose(Layer(10, 1, bad), {}), kOutOfRange, "layers"));
  }
  ErrorBudget budget;
  budget.min_signal_to_noise = kNan;
  EXPECT_TRUE(IsError(choose(Layer(10, 1), budget), kInvalid, "budget.min_signal_to_noise"));
  for (const double bad : {-1.0, kNan}) {
    budget = {};
    budget.max_total_noise = bad;
    EXPECT_TRUE(IsError(choose(Layer(10, 1), budget), kOutOfRange, "budget.max_total_noise"));
  }
  EXPECT_EQ(precisions, std::vector<LayerPrecision>(2, LayerPrecision::kHigher));
  const std::vector<LayerError> one = {Layer(10, 1)};
  EXPECT_TRUE(IsError(ChoosePrecisions(one, {}, ArrayView<LayerPrecision>(precisions)).status(),
                      kInvalid, "precisions"));
  EXPECT_TRUE(
      IsError(ChoosePrecisions({nullptr, 2}, {}, ArrayView<LayerPrecision>(precisions)).status(),
              kInvalid, "layers"));
}

}  // namespace
}  // namespace qforge::test
