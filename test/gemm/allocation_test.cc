// Run allocates nothing once a thread has run a call of the size.
#include <gtest/gtest.h>

#include <cstdlib>
#include <vector>

#include "gemm/linear_case.h"
#include "qforge/gemm.h"
#include "support/allocation_counter.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

std::vector<LinearCase> Cases() {
  LinearCase plain;
  plain.rows = 70;
  plain.outputs = 300;
  plain.inputs = 130;
  LinearCase sums = plain;
  sums.zero_points = Granularity::kPerChannel;
  sums.scaling = InputScaling::kPerRow;
  LinearCase transposed = plain;
  transposed.transposed_input = true;
  transposed.input = DataType::kS8;
  LinearCase converted = plain;
  converted.input = DataType::kF32;
  LinearCase dynamic = converted;
  dynamic.scaling = InputScaling::kDynamicPerRow;
  LinearCase dynamic_tensor = converted;
  dynamic_tensor.scaling = InputScaling::kDynamicPerTensor;
  dynamic_tensor.transposed_input = true;
  LinearCase accumulated = plain;
  accumulated.output = DataType::kS32;
  accumulated.accumulate = true;
  LinearCase grouped = plain;
  grouped.groups = 3;
  LinearCase checked = sums;
  checked.checked = true;
  LinearCase checked_grouped = grouped;
  checked_grouped.checked = true;
  LinearCase checked_few = checked;  // with threads, columns are divided
  checked_few.rows = 4;
  checked_few.outputs = 2000;
  LinearCase checked_outliers = plain;
  checked_outliers.checked = true;
  checked_outliers.weights = WeightKind::kNormal;
  checked_outliers.main_bits = 6;
  return {plain,       sums,    transposed, converted,       dynamic,     dynamic_tensor,
          accumulated, grouped, checked,    checked_grouped, checked_few, checked_outliers};
}

using Allocations = EveryIsaTest;

// The counter itself: the tests below prove nothing if it is blind.
TEST(AllocationCounter, SeesEachKind) {
  const auto counts = [](auto&& allocate) {
    const int64_t before = AllocationCount();
    allocate();
    return AllocationCount() > before;
  };
  struct alignas(128) Wide {
    char bytes[128];
  };
  // Volatile, or the compiler may leave an allocation out.
  void* volatile block = nullptr;
  EXPECT_TRUE(counts([&] { block = std::malloc(100); }));
  std::free(block);
  EXPECT_TRUE(counts([&] { block = std::aligned_alloc(64, 128); }));
  std::free(block);
  Wide* volatile wide = nullptr;
  EXPECT_TRUE(counts([&] { wide = new Wide; }));
  delete wide;
  char* volatile bytes = nullptr;
  EXPECT_TRUE(counts([&] { bytes = new char[100]; }));
  delete[] bytes;
}

TEST_F(Allocations, NoneAfterTheFirstRun) {
  FixedPool pool(2);
  for (ThreadPool* const threads :
       {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&pool)}) {
    ContextOptions options;
    options.pool = threads;
    const Context context = Context::Create(options).value();
    for (const LinearCase& c : Cases()) {
      const LinearData data(c);
      const TestMatrix result = data.MakeOutput(Guard::kBehind);
      for (const Isa isa : SupportedIsas()) {
        const Result<PackedWeights> packed = data.Pack(isa);
        ASSERT_TRUE(packed.ok()) << packed.status().message() << ": " << c;
        const PackedWeights& weights = *packed;
        const Linear linear =
            Linear::Create(context, weights, data.epilogue(), data.linear_options()).value();
        const auto run = [&] {
          return linear
              .Run(data.input.input(), data.quantization(), result.output(),
                   data.run_arguments(result))
              .ok();
        };
        ASSERT_TRUE(run());
        const int64_t before = AllocationCount();
        const bool all_ok = run() && run() && run();
        const int64_t after = AllocationCount();
        EXPECT_TRUE(all_ok);
        EXPECT_EQ(after - before, 0)
            << IsaName(isa) << (threads == nullptr ? "" : ", 2 threads") << ": " << c;
        RecordChecked(weights.isa());
      }
    }
  }
}

// A call no larger than an earlier one fits in what that one left.
TEST_F(Allocations, NoneForFewerRows) {
  const Context context = Context::Create().value();
  for (const LinearCase& large : Cases()) {
    LinearCase small = large;
    small.rows = 3;
    const LinearData first(large);
    const LinearData second(small);
    const TestMatrix first_result = first.MakeOutput(Guard::kBehind);
    const TestMatrix second_result = second.MakeOutput(Guard::kBehind);
    for (const Isa isa : SupportedIsas()) {
      const PackedWeights weights = first.Pack(isa).value();
      const Linear linear =
          Linear::Create(context, weights, first.epilogue(), first.linear_options()).value();
      ASSERT_TRUE(
          linear.Run(first.input.input(), first.quantization(), first_result.output()).ok());
      const int64_t before = AllocationCount();
      const bool ok =
          linear.Run(second.input.input(), second.quantization(), second_result.output()).ok();
      const int64_t after = AllocationCount();
      EXPECT_TRUE(ok);
      EXPECT_EQ(after - before, 0) << IsaName(isa) << ": " << small;
      RecordChecked(weights.isa());
    }
  }
}

TEST_F(Allocations, NoneInGemm) {
  LinearCase c;
  c.rows = 40;
  c.outputs = 100;
  c.inputs = 130;
  c.zero_points = Granularity::kPerChannel;
  const LinearData data(c);
  const TestMatrix result = data.MakeOutput(Guard::kBehind);
  for (const Isa isa : SupportedIsas()) {
    ContextOptions options;
    options.max_isa = isa;
    const Context context = Context::Create(options).value();
    GemmOptions gemm_options;
    gemm_options.inputs = c.inputs;
    gemm_options.outputs = c.outputs;
    gemm_options.weight_zero_points = true;
    gemm_options.linear = data.linear_options();
    const Gemm gemm = Gemm::Create(context, data.epilogue(), gemm_options).value();
    const auto run = [&] {
      WeightsQuantization quantization;
      quantization.scales = {data.scales.data(), data.scales.size()};
      quantization.zero_points = {data.zero_points.data(), data.zero_points.size()};
      return gemm
          .Run(data.input.input(), data.quantization(), data.weights.view<const int8_t>(),
               quantization, result.output())
          .ok();
    };
    ASSERT_TRUE(run());
    const int64_t before = AllocationCount();
    const bool all_ok = run() && run();
    const int64_t after = AllocationCount();
    EXPECT_TRUE(all_ok);
    EXPECT_EQ(after - before, 0) << IsaName(isa);
    RecordChecked(context.isa());
  }
}

}  // namespace
}  // namespace qforge::test
