// ExecutorAdapter on executors that are late, busy, full, or gone.
#include "qforge/threads/executor.h"

#include <gtest/gtest.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <thread>
#include <utility>
#include <vector>

#include "ops/parallel.h"
#include "threads/pools.h"

namespace qforge::test {
namespace {

// How many tasks of a loop of `count` run, each once.
int64_t CountTasks(ThreadPool& pool, int64_t count) {
  std::vector<std::atomic<int>> calls(static_cast<size_t>(count));
  ParallelFor(&pool, count, [&](int64_t i) { ++calls[static_cast<size_t>(i)]; });
  int64_t once = 0;
  for (const std::atomic<int>& task : calls) once += task == 1;
  return once;
}

TEST(Executor, WorkIsRunAtOnce) {
  ExecutorAdapter adapter([](auto work) { work(); }, 4);
  EXPECT_EQ(adapter.ThreadCount(), 4);
  EXPECT_EQ(CountTasks(adapter, 100), 100);
}

TEST(Executor, WorkIsDropped) {
  ExecutorAdapter adapter([](auto) {}, 4);
  EXPECT_EQ(CountTasks(adapter, 100), 100);
}

TEST(Executor, WorkIsRefused) {
  for (int accepted = 0; accepted < 4; ++accepted) {
    WorkerThreads workers(2);
    int submitted = 0;
    ExecutorAdapter adapter(
        [&](auto work) {
          if (submitted++ == accepted) throw std::bad_alloc();
          workers.Submit(std::move(work));
        },
        5);
    EXPECT_EQ(CountTasks(adapter, 100), 100);
    EXPECT_EQ(submitted, accepted + 1);
  }
}

// What is run when loop and adapter are gone finds nothing to do.
TEST(Executor, WorkIsLate) {
  std::vector<std::function<void()>> late;
  {
    ExecutorAdapter adapter([&](auto work) { late.emplace_back(std::move(work)); }, 4);
    EXPECT_EQ(CountTasks(adapter, 100), 100);
    EXPECT_EQ(CountTasks(adapter, 2), 2);
  }
  EXPECT_EQ(late.size(), 3 + 1);
  for (const std::function<void()>& work : late) work();
}

// All workers are busy until the loop has ended, and none is free for a thread of the pool itself.
TEST(Executor, AllWorkersAreBusy) {
  WorkerThreads workers(2);
  ExecutorAdapter adapter([&](auto work) { workers.Submit(std::move(work)); }, 3);
  std::mutex mutex;
  std::condition_variable changed;
  int finished = 0;
  std::vector<int64_t> tasks(2);
  for (int64_t& count : tasks) {
    workers.Submit([&] {
      const int64_t counted = CountTasks(adapter, 100);
      const std::lock_guard lock(mutex);
      count = counted;
      ++finished;
      changed.notify_one();
    });
  }
  std::unique_lock lock(mutex);
  changed.wait(lock, [&] { return finished == 2; });
  EXPECT_EQ(tasks, std::vector<int64_t>(2, 100));
}

TEST(Executor, AsksForNoMoreThanItNeeds) {
  int submitted = 0;
  ExecutorAdapter adapter([&](auto work) { ++submitted, work(); }, 4);
  EXPECT_EQ(CountTasks(adapter, 1), 1);
  EXPECT_EQ(submitted, 0);
  EXPECT_EQ(CountTasks(adapter, 2), 2);
  EXPECT_EQ(submitted, 1);
  EXPECT_EQ(CountTasks(adapter, 50), 50);
  EXPECT_EQ(submitted, 1 + 3);
  for (const int threads : {-1, 0, 1}) {
    ExecutorAdapter one([&](auto) { ++submitted; }, threads);
    EXPECT_EQ(one.ThreadCount(), 1);
    EXPECT_EQ(CountTasks(one, 5), 5);
  }
  EXPECT_EQ(submitted, 4);
}

// Move-only executors, and work in one that takes any callable.
TEST(Executor, TakesWhatCanBeCalled) {
  auto workers = std::make_unique<WorkerThreads>(1);
  ExecutorAdapter adapter(
      [owned = std::move(workers)](const std::function<void()>& work) { owned->Submit(work); }, 2);
  EXPECT_EQ(CountTasks(adapter, 100), 100);
}

}  // namespace
}  // namespace qforge::test
