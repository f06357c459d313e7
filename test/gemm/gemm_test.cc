// Gemm: the product whose B changes from call to call.
#include "qforge/gemm.h"

#include <gtest/gtest.h>

#include <thread>
#include <vector>

#include "gemm/linear_case.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

Context MakeContext(Isa isa, ThreadPool* pool = nullptr) {
  ContextOptions options;
  options.max_isa = isa;
  options.pool = pool;
  return Context::Create(options).value();
}

Result<Gemm> MakeGemm(const Context& context, const LinearData& data) {
  GemmOptions options;
  options.inputs = data.c.inputs;
  options.outputs = data.c.outputs;
  options.layout = data.c.layout;
  options.weight_zero_points = data.c.zero_points.has_value();
  options.linear = data.linear_options();
  return Gemm::Create(context, data.epilogue(), options);
}

Status RunGemm(const Gemm& gemm, const LinearData& data, const TestMatrix& result) {
  WeightsQuantization quantization;
  quantization.scales = {data.scales.data(), data.scales.size()};
  quantization.zero_points = {data.zero_points.data(), data.zero_points.size()};
  return gemm.Run(data.input.input(), data.quantization(), data.weights.view<const int8_t>(),
                  quantization, result.output(), data.run_arguments(result));
}

// The same for Gemm as CheckOnEveryIsa for Linear.
void CheckGemm(const LinearCase& c, ThreadPool* pool = nullptr) {
  LinearData data(c);
  const TestMatrix expected = ReferenceResult(data);
  data.Seal();
  for (const Isa isa : SupportedIsas()) {
    const Context context = MakeContext(isa, pool);
    ASSERT_EQ(context.isa(), isa);
    const Result<Gemm> gemm = MakeGemm(context, data);
    ASSERT_TRUE(gemm.ok()) << gemm.status().message() << "\n  " << c;
    const TestMatrix result = data.MakeOutput(c.guard);
    const Status status = RunGemm(*gemm, data, result);
    ASSERT_TRUE(status.ok()) << IsaName(isa) << ": " << status.message() << "\n  " << c;
    ASSERT_TRUE(SameBits(expected, result)) << "  " << IsaName(isa) << ": " << c;
    RecordChecked(context.isa());
  }
}

using GemmTest = EveryIsaTest;

TEST_F(GemmTest, Shapes) {
  Random random(1);
  for (int64_t rows = 0; rows <= 16; ++rows) {
    for (int64_t outputs = 0; outputs <= 66; outputs += random.Integer(1, 7)) {
      LinearCase c;
      c.rows = rows;
      c.outputs = outputs;
      c.inputs = random.Integer(0, 40);
      c.layout = random.Next() % 2 == 0 ? WeightsLayout::kInputsByOutputs
                                        : WeightsLayout::kOutputsByInputs;
      c.gap = random.Integer(0, 3);
      c.guard = random.Next() % 2 == 0 ? Guard::kBehind : Guard::kInFront;
      c.seed = random.Next();
      ASSERT_NO_FATAL_FAILURE(CheckGemm(c));
    }
  }
  for (const int64_t rows : {1, 37, 130}) {
    LinearCase c;
    c.rows = rows;
    c.outputs = 203;
    c.inputs = 301;
    ASSERT_NO_FATAL_FAILURE(CheckGemm(c));
  }
}

TEST_F(GemmTest, Options) {
  Random random(2);
  for (int i = 0; i < 300; ++i) {
    const auto pick = [&](auto... values) {
      const std::common_type_t<decltype(values)...> all[] = {values...};
      return all[random.Next() % std::size(all)];
    };
    LinearCase c;
    c.rows = random.Integer(1, 9);
    c.outputs = random.Integer(1, 40);
    c.inputs = random.Integer(1, 20);
    c.input = pick(DataType::kU8, DataType::kS8, DataType::kF32, DataType::kBF16);
    c.scaling = pick(InputScaling::kPerTensor, InputScaling::kPerRow);
    if (c.input == DataType::kF32 || c.input == DataType::kBF16) {
      c.scaling = pick(InputScaling::kPerTensor, InputScaling::kPerRow,
                       InputScaling::kDynamicPerTensor, InputScaling::kDynamicPerRow);
    }
    c.transposed_input = pick(false, true);
    c.layout = pick(WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs);
    c.scales = random.Next() % 3 == 0
                   ? std::nullopt
                   : std::optional(pick(Granularity::kPerTensor, Granularity::kPerChannel));
    if (random.Next() % 2 == 0) {
      c.zero_points = pick(Granularity::kPerTensor, Granularity::kPerChannel);
    }
    c.output = pick(DataType::kU8, DataType::kS8, DataType::kS32, DataType::kF32, DataType::kF16);
    if (c.output == DataType::kS32) {
      c.bias = pick(DataType::kNone, DataType::kS32);
      c.activation = pick(Activation::kNone, Activation::kRelu);
      c.accumulate = pick(false, true);
    } else {
      c.bias = pick(DataType::kNone, DataType::kS32, DataType::kF32);
      c.activation = pick(Activation::kNone, Activation::kRelu, Activation::kClamp);
      c.residual = pick(DataType::kNone, DataType::kU8, DataType::kS8, DataType::kF16);
    }
    c.gap = random.Integer(0, 2);
    c.seed = random.Next();
    ASSERT_NO_FATAL_FAILURE(CheckGemm(c));
  }
}

