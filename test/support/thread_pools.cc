#include "support/thread_pools.h"

namespace qforge::test {

void BackwardPool::ParallelFor(int64_t count, Task task, void* argument) noexcept {
  for (int64_t i = count - 1; i >= 0; --i) task(argument, i);
}

FixedPool::FixedPool(int thread_count) {
  threads_.reserve(static_cast<size_t>(thread_count));
  for (int i = 0; i < thread_count; ++i) {
    threads_.emplace_back([this, i, thread_count] { Work(i, thread_count); });
  }
  // What threads allocate when they start is behind them, for tests that count.
  ParallelFor(0, nullptr, nullptr);
}

FixedPool::~FixedPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void FixedPool::ParallelFor(int64_t count, Task task, void* argument) noexcept {
  std::unique_lock lock(mutex_);
  count_ = count;
  task_ = task;
  argument_ = argument;
  working_ = static_cast<int64_t>(threads_.size());
  ++generation_;
  changed_.notify_all();
  changed_.wait(lock, [this] { return working_ == 0; });
}

void FixedPool::Work(int64_t first, int64_t step) {
  uint64_t done = 0;
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [&] { return stopping_ || generation_ != done; });
    if (stopping_) return;
    done = generation_;
    lock.unlock();
    // Nobody changes the work before all have reported.
    for (int64_t i = first; i < count_; i += step) task_(argument_, i);
    lock.lock();
    if (--working_ == 0) changed_.notify_all();
  }
}

}  // namespace qforge::test
