// Results do not depend on how many threads compute them; the plan covers all of C; and a call
// allocates nothing once a thread has run its like.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <vector>

#include "plan/sparse.h"
#include "sparse/sparse_case.h"
#include "support/allocation_counter.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// Split over rows, over columns, over both, and hardly at all; by blocks, row by row, and dense.
std::vector<SparseCase> Cases() {
  struct Shape {
    int64_t rows, outputs, inputs;
    double density;
  };
  std::vector<SparseCase> cases;
  for (const Shape& shape : {Shape{700, 300, 200, 0.03}, Shape{1, 5000, 300, 0.02},
                             Shape{40, 2100, 300, 0.05}, Shape{130, 1100, 100, 0.002},
                             Shape{60, 300, 300, 0.9}, Shape{3, 5, 7, 0.3}, Shape{0, 5, 5, 0.3}}) {
    SparseCase c;
    c.rows = shape.rows;
    c.outputs = shape.outputs;
    c.inputs = shape.inputs;
    c.density = shape.density;
    cases.push_back(c);
    c.accumulate = true;
    c.gap = 3;
    cases.push_back(c);
  }
  return cases;
}

// A case with its data and what the reference makes of them.
struct PreparedCase {
  explicit PreparedCase(const SparseCase& c) : data(c), expected(data.Expected()) { data.Seal(); }
  SparseData data;
  TestMatrix expected;
};

const std::vector<PreparedCase>& PreparedCases() {
  static const std::vector<PreparedCase> all = [] {
    const std::vector<SparseCase> cases = Cases();
    return std::vector<PreparedCase>(cases.begin(), cases.end());
  }();
  return all;
}

void CheckIn(ThreadPool& pool, const std::string& where) {
  for (const PreparedCase& prepared : PreparedCases()) {
    const SparseData& data = prepared.data;
    for (const Isa isa : SupportedIsas()) {
      ContextOptions options;
      options.pool = &pool;
      options.max_isa = isa;
      const TestMatrix output = data.MakeOutput(Guard::kBehind);
      const Status status = data.Run(Context::Create(options).value(), isa, output);
      ASSERT_TRUE(status.ok()) << where << ", " << IsaName(isa) << ": " << status.message();
      ASSERT_TRUE(SameBits(prepared.expected, output))
          << "  " << where << ", " << IsaName(isa) << ": " << data.c;
      RecordChecked(isa);
    }
  }
}

using SparseThreads = EveryIsaTest;

TEST_F(SparseThreads, OneToThree) {
  for (int threads = 1; threads <= 3; ++threads) {
    BackwardPool pool(threads);
    ASSERT_NO_FATAL_FAILURE(CheckIn(pool, "backward pool of " + std::to_string(threads)));
  }
}

TEST_F(SparseThreads, RealOnes) {
  FixedPool pool(3);
  ASSERT_NO_FATAL_FAILURE(CheckIn(pool, "pool of 3"));
}

TEST_F(SparseThreads, NothingIsAllocatedTwice) {
  for (const PreparedCase& prepared : PreparedCases()) {
    const SparseData& data = prepared.data;
    for (const Isa isa : SupportedIsas()) {
      const SparseLinear product =
          SparseLinear::Create(ContextOf(isa), data.weights(), data.options()).value();
      const TestMatrix output = data.MakeOutput(Guard::kBehind);
      const auto run = [&] {
        return product.Run(data.input.view<const uint8_t>(), output.view<int32_t>()).ok();
      };
      ASSERT_TRUE(run());
      const int64_t before = AllocationCount();
      const bool ok = run() && run();
      const int64_t after = AllocationCount();
      EXPECT_TRUE(ok);
      EXPECT_EQ(after - before, 0) << IsaName(isa) << ": " << data.c;
      RecordChecked(isa);
    }
  }
}

plan::SparseShape ShapeOf(int64_t inputs, int64_t outputs, double density) {
  plan::SparseShape shape;
  shape.inputs = inputs;
  shape.outputs = outputs;
  shape.strips = (inputs + 15) / 16;
  shape.tiles = (outputs + 15) / 16;
  shape.columns = outputs;
  shape.entries = static_cast<int64_t>(density * static_cast<double>(inputs * outputs));
  shape.quads = shape.entries / 4 + outputs;
  shape.has_all_tiles = true;
  return shape;
}

TEST(SparsePlan, TakesTheWayThatDensityAndRowsAskFor) {
  EXPECT_EQ(plan::NextBlockRows(ShapeOf(1024, 1024, 0.01), 1), 0);
  EXPECT_EQ(plan::NextBlockRows(ShapeOf(1024, 1024, 0.01), 16), 16);
  EXPECT_EQ(plan::NextBlockRows(ShapeOf(1024, 1024, 0.01), 17), 32);
  EXPECT_EQ(plan::NextBlockRows(ShapeOf(1024, 1024, 0.01), 1000), 64);
  EXPECT_FALSE(plan::KeepsDense(ShapeOf(1024, 1024, 0.001)));
  EXPECT_TRUE(plan::PrefersDense(ShapeOf(1024, 1024, 1.0), 1));
  EXPECT_TRUE(plan::PrefersDense(ShapeOf(1024, 1024, 1.0), 1024));
  EXPECT_FALSE(plan::PrefersDense(ShapeOf(1024, 1024, 0.1), 1024));
}

TEST(SparsePlan, DividesRowsFirst) {
  const plan::SparseShape shape = ShapeOf(1024, 1024, 0.2);
  EXPECT_EQ(plan::ChooseSparseGrid(shape, 4096, 1).tasks(), 1);
  const plan::Grid rows = plan::ChooseSparseGrid(shape, 4096, 4);
  EXPECT_GE(rows.row_parts, 4);
  EXPECT_EQ(rows.panel_parts, 1);
  const plan::Grid columns = plan::ChooseSparseGrid(shape, 64, 4);
  EXPECT_EQ(columns.row_parts, 1);
  EXPECT_EQ(columns.panel_parts, 4);
  EXPECT_EQ(plan::ChooseSparseGrid(ShapeOf(64, 64, 0.1), 64, 4).tasks(), 1);
}

}  // namespace
}  // namespace qforge::test
