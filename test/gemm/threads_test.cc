// Results do not depend on how many threads compute them, nor on who else calls.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include "gemm/linear_case.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// Shapes that can be split over rows, over outputs, over groups, and hardly at all. Small ones are
// not worth a second thread, hence some millions of products.
std::vector<LinearCase> Cases() {
  struct Shape {
    int64_t rows, outputs, inputs, groups;
  };
  std::vector<LinearCase> cases;
  for (const Shape& shape :
       {Shape{1111, 40, 129, 1}, Shape{1, 3001, 1301, 1}, Shape{70, 201, 131, 3},
        Shape{231, 129, 258, 1}, Shape{2, 3, 5, 1}, Shape{0, 5, 5, 1}}) {
    LinearCase c;
    c.rows = shape.rows;
    c.outputs = shape.outputs;
    c.inputs = shape.inputs;
    c.groups = shape.groups;
    c.bias = DataType::kS32;
    cases.push_back(c);
    c.zero_points = Granularity::kPerChannel;  // sums of the rows of A
    c.residual = DataType::kU8;
    c.gap = 5;
    cases.push_back(c);
    c.transposed_input = true;
    cases.push_back(c);
    c.input = DataType::kF32;  // quantised by all threads
    c.scaling = InputScaling::kDynamicPerTensor;
    cases.push_back(c);
    c.transposed_input = false;
    c.scaling = InputScaling::kDynamicPerRow;
    cases.push_back(c);
  }
  return cases;
}

// A case with its data and what the reference makes of them.
struct PreparedCase {
  explicit PreparedCase(const LinearCase& c) : data(c), expected(ReferenceResult(data)) {
    data.Seal();
  }
  LinearData data;
  TestMatrix expected;
};

const std::vector<PreparedCase>& PreparedCases() {
  static const std::vector<PreparedCase> all = [] {
    const std::vector<LinearCase> cases = Cases();
    return std::vector<PreparedCase>(cases.begin(), cases.end());
  }();
  return all;
}

// Runs each case in `context` on each ISA.
void CheckIn(const Context& context, const std::string& where) {
  for (const PreparedCase& prepared : PreparedCases()) {
    const LinearData& data = prepared.data;
    for (const Isa isa : SupportedIsas()) {
      const TestMatrix result = data.MakeOutput(Guard::kBehind);
      const Status status = data.Run(context, isa, result);
      ASSERT_TRUE(status.ok()) << where << ", " << IsaName(isa) << ": " << status.message();
      ASSERT_TRUE(SameBits(prepared.expected, result))
          << "  " << where << ", " << IsaName(isa) << ": " << data.c;
      RecordChecked(isa);
    }
  }
}

using Threads = EveryIsaTest;

TEST_F(Threads, OwnPoolOfOneToSeven) {
  for (int threads = 1; threads <= 7; ++threads) {
    BackwardPool pool(threads);
    ContextOptions options;
    options.pool = &pool;
    const Context context = Context::Create(options).value();
    EXPECT_EQ(context.thread_count(), threads);
    ASSERT_NO_FATAL_FAILURE(CheckIn(context, "backward pool of " + std::to_string(threads)));
  }
}

TEST_F(Threads, OwnPoolOfRealThreads) {
  for (const int threads : {2, 5}) {
    FixedPool pool(threads);
    ContextOptions options;
    options.pool = &pool;
    const Context context = Context::Create(options).value();
    ASSERT_NO_FATAL_FAILURE(CheckIn(context, "pool of " + std::to_string(threads)));
  }
}

TEST_F(Threads, MaximumBelowThePool) {
  BackwardPool pool(7);
  ContextOptions options;
  options.pool = &pool;
  options.max_threads = 3;
  const Context context = Context::Create(options).value();
  EXPECT_EQ(context.thread_count(), 3);
  ASSERT_NO_FATAL_FAILURE(CheckIn(context, "3 of 7 threads"));
}

TEST_F(Threads, ReadyMadePool) {
  ContextOptions options;
  options.max_threads = 2;
  const Result<Context> context = Context::Create(options);
  if (!context.ok() && context.status().code() == StatusCode::kUnsupported) {
    GTEST_SKIP() << context.status().message();
  }
  ASSERT_TRUE(context.ok()) << context.status().message();
  EXPECT_EQ(context->thread_count(), 2);
  ASSERT_NO_FATAL_FAILURE(CheckIn(*context, "ready-made pool of 2"));
}

