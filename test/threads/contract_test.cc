// What ThreadPool::ParallelFor promises, of every pool: alone, from several threads, and within its
// own tasks.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <string>
#include <thread>
#include <vector>

#include "ops/parallel.h"
#include "threads/pools.h"

namespace qforge::test {
namespace {

using PoolContract = EveryPoolTest;
INSTANTIATE_TEST_SUITE_P(Every, PoolContract, testing::ValuesIn(PoolKinds()), NameOfPool);

// Whether each index is given to one task, and all have ended when the call returns: the counters
// are not atomic.
testing::AssertionResult RunsEachIndexOnce(ThreadPool& pool, int64_t count) {
  std::vector<int> calls(static_cast<size_t>(count) + 1, 0);
  ParallelFor(&pool, count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
  calls[static_cast<size_t>(count)] = 1;
  for (int64_t i = 0; i <= count; ++i) {
    if (calls[static_cast<size_t>(i)] != 1) {
      return testing::AssertionFailure() << "of " << count << " tasks, " << i << " ran "
                                         << calls[static_cast<size_t>(i)] << " times";
    }
  }
  return testing::AssertionSuccess();
}

TEST_P(PoolContract, EachIndexOnce) {
  for (const int threads : {2, 3, 5}) {
    const auto pool = MakePool(threads);
    for (const int64_t count : {0, 1, 2, 3, 4, 5, 6, 7, 64, 1000}) {
      for (int round = 0; round < 5; ++round) {
        ASSERT_TRUE(RunsEachIndexOnce(pool->adapter(), count)) << threads << " threads";
      }
    }
  }
}

TEST_P(PoolContract, ThreadCount) {
  for (const int threads : {2, 5}) EXPECT_EQ(MakePool(threads)->adapter().ThreadCount(), threads);
}

TEST_P(PoolContract, SeveralThreadsTakePart) {
  if (!HasSeveralProcessors()) GTEST_SKIP() << "one processor";
  EXPECT_TRUE(RunsOnSeveralThreads(MakePool()->adapter()));
}

TEST_P(PoolContract, ConcurrentCallers) {
  const auto pool = MakePool(3);
  std::atomic<int> failures{0};
  std::vector<std::thread> callers;
  for (int t = 0; t < 8; ++t) {
    callers.emplace_back([&] {
      for (int64_t count = 0; count < 60; ++count) {
        if (!RunsEachIndexOnce(pool->adapter(), count)) ++failures;
      }
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(failures, 0);
}

// In a task, loops stay on its thread.
TEST_P(PoolContract, LoopsWithinTasks) {
  const auto pool = MakePool();
  ThreadPool* const adapter = &pool->adapter();
  for (int round = 0; round < 20; ++round) {
    std::atomic<int64_t> innermost{0};
    std::atomic<int> elsewhere{0};
    ParallelFor(adapter, 9, [&](int64_t) {
      const std::thread::id thread = std::this_thread::get_id();
      ParallelFor(adapter, 7, [&](int64_t) {
        ParallelFor(adapter, 5, [&](int64_t) {
          ++innermost;
          if (std::this_thread::get_id() != thread) ++elsewhere;
        });
      });
    });
    EXPECT_EQ(innermost, 9 * 7 * 5);
    EXPECT_EQ(elsewhere, 0);
  }
}

// A loop has the pool again after one whose tasks had loops.
TEST_P(PoolContract, LoopsAfterLoopsWithinTasks) {
  const auto pool = MakePool();
  ParallelFor(&pool->adapter(), 16,
              [&](int64_t) { ParallelFor(&pool->adapter(), 3, [](int64_t) {}); });
  EXPECT_TRUE(RunsOnSeveralThreads(pool->adapter()));
}

// Two pools whose tasks run loops on the other one, from several threads.
TEST_P(PoolContract, PoolsWithinEachOther) {
  for (const PoolKind& other_kind : PoolKinds()) {
    const auto pool = MakePool(3);
    const auto other = other_kind.make(3);
    std::atomic<int64_t> innermost{0};
    std::vector<std::thread> callers;
    for (int t = 0; t < 4; ++t) {
      ThreadPool* const outer = t % 2 == 0 ? &pool->adapter() : &other->adapter();
      ThreadPool* const inner = t % 2 == 0 ? &other->adapter() : &pool->adapter();
      callers.emplace_back([&innermost, outer, inner] {
        for (int round = 0; round < 20; ++round) {
          ParallelFor(outer, 5, [&](int64_t) {
            ParallelFor(inner, 4,
                        [&](int64_t) { ParallelFor(outer, 3, [&](int64_t) { ++innermost; }); });
          });
        }
      });
    }
    for (std::thread& caller : callers) caller.join();
    EXPECT_EQ(innermost, 4 * 20 * 5 * 4 * 3) << other_kind.name;
  }
}

}  // namespace
}  // namespace qforge::test
