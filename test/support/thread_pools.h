// Thread pools as a host program would bring them.
#ifndef QFORGE_TEST_SUPPORT_THREAD_POOLS_H_
#define QFORGE_TEST_SUPPORT_THREAD_POOLS_H_

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>
#include <vector>

#include "qforge/context.h"

namespace qforge::test {

// Claims `thread_count` threads and runs every task on the calling one, last task first: what one
// task leaves to another in the wrong order comes out wrong each time.
class BackwardPool final : public ThreadPool {
 public:
  explicit BackwardPool(int thread_count) : thread_count_(thread_count) {}

  int ThreadCount() const noexcept override { return thread_count_; }
  void ParallelFor(int64_t count, Task task, void* argument) noexcept override;

 private:
  const int thread_count_;
};

// Claims two threads, runs every task on the calling one, and counts.
class CountingPool final : public ThreadPool {
 public:
  int ThreadCount() const noexcept override { return 2; }
  void ParallelFor(int64_t count, Task task, void* argument) noexcept override {
    ++regions;
    tasks += count;
    for (int64_t i = 0; i < count; ++i) task(argument, i);
  }

  int regions = 0;
  int64_t tasks = 0;
};

// `thread_count` threads that live as long as the pool, besides the calling thread, which only
// waits. Task i always runs on thread i modulo thread_count. Usable from one thread at a time.
class FixedPool final : public ThreadPool {
 public:
  // Threads inherit the float environment of the thread that makes the pool.
  explicit FixedPool(int thread_count);
  ~FixedPool() override;

  int ThreadCount() const noexcept override { return static_cast<int>(threads_.size()); }
  void ParallelFor(int64_t count, Task task, void* argument) noexcept override;

 private:
  void Work(int64_t first, int64_t step);

  std::mutex mutex_;
  std::condition_variable changed_;
  uint64_t generation_ = 0;  // of the work below; guarded by mutex_, as all of this
  bool stopping_ = false;
  int64_t working_ = 0;
  int64_t count_ = 0;
  Task task_ = nullptr;
  void* argument_ = nullptr;
  std::vector<std::thread> threads_;
};

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_THREAD_POOLS_H_
