// What float weights refuse, and that the refusal names the field.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include "float_gemm/float_case.h"
#include "qforge/gemm.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr float kNaN = std::numeric_limits<float>::quiet_NaN();

TEST(FloatWeights, BadOptions) {
  const std::vector<float> values(6, 1.0f);
  const MatrixView<const float> weights(values.data(), 2, 3);
  FloatWeightsOptions options;
  options.type = DataType::kU8;
  EXPECT_TRUE(IsError(PackedWeights::Create(weights, options).status(),
                      StatusCode::kInvalidArgument, "options.type"));
  options = {};
  options.groups = 0;
  EXPECT_FALSE(PackedWeights::Create(weights, options).ok());
  options = {};
  options.max_isa = static_cast<Isa>(kIsaCount);
  EXPECT_TRUE(IsError(PackedWeights::Create(weights, options).status(),
                      StatusCode::kInvalidArgument, "options.max_isa"));
  EXPECT_TRUE(IsError(PackedWeights::Create(MatrixView<const float>(nullptr, 2, 3)).status(),
                      StatusCode::kInvalidArgument, "weights"));
  EXPECT_TRUE(
      IsError(PackedWeights::Create(MatrixView<const float>(values.data(), 2, 3, 2)).status(),
              StatusCode::kInvalidArgument, "weights"));
}

TEST(FloatWeights, FiniteWeightsStayFinite) {
  const float values[] = {1.0f, 65519.0f, -65520.0f, INFINITY};
  FloatWeightsOptions options;
  options.type = DataType::kF16;
  EXPECT_TRUE(PackedWeights::Create(MatrixView<const float>(values, 1, 2), options).ok());
  EXPECT_TRUE(
      IsError(PackedWeights::Create(MatrixView<const float>(values, 1, 3), options).status(),
              StatusCode::kOutOfRange, "weights"));
  EXPECT_TRUE(PackedWeights::Create(MatrixView<const float>(values + 3, 1, 1), options).ok());

  options.clip_to_finite = true;
  for (const Isa isa : {Isa::kScalar, kHighestIsa}) {
    options.max_isa = isa;
    const Result<PackedWeights> weights =
        PackedWeights::Create(MatrixView<const float>(values, 1, 4), options);
    ASSERT_TRUE(weights.ok()) << weights.status().message();
    EXPECT_EQ(weights->type(), DataType::kF16);
    const Result<Linear> linear = Linear::Create(Context::Create().value(), *weights, Epilogue());
    ASSERT_TRUE(linear.ok()) << linear.status().message();
    const float one = 1.0f;
    float result[4];
    ASSERT_TRUE(linear->Run({&one, 1, 1}, {result, 1, 4}).ok());
    EXPECT_EQ(result[0], 1.0f);
    EXPECT_EQ(result[1], 65504.0f);
    EXPECT_EQ(result[2], -65504.0f);
    EXPECT_EQ(result[3], 65504.0f);
  }
}

class FloatCreation : public ::testing::Test {
 protected:
  // Creates a Linear after `change`.
  static Status Create(const std::function<void(Epilogue&, LinearOptions&)>& change) {
    const std::vector<float> values(6, 1.0f);
    const PackedWeights weights =
        PackedWeights::Create(MatrixView<const float>(values.data(), 2, 3)).value();
    Epilogue epilogue;
    LinearOptions options;
    change(epilogue, options);
    return Linear::Create(Context::Create().value(), weights, epilogue, options).status();
  }
};