// A pool that counts its loops and tasks.
class CountingPool final : public ThreadPool {
 public:
  int ThreadCount() const noexcept override { return 4; }
  void ParallelFor(int64_t count, Task task, void* argument) noexcept override {
    ++loops;
    most_tasks = std::max(most_tasks, count);
    for (int64_t i = 0; i < count; ++i) task(argument, i);
  }
  int64_t loops = 0;
  int64_t most_tasks = 0;
};

// Work that is worth it is shared: the pool is not there for show.
TEST_F(Threads, ThePoolIsUsed) {
  for (const Isa isa : SupportedIsas()) {
    CountingPool pool;
    ContextOptions options;
    options.pool = &pool;
    const Context context = Context::Create(options).value();
    LinearCase c;
    c.rows = 300;
    c.outputs = 300;
    c.inputs = 100;
    const LinearData data(c);
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    ASSERT_TRUE(data.Run(context, isa, result).ok());
    EXPECT_GE(pool.loops, 1) << IsaName(isa);
    EXPECT_GE(pool.most_tasks, 2) << IsaName(isa);
    RecordChecked(isa);
  }
}

// Many threads create and run layers on the same weights, and one layer, at the same time.
TEST_F(Threads, ConcurrentRunsOfOneLayer) {
  for (const DataType input : {DataType::kU8, DataType::kF32}) {
    LinearCase c;
    c.rows = 13;
    c.outputs = 75;
    c.inputs = 40;
    c.input = input;
    if (input == DataType::kF32) c.scaling = InputScaling::kDynamicPerRow;
    c.zero_points = Granularity::kPerChannel;
    c.bias = DataType::kF32;
    LinearData data(c);
    const TestMatrix expected = ReferenceResult(data);
    data.Seal();
    const Context context = Context::Create().value();
    for (const Isa isa : SupportedIsas()) {
      const PackedWeights weights = data.Pack(isa).value();
      const Linear shared =
          Linear::Create(context, weights, data.epilogue(), data.linear_options()).value();
      std::vector<std::string> failures(5);
      std::vector<std::thread> threads;
      for (std::string& failure : failures) {
        threads.emplace_back([&] {
          const Linear own =
              Linear::Create(context, weights, data.epilogue(), data.linear_options()).value();
          for (int call = 0; call < 40 && failure.empty(); ++call) {
            const TestMatrix result = data.MakeOutput(Guard::kBehind);
            const Status status = (call % 2 == 0 ? shared : own)
                                      .Run(data.input.input(), data.quantization(), result.output(),
                                           data.run_arguments(result));
            const auto same = SameBits(expected, result);
            if (!same) failure = same.message();
            if (!status.ok()) failure = status.message();
          }
        });
      }
      for (std::thread& thread : threads) thread.join();
      for (const std::string& failure : failures) EXPECT_EQ(failure, "") << IsaName(isa);
      RecordChecked(weights.isa());
    }
  }
}

// A layer lives on its own: weights, context and what the epilogue pointed to may be gone.
TEST_F(Threads, LayersKeepWhatTheyNeed) {
  LinearCase c;
  c.rows = 6;
  c.outputs = 37;
  c.inputs = 21;
  c.groups = 2;
  c.zero_points = Granularity::kPerChannel;
  c.bias = DataType::kF32;
  const LinearData data(c);
  const TestMatrix expected = ReferenceResult(data);
  for (const Isa isa : SupportedIsas()) {
    const auto make = [&] {
      LinearData gone(c);
      const Context context = Context::Create().value();
      const PackedWeights weights = gone.Pack(isa).value();
      return Linear::Create(context, weights, gone.epilogue(), gone.linear_options()).value();
    };
    const Linear linear = make();
    const Linear copy = linear;
    for (const Linear& layer : {linear, copy}) {
      const TestMatrix result = data.MakeOutput(Guard::kBehind);
      const Status status = layer.Run(data.input.input(), data.quantization(), result.output());
      ASSERT_TRUE(status.ok()) << status.message();
      ASSERT_TRUE(SameBits(expected, result)) << "  " << IsaName(isa);
    }
    RecordChecked(isa);
  }
}

}  // namespace
}  // namespace qforge::test
