// fork() while pools exist and are in use: the parent goes on, and a child runs the operations that
// it has inherited, makes new ones and pools of its own, and ends.
#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "jit/kernel_cache.h"
#include "ops/parallel.h"
#include "support/child_process.h"
#include "threads/operations.h"
#include "threads/pools.h"

namespace qforge::test {
namespace {

constexpr char kNoThreads[] = "thread sanitizer lets no child start threads";

class PoolsAndFork : public EveryPoolTest {
 protected:
  void SetUp() override {
    if (kThreadSanitized && GetParam().has_threads_after_fork) GTEST_SKIP() << kNoThreads;
  }
};
INSTANTIATE_TEST_SUITE_P(Every, PoolsAndFork, testing::ValuesIn(PoolKinds()), NameOfPool);

// Whether `pool` runs its tasks on several threads, or else on the calling one, as it should.
bool RunsWhereItShould(ThreadPool& pool, bool several) {
  return several ? RunsOnSeveralThreads(pool) : RunsOnCallingThread(pool);
}

// What a child does with an inherited pool and operations on it.
std::string UseInherited(const PoolKind& kind, ThreadPool& pool, const Operations& operations) {
  for (int round = 0; round < 3; ++round) QFORGE_CHILD_EXPECT(operations.Run() == "");
  QFORGE_CHILD_EXPECT(operations.RunAround(operations) == "");
  QFORGE_CHILD_EXPECT(RunsWhereItShould(pool, kind.has_threads_after_fork));
  return "";
}

// New operations on the inherited pool and on one of the child's own; `operations_kind` is one
// whose kernels nobody has emitted.
std::string MakeNew(const PoolKind& kind, ThreadPool& inherited, int operations_kind) {
  const size_t kernels_before = jit::PublishedKernels().size();
  const Operations on_inherited(ContextOn(inherited), operations_kind);
  QFORGE_CHILD_EXPECT(jit::PublishedKernels().size() > kernels_before);
  QFORGE_CHILD_EXPECT(on_inherited.Run() == "");

  if (kThreadSanitized && kind.gets_threads_after_fork) return "";
  const auto own = kind.make(3);
  const Operations on_own(ContextOn(own->adapter()), operations_kind);
  QFORGE_CHILD_EXPECT(on_own.Run() == "");
  QFORGE_CHILD_EXPECT(RunsWhereItShould(own->adapter(), kind.gets_threads_after_fork));
  return "";
}

TEST_P(PoolsAndFork, ChildrenRunWhatTheyInherit) {
  const PoolKind& kind = GetParam();
  const auto pool = MakePool(3);
  const Operations operations(ContextOn(pool->adapter()), 0);
  ASSERT_EQ(operations.Run(), "");
  for (int child = 0; child < 3; ++child) {
    EXPECT_EQ(RunInChild([&] { return UseInherited(kind, pool->adapter(), operations); }), "");
    EXPECT_EQ(operations.Run(), "");
  }
  EXPECT_TRUE(RunsOnSeveralThreads(pool->adapter()));
}

TEST_P(PoolsAndFork, ChildrenMakeTheirOwn) {
  const PoolKind& kind = GetParam();
  const auto pool = MakePool(3);
  const Operations operations(ContextOn(pool->adapter()), 0);
  ASSERT_EQ(operations.Run(), "");
  EXPECT_EQ(RunInChild([&] {
              const std::string failure =
                  MakeNew(kind, pool->adapter(), Operations::kKindsOfParents);
              if (!failure.empty()) return failure;
              return RunInChild([&] {  // and children of children
                const std::string inherited = UseInherited(kind, pool->adapter(), operations);
                if (!inherited.empty()) return inherited;
                return MakeNew(kind, pool->adapter(), Operations::kKindsOfParents + 1);
              });
            }),
            "");
  EXPECT_EQ(operations.Run(), "");
  EXPECT_EQ(Operations(ContextOn(pool->adapter()), 1).Run(), "");
}

// A child has only the forking thread, whatever the others were doing.
TEST_P(PoolsAndFork, OthersMayBeRunningMeanwhile) {
  const PoolKind& kind = GetParam();
  const auto pool = MakePool(3);
  const Operations operations(ContextOn(pool->adapter()), 0);
  ASSERT_EQ(operations.Run(), "");
  std::atomic<bool> stop{false};
  std::vector<std::string> failures(2);
  std::vector<std::thread> threads;
  for (std::string& failure : failures) {
    threads.emplace_back([&] {
      while (!stop && failure.empty()) failure = operations.Run();
    });
  }
  for (int child = 0; child < 5; ++child) {
    EXPECT_EQ(RunInChild([&] {
                const std::string failure = UseInherited(kind, pool->adapter(), operations);
                return failure.empty() ? MakeNew(kind, pool->adapter(), Operations::kKindsOfParents)
                                       : failure;
              }),
              "");
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
  EXPECT_EQ(operations.Run(), "");
}

// The thread that a child has may be one of the pool's.
TEST_P(PoolsAndFork, TasksMayFork) {
  const auto pool = MakePool(3);
  const Operations operations(ContextOn(pool->adapter()), 0);
  std::vector<std::string> failures(4, "not run");
  ParallelFor(&pool->adapter(), 4, [&](int64_t i) {
    failures[static_cast<size_t>(i)] = RunInChild([&] { return operations.Run(); });
  });
  for (const std::string& failure : failures) EXPECT_EQ(failure, "");
  EXPECT_EQ(operations.Run(), "");
}

// The pool that a context has made ends with it, in parent and child.
TEST(ReadyMadePoolAndFork, IsDestroyedInAChild) {
  if (kThreadSanitized) GTEST_SKIP() << kNoThreads;
  ContextOptions options;
  options.max_threads = 3;
  Result<Context> created = Context::Create(options);
  if (created.status().code() == StatusCode::kUnsupported) {
    GTEST_SKIP() << created.status().message();
  }
  std::optional<Context> context(std::move(created).value());
  std::optional<Operations> operations(std::in_place, *context, 0);
  ASSERT_EQ(operations->Run(), "");
  for (const bool used : {false, true}) {
    EXPECT_EQ(RunInChild([&]() -> std::string {
                if (used) QFORGE_CHILD_EXPECT(operations->Run() == "");
                operations.reset();
                context.reset();
                return "";
              }),
              "");
  }
  EXPECT_EQ(operations->Run(), "");
}

}  // namespace
}  // namespace qforge::test
