// Operations on the caller's own pool of std::threads, or on anything else that can run a callable
// on one of its threads. See pool_adapter.h for nested use and fork().
#ifndef QFORGE_THREADS_EXECUTOR_H_
#define QFORGE_THREADS_EXECUTOR_H_

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <utility>

#include "qforge/export.h"
#include "qforge/threads/pool_adapter.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// Submit is a callable to which work is handed that some thread is to run:
//
//   qforge::ExecutorAdapter adapter([&](auto work) { pool.Submit(std::move(work)); }, pool.size());
//
// `work` is called without arguments and can be copied, so that it fits std::function<void()>. It
// may be run at once, by any thread, late, or never: the thread that calls an operation does what
// nobody else has begun, and waits only for tasks that others are at. So it may be a thread of the
// pool itself, and a pool whose threads are all busy, which shuts down or which throws costs speed
// alone. What has been submitted may be run or dropped when operation and adapter are gone.
//
// Allocates and locks for each call that is divided among threads, besides what Submit does.
// Compiled with -fno-exceptions, it ends the program where it finds no memory or Submit throws.
template <class Submit>
class ExecutorAdapter final : public PoolAdapter {
 public:
  // Operations are divided among `threads`, the calling one included. `submit` must be safe to call
  // from several threads at once if operations are.
  ExecutorAdapter(Submit submit, int threads)
      : submit_(std::move(submit)), threads_(std::max(1, threads)) {
    made_in_.IsThisOne();
  }

  int ThreadCount() const noexcept override { return threads_; }

 private:
  // Outlives the call for those who come late, and find nothing left to do.
  class SharedLoop {
   public:
    explicit SharedLoop(Loop& loop) noexcept : loop_(loop), count_(loop.count()) {}

    // Runs tasks that nobody has begun until there are none.
    void TakeAll() noexcept {
      int64_t taken = 0;
      // loop_ is there as long as a task of it is not done.
      for (int64_t i; (i = next_.fetch_add(1, std::memory_order_relaxed)) < count_; ++taken) {
        loop_.Run(i);
      }
      if (taken == 0) return;
      const std::lock_guard<std::mutex> lock(mutex_);
      done_ += taken;
      if (done_ == count_) all_done_.notify_one();
    }

    void Wait() noexcept {
      std::unique_lock<std::mutex> lock(mutex_);
      all_done_.wait(lock, [this] { return done_ == count_; });
    }

   private:
    Loop& loop_;
    const int64_t count_;
    std::atomic<int64_t> next_{0};
    std::mutex mutex_;
    std::condition_variable all_done_;
    int64_t done_ = 0;  // guarded by mutex_
  };

  bool RunOnThreads(Loop& loop) noexcept override {
    if (!made_in_.IsThisOne()) return false;
    std::shared_ptr<SharedLoop> shared;
#ifdef __cpp_exceptions
    try {
      Share(loop, &shared);
    } catch (...) {  // fewer helpers, or none
    }
#else
    Share(loop, &shared);
#endif
    if (shared == nullptr) return false;
    shared->TakeAll();
    shared->Wait();
    return true;
  }

  void Share(Loop& loop, std::shared_ptr<SharedLoop>* shared) {
    *shared = std::make_shared<SharedLoop>(loop);
    const int64_t helpers = std::min<int64_t>(loop.count(), threads_) - 1;
    for (int64_t i = 0; i < helpers; ++i) {
      submit_([loop = *shared]() noexcept { loop->TakeAll(); });
    }
  }

  Submit submit_;
  const int threads_;
  OwningProcess made_in_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_THREADS_EXECUTOR_H_
