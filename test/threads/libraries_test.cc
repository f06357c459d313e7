// What only one library has.
#include <gtest/gtest.h>

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "ops/parallel.h"
#include "threads/pools.h"

#ifdef QFORGE_TEST_PTHREADPOOL
#include "qforge/threads/pthreadpool.h"
#endif
#ifdef QFORGE_TEST_OPENMP
#include "qforge/threads/openmp.h"
#endif
#ifdef QFORGE_TEST_TBB
#include "qforge/threads/tbb.h"
#endif

namespace qforge::test {
namespace {

[[maybe_unused]] int64_t CountTasks(ThreadPool& pool, int64_t count) {
  std::atomic<int64_t> tasks{0};
  ParallelFor(&pool, count, [&](int64_t) { ++tasks; });
  return tasks;
}

#ifdef QFORGE_TEST_PTHREADPOOL
TEST(PthreadpoolAdapter, NullIsTheCallingThread) {
  PthreadpoolAdapter adapter(nullptr);
  EXPECT_EQ(adapter.ThreadCount(), 1);
  EXPECT_EQ(CountTasks(adapter, 10), 10);
}
#endif

#ifdef QFORGE_TEST_OPENMP
TEST(OpenMpAdapter, HasAsManyThreadsAsOpenMpSays) {
  EXPECT_EQ(OpenMpAdapter().ThreadCount(), omp_get_max_threads());
  EXPECT_EQ(OpenMpAdapter(3).ThreadCount(), 3);
}

TEST(OpenMpAdapter, WithinARegionOfTheCaller) {
  OpenMpAdapter adapter(3);
  std::atomic<int64_t> tasks{0};
#pragma omp parallel num_threads(2)
  tasks += CountTasks(adapter, 10);
  EXPECT_EQ(tasks, 20);
}
#endif

#ifdef QFORGE_TEST_TBB
TEST(TbbAdapter, WithinACancelledContext) {
  tbb::task_arena arena(2);
  TbbAdapter adapter(arena);
  tbb::task_group_context context;
  int64_t tasks = 0;
  arena.execute([&] {
    tbb::parallel_for(
        0, 1,
        [&](int) {
          context.cancel_group_execution();
          tasks = CountTasks(adapter, 100);
        },
        tbb::simple_partitioner(), context);
  });
  EXPECT_EQ(tasks, 100);
}

// Tasks of the caller's in the same arena run operations.
TEST(TbbAdapter, WithinTasksOfTheCaller) {
  tbb::task_arena arena(2);
  TbbAdapter adapter(arena);
  std::atomic<int64_t> tasks{0};
  arena.execute([&] { tbb::parallel_for(0, 50, [&](int) { tasks += CountTasks(adapter, 20); }); });
  EXPECT_EQ(tasks, 50 * 20);
}

// While a thread waits for the end of a loop it is not lent to other tasks of the arena.
TEST(TbbAdapter, WaitingThreadsRunNothingElse) {
  tbb::task_arena arena(2);
  TbbAdapter adapter(arena);
  static thread_local bool in_loop = false;
  std::atomic<int> lent{0};
  arena.execute([&] {
    tbb::parallel_for(
        0, 200,
        [&](int) {
          if (in_loop) ++lent;
          in_loop = true;
          CountTasks(adapter, 8);
          in_loop = false;
        },
        tbb::simple_partitioner());
  });
  EXPECT_EQ(lent, 0);
}
#endif

}  // namespace
}  // namespace qforge::test