// One Gemm, and another B, M and scale in every call.
TEST_F(GemmTest, ChangesWithEachCall) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = MakeContext(isa);
    LinearCase c;
    c.outputs = 45;
    c.inputs = 50;
    c.zero_points = Granularity::kPerChannel;
    c.output = DataType::kF32;  // the epilogue keeps nothing of the data
    const Gemm gemm = MakeGemm(context, LinearData(c)).value();
    for (const int64_t rows : {5, 1, 40, 0, 7}) {
      c.rows = rows;
      c.seed = static_cast<uint64_t>(rows);
      const LinearData data(c);
      const TestMatrix result = data.MakeOutput(Guard::kBehind);
      const Status status = RunGemm(gemm, data, result);
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE(SameBits(ReferenceResult(data), result)) << "  " << IsaName(isa) << ": " << c;
      RecordChecked(isa);
    }
  }
}

TEST_F(GemmTest, Threads) {
  LinearCase c;
  c.rows = 61;
  c.outputs = 601;
  c.inputs = 130;
  c.zero_points = Granularity::kPerChannel;
  for (int threads = 1; threads <= 7; ++threads) {
    BackwardPool backward(threads);
    ASSERT_NO_FATAL_FAILURE(CheckGemm(c, &backward));
  }
  FixedPool fixed(2);
  ASSERT_NO_FATAL_FAILURE(CheckGemm(c, &fixed));
}

TEST_F(GemmTest, ConcurrentCalls) {
  for (const Isa isa : SupportedIsas()) {
    LinearCase c;
    c.rows = 9;
    c.outputs = 70;
    c.inputs = 33;
    const Context context = MakeContext(isa);
    const Gemm gemm = MakeGemm(context, LinearData(c)).value();
    std::vector<std::string> failures(4);
    std::vector<std::thread> threads;
    for (size_t t = 0; t < failures.size(); ++t) {
      threads.emplace_back([&, t] {
        LinearData data(c);
        data.weights.Set([&](int64_t k, int64_t j) { return k * 3 + j * static_cast<int64_t>(t); });
        const TestMatrix expected = ReferenceResult(data);
        for (int call = 0; call < 20 && failures[t].empty(); ++call) {
          const TestMatrix result = data.MakeOutput(Guard::kBehind);
          const Status status = RunGemm(gemm, data, result);
          const auto same = SameBits(expected, result);
          if (!status.ok()) failures[t] = status.message();
          if (!same) failures[t] = same.message();
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    for (const std::string& failure : failures) EXPECT_EQ(failure, "") << IsaName(isa);
    RecordChecked(isa);
  }
}

// Weights that could leave int32 are found when they come.
TEST_F(GemmTest, OverflowIsRefusedBeforeAnythingIsWritten) {
  LinearCase c;
  c.rows = 1;
  c.outputs = 3;
  c.inputs = 65794;
  c.output = DataType::kS32;
  LinearData data(c);
  data.weights.Set([](int64_t, int64_t) { return -127; });
  for (const Isa isa : SupportedIsas()) {
    const Gemm gemm = MakeGemm(MakeContext(isa), data).value();
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    const Status fits = RunGemm(gemm, data, result);
    EXPECT_TRUE(fits.ok()) << fits.message();
    EXPECT_TRUE(SameBits(ReferenceResult(data), result));
    RecordChecked(isa);

    LinearData too_large(c);
    too_large.weights.Set([](int64_t, int64_t j) { return j == 1 ? -128 : 5; });
    const TestMatrix untouched = result.Clone(Guard::kBehind);
    const Status status = RunGemm(gemm, too_large, result);
    EXPECT_EQ(status.code(), StatusCode::kOutOfRange) << status.message();
    EXPECT_STREQ(status.field(), "weights");
    EXPECT_TRUE(SameBits(untouched, result));
  }
}

}  // namespace
}  // namespace qforge::test