TEST_F(FloatCreation, BadEpilogues) {
  static const std::vector<float> bias = {1.0f, kNaN, 2.0f};
  static const std::vector<int32_t> integers = {1, 2, 3};
  const auto expect = [](StatusCode code, const char* field,
                         const std::function<void(Epilogue&, LinearOptions&)>& change) {
    EXPECT_TRUE(IsError(Create(change), code, field));
  };
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kRange = StatusCode::kOutOfRange;
  constexpr StatusCode kUnsupported = StatusCode::kUnsupported;
  EXPECT_TRUE(Create([](Epilogue&, LinearOptions&) {}).ok());
  expect(kInvalid, "epilogue.output.type",
         [](Epilogue& e, LinearOptions&) { e.output = OutputU8{}; });
  expect(kInvalid, "epilogue.output.type",
         [](Epilogue& e, LinearOptions&) { e.output = OutputS32{}; });
  expect(kInvalid, "epilogue.output.scale",
         [](Epilogue& e, LinearOptions&) { e.output.scale = 2; });
  expect(kInvalid, "epilogue.output.zero_point",
         [](Epilogue& e, LinearOptions&) { e.output.zero_point = 2; });
  expect(kUnsupported, "epilogue.output.accumulate",
         [](Epilogue& e, LinearOptions&) { e.output.accumulate = true; });
  expect(kRange, "epilogue.alpha", [](Epilogue& e, LinearOptions&) { e.alpha = kNaN; });
  expect(kRange, "epilogue.beta", [](Epilogue& e, LinearOptions&) { e.beta = INFINITY; });
  expect(kRange, "epilogue.bias", [](Epilogue& e, LinearOptions&) { e.bias = bias; });
  expect(kInvalid, "epilogue.bias", [](Epilogue& e, LinearOptions&) { e.bias = integers; });
  expect(kInvalid, "epilogue.bias",
         [](Epilogue& e, LinearOptions&) { e.bias = ArrayView<const float>(bias.data(), 1); });
  expect(kInvalid, "epilogue.residual.type",
         [](Epilogue& e, LinearOptions&) { e.residual.type = DataType::kU8; });
  expect(kInvalid, "epilogue.residual.zero_point", [](Epilogue& e, LinearOptions&) {
    e.residual = {DataType::kF32, 1.0f, 1};
  });
  expect(kRange, "epilogue.residual.scale", [](Epilogue& e, LinearOptions&) {
    e.residual = {DataType::kF32, 0.0f, 0};
  });
  expect(kInvalid, "epilogue.clamp_min", [](Epilogue& e, LinearOptions&) {
    e.activation = Activation::kClamp;
    e.clamp_min = 1.0f;
  });
  expect(kInvalid, "epilogue.activation",
         [](Epilogue& e, LinearOptions&) { e.activation = static_cast<Activation>(200); });
  expect(kInvalid, "options.input", [](Epilogue&, LinearOptions& o) { o.input = DataType::kU8; });
  expect(kUnsupported, "options.scaling",
         [](Epilogue&, LinearOptions& o) { o.scaling = InputScaling::kPerRow; });
}

TEST(FloatRun, BadCalls) {
  FloatCase c;
  c.isa = kHighestIsa;
  const FloatData data(c, 1);
  const Linear linear = MakeLinear(data).value();
  const InputMatrix input = data.input.input();
  const OutputMatrix output = data.output.output();
  EXPECT_TRUE(IsError(linear.Run(input, InputQuantization(0.5f, 0), output),
                      StatusCode::kInvalidArgument, "quantization"));
  InputMatrix wrong = input;
  wrong.type = DataType::kF16;
  EXPECT_TRUE(IsError(linear.Run(wrong, output), StatusCode::kInvalidArgument, "input"));
  wrong = input;
  --wrong.cols;
  EXPECT_TRUE(IsError(linear.Run(wrong, output), StatusCode::kInvalidArgument, "input"));
  RunArguments arguments;
  arguments.residual = input;
  EXPECT_TRUE(IsError(linear.Run(input, output, arguments), StatusCode::kInvalidArgument,
                      "arguments.residual"));
  OutputMatrix overlapping = output;
  overlapping.data = const_cast<void*>(input.data);
  EXPECT_FALSE(linear.Run(input, overlapping).ok());
  EXPECT_TRUE(IsError(linear.RunTiles(input, InputQuantization(), [](const AccumulatorTile&) {}),
                      StatusCode::kUnsupported, "weights"));
}

TEST(IntegerWeights, RefuseWhatIsForFloats) {
  const int8_t values[] = {1, 2, 3, 4};
  const PackedWeights weights =
      PackedWeights::Create(MatrixView<const int8_t>(values, 2, 2)).value();
  const Context context = Context::Create().value();
  Epilogue epilogue;
  epilogue.alpha = 2.0f;
  EXPECT_TRUE(IsError(Linear::Create(context, weights, epilogue).status(), StatusCode::kUnsupported,
                      "epilogue.alpha"));
  epilogue = {};
  epilogue.activation = Activation::kSilu;
  EXPECT_TRUE(IsError(Linear::Create(context, weights, epilogue).status(), StatusCode::kUnsupported,
                      "epilogue.activation"));
  epilogue = {};
  epilogue.beta = 1.0f;
  EXPECT_TRUE(IsError(Linear::Create(context, weights, epilogue).status(), StatusCode::kUnsupported,
                      "epilogue.beta"));
}

}  // namespace
}  // namespace qforge::test
