// Gemm with float weights: the same bits as a Linear of the same weights.
#include "qforge/gemm.h"

#include <gtest/gtest.h>

#include "float_gemm/float_case.h"
#include "support/isas.h"
#include "support/status_matchers.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

Result<Gemm> MakeGemm(const FloatData& data, ThreadPool* pool) {
  ContextOptions context;
  context.max_isa = data.c.isa;
  context.pool = pool;
  GemmOptions options;
  options.inputs = data.c.inputs;
  options.outputs = data.c.outputs;
  options.layout = data.c.layout;
  options.weights = data.c.weights;
  options.linear.input = data.c.input;
  options.linear.transposed_input = data.c.transposed_input;
  return Gemm::Create(Context::Create(context).value(), data.epilogue, options);
}

void ExpectAsLinear(const FloatCase& c, uint64_t seed, ThreadPool* pool = nullptr) {
  const FloatData data(c, seed);
  const Result<Gemm> gemm = MakeGemm(data, pool);
  ASSERT_TRUE(gemm.ok()) << gemm.status().message();
  const TestMatrix result = data.output.Clone(Opposite(c.guard));
  RunArguments arguments;
  if (c.residual != DataType::kNone) arguments.residual = data.residual.input();
  const Status status =
      gemm->Run(data.input.input(), data.weights.input(), result.output(), arguments);
  ASSERT_TRUE(status.ok()) << status.message() << " " << c.Text();
  ASSERT_TRUE(SameBits(LibraryResult(data), result)) << c.Text();
}

using FloatGemm = EveryIsaTest;

TEST_F(FloatGemm, EveryTypeAndLayout) {
  uint64_t seed = 1;
  for (const Isa isa : SupportedIsas()) {
    for (const DataType weights : kFloatTypes) {
      for (const DataType input : kFloatTypes) {
        for (const WeightsLayout layout :
             {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
          for (const bool transposed : {false, true}) {
            FloatCase c;
            c.isa = isa;
            c.rows = 1 + static_cast<int64_t>(seed % 9);
            c.inputs = static_cast<int64_t>(seed * 7 % 90);
            c.outputs = 1 + static_cast<int64_t>(seed * 5 % 70);
            c.weights = weights;
            c.input = input;
            c.output = kFloatTypes[seed % 3];
            c.layout = layout;
            c.transposed_input = transposed;
            c.bias = seed % 2 == 0;
            c.beta = seed % 3 == 0 ? 0.5f : 0.0f;
            if (seed % 5 == 0) c.residual = DataType::kBF16;
            c.activation = seed % 4 == 0 ? Activation::kSilu : Activation::kNone;
            c.gap = static_cast<int64_t>(seed % 3);
            c.guard = seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
            ASSERT_NO_FATAL_FAILURE(ExpectAsLinear(c, seed++));
          }
        }
      }
    }
  }
}

TEST_F(FloatGemm, OnThreads) {
  for (const Isa isa : SupportedIsas()) {
    for (const int64_t outputs : {40, 1000}) {
      BackwardPool pool(3);
      FloatCase c;
      c.isa = isa;
      c.rows = 33;
      c.inputs = 130;
      c.outputs = outputs;
      c.weights = c.input = DataType::kF16;
      ASSERT_NO_FATAL_FAILURE(ExpectAsLinear(c, 1, &pool));
    }
  }
}

TEST_F(FloatGemm, EmptyProducts) {
  for (const Isa isa : SupportedIsas()) {
    for (const int64_t rows : {0, 2}) {
      for (const int64_t outputs : {0, 3}) {
        for (const int64_t inputs : {0, 5}) {
          FloatCase c;
          c.isa = isa;
          c.rows = rows;
          c.outputs = outputs;
          c.inputs = inputs;
          ASSERT_NO_FATAL_FAILURE(ExpectAsLinear(c, 1));
        }
      }
    }
  }
}

TEST(BadFloatGemm, Creation) {
  const Context context = Context::Create().value();
  const auto create = [&](auto change) {
    GemmOptions options;
    options.inputs = 4;
    options.outputs = 3;
    options.weights = DataType::kF16;
    Epilogue epilogue;
    change(options, epilogue);
    return Gemm::Create(context, epilogue, options).status();
  };
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kNotPossible = StatusCode::kUnsupported;
  EXPECT_TRUE(create([](GemmOptions&, Epilogue&) {}).ok());
  for (const DataType type : {DataType::kNone, DataType::kU8, DataType::kS32}) {
    EXPECT_TRUE(IsError(create([&](GemmOptions& o, Epilogue&) { o.weights = type; }), kInvalid,
                        "options.weights"));
  }
  EXPECT_TRUE(IsError(create([](GemmOptions& o, Epilogue&) { o.weight_zero_points = true; }),
                      kNotPossible, "options.weight_zero_points"));
  EXPECT_TRUE(IsError(create([](GemmOptions& o, Epilogue&) { o.linear.input = DataType::kU8; }),
                      kInvalid, "options.linear.input"));
  EXPECT_TRUE(
      IsError(create([](GemmOptions& o, Epilogue&) { o.linear.scaling = InputScaling::kPerRow; }),
              kNotPossible, "options.linear.scaling"));
  EXPECT_TRUE(IsError(create([](GemmOptions&, Epilogue& e) { e.output = OutputU8{}; }), kInvalid,
                      "epilogue.output.type"));
  EXPECT_TRUE(IsError(create([](GemmOptions& o, Epilogue&) { o.outputs = -1; }),
                      StatusCode::kOutOfRange, "options.outputs"));
}

TEST(BadFloatGemm, Calls) {
  FloatCase c;
  c.isa = kHighestIsa;
  const FloatData data(c, 1);
  const Gemm gemm = MakeGemm(data, nullptr).value();
  const InputMatrix input = data.input.input();
  const InputMatrix weights = data.weights.input();
  const OutputMatrix output = data.output.output();
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  EXPECT_TRUE(gemm.Run(input, weights, output).ok());
  InputMatrix wrong = weights;
  wrong.type = DataType::kF16;
  EXPECT_TRUE(IsError(gemm.Run(input, wrong, output), kInvalid, "weights"));
  wrong = weights;
  --wrong.cols;
  EXPECT_TRUE(IsError(gemm.Run(input, wrong, output), kInvalid, "weights"));
  wrong = weights;
  wrong.data = nullptr;
  EXPECT_TRUE(IsError(gemm.Run(input, wrong, output), kInvalid, "weights"));
  wrong = weights;
  wrong.data = output.data;
  EXPECT_TRUE(IsError(gemm.Run(input, wrong, output), kInvalid, "output"));
  wrong = input;
  --wrong.cols;
  EXPECT_TRUE(IsError(gemm.Run(wrong, weights, output), kInvalid, "input"));
  const int8_t bytes[1] = {};
  EXPECT_TRUE(IsError(
      gemm.Run(input, InputQuantization(), MatrixView<const int8_t>(bytes, 1, 1), {}, output),
      StatusCode::kUnsupported, "weights"));

  GemmOptions of_bytes;
  of_bytes.inputs = c.inputs;
  of_bytes.outputs = c.outputs;
  const Gemm other = Gemm::Create(Context::Create().value(), Epilogue(), of_bytes).value();
  EXPECT_TRUE(IsError(other.Run(input, weights, output), StatusCode::kUnsupported, "weights"));
}

}  // namespace
}  // namespace qforge::test
