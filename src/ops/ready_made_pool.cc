#include "ops/ready_made_pool.h"

#ifdef QFORGE_HAVE_PTHREADPOOL

#include <pthreadpool.h>

#include <new>

namespace qforge {
namespace {

// pthreadpool runs one loop at a time and makes concurrent callers wait for each other.
class Pthreadpool final : public ThreadPool {
 public:
  explicit Pthreadpool(pthreadpool_t pool) noexcept : pool_(pool) {}
  ~Pthreadpool() override { pthreadpool_destroy(pool_); }

  int ThreadCount() const noexcept override {
    return static_cast<int>(pthreadpool_get_threads_count(pool_));
  }

  void ParallelFor(int64_t count, Task task, void* argument) noexcept override {
    struct Call {
      Task task;
      void* argument;
    } call{task, argument};
    pthreadpool_parallelize_1d(
        pool_,
        [](void* context, size_t index) {
          const Call* c = static_cast<const Call*>(context);
          c->task(c->argument, static_cast<int64_t>(index));
        },
        &call, static_cast<size_t>(count), /*flags=*/0);
  }

 private:
  pthreadpool_t pool_;
};

}  // namespace

Result<std::unique_ptr<ThreadPool>> MakeReadyMadePool(int threads) noexcept {
  pthreadpool_t pool = pthreadpool_create(static_cast<size_t>(threads));
  std::unique_ptr<ThreadPool> made(pool == nullptr ? nullptr
                                                   : new (std::nothrow) Pthreadpool(pool));
  if (made == nullptr) {
    if (pool != nullptr) pthreadpool_destroy(pool);
    return Status::Error(StatusCode::kResourceExhausted, "options.max_threads",
                         "no thread pool of %d threads can be made", threads);
  }
  return made;
}

}  // namespace qforge

#else

namespace qforge {

Result<std::unique_ptr<ThreadPool>> MakeReadyMadePool(int threads) noexcept {
  return Status::Error(StatusCode::kUnsupported, "options.max_threads",
                       "%d threads were asked for, but this build has no ready-made thread pool; "
                       "give one in options.pool",
                       threads);
}

}  // namespace qforge

#endif
