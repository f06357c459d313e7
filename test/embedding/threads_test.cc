// Results do not depend on how many threads compute them, in what order, nor on who else calls; and
// Run allocates nothing once a thread has run a call of the size.
#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>
#include <string>
#include <thread>
#include <vector>

#include "embedding/bag_case.h"
#include "support/allocation_counter.h"
#include "support/status_matchers.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// Large enough to be divided, evenly and not: one bag that has nearly everything, empty bags at the
// ends, and next to no work.
std::vector<BagCase> Cases() {
  std::vector<BagCase> cases;
  const std::vector<std::vector<int64_t>> all_lengths = {std::vector<int64_t>(200, 30),
                                                         {0, 0, 5000, 1, 0, 40, 0},
                                                         std::vector<int64_t>(3000, 0),
                                                         {1, 2, 3},
                                                         {}};
  for (const std::vector<int64_t>& lengths : all_lengths) {
    BagCase c;
    c.layout = LayoutOf(RowFormat::kU4, 100);
    c.lengths = lengths;
    cases.push_back(c);
    c.layout = LayoutOf(RowFormat::kU8, 64);
    c.bounds = BagBounds::kLengths;
    c.bounds_bytes = c.index_bytes = 4;
    c.weights = BagWeights::kPerBagPosition;
    c.output = DataType::kF16;
    c.output_gap = 3;
    cases.push_back(c);
    c.layout = LayoutOf(RowFormat::kBF16, 33);
    c.pooling = Pooling::kNone;
    c.weights = BagWeights::kPerPosition;
    c.mapped = true;
    cases.push_back(c);
    c.weights = BagWeights::kNone;
    c.output = DataType::kU8;
    cases.push_back(c);
    BagCase checked;
    checked.layout = LayoutOf(RowFormat::kTwoTier4, 64);
    checked.layout.checksum = true;
    checked.lengths = lengths;
    cases.push_back(checked);
    checked.layout = LayoutOf(RowFormat::kU8, 100);
    checked.checksums_beside = true;
    cases.push_back(checked);
    checked.pooling = Pooling::kNone;
    checked.output = DataType::kU8;  // checked behind the look-up
    cases.push_back(checked);
  }
  return cases;
}

struct PreparedCase {
  explicit PreparedCase(const BagCase& c)
      : data(c), table(data.table.Borrow()), expected(data.Expected()) {
    if (c.checksums_beside) {
      EXPECT_TRUE(table.AddChecksums(BestContext()).ok());
    }
    data.Seal();
  }
  BagData data;
  EmbeddingTable table;
  TestMatrix expected;
};

const std::vector<PreparedCase>& PreparedCases() {
  static const std::vector<PreparedCase> all = [] {
    const std::vector<BagCase> cases = Cases();
    return std::vector<PreparedCase>(cases.begin(), cases.end());
  }();
  return all;
}

using LookUpThreads = EveryIsaTest;

TEST_F(LookUpThreads, DoNotChangeResults) {
  BackwardPool backward_2(2), backward_7(7);
  FixedPool fixed_2(2), fixed_3(3);
  for (ThreadPool* const pool :
       {static_cast<ThreadPool*>(&backward_2), static_cast<ThreadPool*>(&backward_7),
        static_cast<ThreadPool*>(&fixed_2), static_cast<ThreadPool*>(&fixed_3)}) {
    for (const Isa isa : SupportedIsas()) {
      const Context context = ContextFor(isa, pool);
      for (const PreparedCase& prepared : PreparedCases()) {
        const EmbeddingBag bag =
            EmbeddingBag::Create(context, prepared.table, prepared.data.options()).value();
        const TestMatrix result = prepared.data.MakeOutput();
        ASSERT_TRUE(bag.Run(prepared.data.input(), result.output()).ok());
        EXPECT_TRUE(SameBits(prepared.expected, result))
            << IsaName(isa) << ", " << pool->ThreadCount() << " threads: " << prepared.data.c;
      }
      RecordChecked(context.isa());
    }
  }
}

