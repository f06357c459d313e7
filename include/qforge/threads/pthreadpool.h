// Operations on the caller's pthreadpool. See pool_adapter.h for nested use and fork().
#ifndef QFORGE_THREADS_PTHREADPOOL_H_
#define QFORGE_THREADS_PTHREADPOOL_H_

#include <pthreadpool.h>

#include <cstddef>
#include <cstdint>

#include "qforge/export.h"
#include "qforge/threads/pool_adapter.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// pthreadpool runs one loop at a time: operations that several threads run at once take turns. It
// waits for itself when one of its tasks starts another loop, of which this adapter knows only for
// tasks that it has started: what the caller gives to pthreadpool itself must not run operations on
// the same pool.
//
// In a child made by fork() a pool of the parent's must not be destroyed, as that joins
// threads that do not exist; new pools work.
class PthreadpoolAdapter final : public PoolAdapter {
 public:
  // `pool` is borrowed, and must outlive the adapter. Null: the calling thread. `flags` are
  // pthreadpool's: PTHREADPOOL_FLAG_YIELD_WORKERS for threads that share their processors with
  // others, as they otherwise spin for some milliseconds where they wait.
  explicit PthreadpoolAdapter(pthreadpool_t pool, uint32_t flags = 0) noexcept
      : pool_(pool), flags_(flags) {
    made_in_.IsThisOne();
  }

  int ThreadCount() const noexcept override {
    return static_cast<int>(pthreadpool_get_threads_count(pool_));
  }

 private:
  bool RunOnThreads(Loop& loop) noexcept override {
    if (!made_in_.IsThisOne()) return false;
    pthreadpool_parallelize_1d(
        pool_,
        [](void* tasks, size_t index) {
          static_cast<Loop*>(tasks)->Run(static_cast<int64_t>(index));
        },
        &loop, static_cast<size_t>(loop.count()), flags_);
    return true;
  }

  const pthreadpool_t pool_;
  const uint32_t flags_;
  OwningProcess made_in_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_THREADS_PTHREADPOOL_H_