// Many indices are checked in a region of their own, in front of the one that looks up, wherever
// the bad one lies.
TEST_F(LookUpThreads, ShareTheCheckOfManyIndices) {
  constexpr int64_t kBags = 1000, kLength = 40;
  const TableData data(LayoutOf(RowFormat::kU4, 8), 100, 1);
  const EmbeddingTable table = data.Borrow();
  std::vector<int64_t> indices(kBags * kLength, 99);
  std::vector<int64_t> offsets;
  for (int64_t i = 0; i <= kBags; ++i) offsets.push_back(i * kLength);
  for (const Isa isa : SupportedIsas()) {
    CountingPool pool;
    const Context context = ContextFor(isa, &pool);
    const EmbeddingBag bag = EmbeddingBag::Create(context, table).value();
    const std::vector<EmbeddingBag> bags(3, bag);
    const std::vector<BagInput> inputs(3, BagInput{indices, offsets});
    std::vector<float> values(3 * kBags * 8, 7.0f);
    std::vector<OutputMatrix> outputs;
    for (int64_t i = 0; i < 3; ++i) outputs.emplace_back(&values[i * kBags * 8], kBags, int64_t{8});
    for (const int64_t bad : {int64_t{0}, kBags * kLength / 2 - 1, kBags * kLength - 1}) {
      std::vector<int64_t> bad_indices = indices;
      bad_indices[static_cast<size_t>(bad)] = 100;
      pool.regions = 0;
      EXPECT_TRUE(IsError(bag.Run({bad_indices, offsets}, outputs[0]), StatusCode::kOutOfRange,
                          "input.indices"));
      EXPECT_EQ(pool.regions, 1);
      std::vector<BagInput> bad_inputs = inputs;
      bad_inputs[1].indices = bad_indices;
      const Status status = EmbeddingBag::RunAll(context, bags, bad_inputs, outputs);
      EXPECT_TRUE(IsError(status, StatusCode::kOutOfRange, "bags[1].input.indices"));
      EXPECT_NE(std::string(status.message()).find("position " + std::to_string(bad) + ":"),
                std::string::npos)
          << status.message();
    }
    EXPECT_EQ(std::count(values.begin(), values.end(), 7.0f), std::ssize(values));
    pool.regions = 0;
    ASSERT_TRUE(bag.Run(inputs[0], outputs[0]).ok());
    EXPECT_EQ(pool.regions, 2);
    ASSERT_TRUE(EmbeddingBag::RunAll(context, bags, inputs, outputs).ok());
    EXPECT_EQ(pool.regions, 4);
    RecordChecked(context.isa());
  }
}

// All cases in one call, each with what it gives alone.
TEST_F(LookUpThreads, RunAllGivesWhatEachGives) {
  BackwardPool backward(3);
  FixedPool fixed(2);
  for (ThreadPool* const pool :
       {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&backward),
        static_cast<ThreadPool*>(&fixed)}) {
    for (const Isa isa : SupportedIsas()) {
      const Context context = ContextFor(isa, pool);
      std::vector<EmbeddingBag> bags;
      std::vector<BagInput> inputs;
      std::vector<TestMatrix> results;
      std::vector<OutputMatrix> outputs;
      for (const PreparedCase& prepared : PreparedCases()) {
        bags.push_back(
            EmbeddingBag::Create(context, prepared.table, prepared.data.options()).value());
        inputs.push_back(prepared.data.input());
        results.push_back(prepared.data.MakeOutput());
        outputs.push_back(results.back().output());
      }
      const Status status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
      ASSERT_TRUE(status.ok()) << status.message();
      for (size_t i = 0; i < bags.size(); ++i) {
        EXPECT_TRUE(SameBits(PreparedCases()[i].expected, results[i]))
            << IsaName(isa) << ": " << PreparedCases()[i].data.c;
      }
      RecordChecked(context.isa());
    }
  }
}

// The outputs of several tables side by side in one matrix, as a model concatenates them.
TEST_F(LookUpThreads, RunAllIntoColumns) {
  constexpr int64_t kBags = 300;
  FixedPool pool(2);
  const std::vector<int64_t> dimensions = {16, 1, 33, 64, 8};
  std::vector<PreparedCase> prepared;
  int64_t columns = 0;
  for (const int64_t dimension : dimensions) {
    BagCase c;
    c.layout = LayoutOf(kAllFormats[prepared.size() + 3], dimension);
    c.lengths = std::vector<int64_t>(kBags, 4 + dimension % 3);
    c.seed = static_cast<uint64_t>(dimension);
    prepared.emplace_back(c);
    columns += dimension;
  }
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa, &pool);
    const TestMatrix result(DataType::kF32, kBags, columns, 5);
    std::vector<EmbeddingBag> bags;
    std::vector<BagInput> inputs;
    std::vector<OutputMatrix> outputs;
    float* next = result.data<float>();
    for (const PreparedCase& one : prepared) {
      bags.push_back(EmbeddingBag::Create(context, one.table, one.data.options()).value());
      inputs.push_back(one.data.input());
      outputs.push_back(OutputMatrix(next, kBags, one.data.c.layout.dimension, result.stride()));
      next += one.data.c.layout.dimension;
    }
    const Status status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message();
    int64_t first = 0;
    const TestMatrix expected(DataType::kF32, kBags, columns, 5);
    for (const PreparedCase& one : prepared) {
      for (int64_t i = 0; i < kBags; ++i) {
        for (int64_t j = 0; j < one.expected.cols(); ++j) {
          expected.at<float>(i, first + j) = one.expected.at<float>(i, j);
        }
      }
      first += one.expected.cols();
    }
    EXPECT_TRUE(SameBits(expected, result)) << IsaName(isa);
    RecordChecked(context.isa());
  }
}

TEST(LookUpFromManyThreads, OneOperation) {
  const PreparedCase& prepared = PreparedCases()[0];
  const EmbeddingBag bag =
      EmbeddingBag::Create(Context::Create().value(), prepared.table, prepared.data.options())
          .value();
  std::vector<std::thread> threads;
  std::vector<TestMatrix> results;
  for (int i = 0; i < 4; ++i) results.push_back(prepared.data.MakeOutput());
  for (const TestMatrix& result : results) {
    threads.emplace_back([&] {
      for (int round = 0; round < 5; ++round) {
        EXPECT_TRUE(bag.Run(prepared.data.input(), result.output()).ok());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const TestMatrix& result : results) EXPECT_TRUE(SameBits(prepared.expected, result));
}

TEST_F(LookUpThreads, AllocateNothingAfterTheFirstRun) {
  FixedPool pool(2);
  for (ThreadPool* const threads :
       {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&pool)}) {
    for (const Isa isa : SupportedIsas()) {
      const Context context = ContextFor(isa, threads);
      std::vector<EmbeddingBag> bags;
      std::vector<BagInput> inputs;
      std::vector<TestMatrix> results;
      std::vector<OutputMatrix> outputs;
      for (const PreparedCase& prepared : PreparedCases()) {
        const BagData& data = prepared.data;
        const EmbeddingBag bag =
            EmbeddingBag::Create(context, prepared.table, data.options()).value();
        const TestMatrix result = data.MakeOutput();
        ASSERT_TRUE(bag.Run(data.input(), result.output()).ok());
        const int64_t before = AllocationCount();
        const bool ok = bag.Run(data.input(), result.output()).ok() &&
                        bag.Run(data.input(), result.output()).ok();
        const int64_t after = AllocationCount();
        EXPECT_TRUE(ok);
        EXPECT_EQ(after - before, 0) << IsaName(isa) << ": " << data.c;
        bags.push_back(bag);
        inputs.push_back(data.input());
        results.push_back(data.MakeOutput());
        outputs.push_back(results.back().output());
      }
      ASSERT_TRUE(EmbeddingBag::RunAll(context, bags, inputs, outputs).ok());
      const int64_t before = AllocationCount();
      const bool ok = EmbeddingBag::RunAll(context, bags, inputs, outputs).ok();
      const int64_t after = AllocationCount();
      EXPECT_TRUE(ok);
      EXPECT_EQ(after - before, 0) << IsaName(isa) << ": RunAll";
      RecordChecked(context.isa());
    }
  }
}

}  // namespace
}  // namespace qforge::test
