// Operations in an arena of oneTBB. See pool_adapter.h for nested use and fork().
#ifndef QFORGE_THREADS_TBB_H_
#define QFORGE_THREADS_TBB_H_

#include <tbb/parallel_for.h>
#include <tbb/partitioner.h>
#include <tbb/task_arena.h>

#include <algorithm>
#include <atomic>
#include <cstdint>

#include "qforge/export.h"
#include "qforge/threads/pool_adapter.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// A thread that waits for the end of an operation takes no other tasks of the arena meanwhile (they
// could need a lock that it holds); it does where it has to wait for a place in an arena that is
// full. Operations need not be called from within the arena. They end in full even where the
// caller's task_group_context is cancelled, or where oneTBB throws because memory has run out; but
// what is compiled with -fno-exceptions ends there.
//
// fork(): once a process has run anything on a TbbAdapter, those of its children run everything on
// the calling thread, new ones too, because all arenas share one set of threads, which children do
// not have. Of other use of oneTBB in the parent the adapter does not know: children are then
// better off without it.
class TbbAdapter final : public PoolAdapter {
 public:
  // `arena` is borrowed, and must outlive the adapter.
  explicit TbbAdapter(tbb::task_arena& arena) noexcept
      : arena_(arena), threads_(arena.max_concurrency()) {}

  int ThreadCount() const noexcept override { return threads_; }

 private:
  bool RunOnThreads(Loop& loop) noexcept override {
    static OwningProcess first_used_in;
    if (!first_used_in.IsThisOne()) return false;
    // Tasks are not TBB's, but taken by TBB's: where those do not come to run because memory has
    // run out, this thread takes what is left.
    std::atomic<int64_t> next{0};
    const auto take_all = [&] {
      for (int64_t i; (i = next.fetch_add(1, std::memory_order_relaxed)) < loop.count();) {
        loop.Run(i);
      }
    };
    const int64_t takers = std::min<int64_t>(loop.count(), threads_);
    const auto take_all_in_arena = [&] {
      arena_.execute([&] {
        tbb::this_task_arena::isolate([&] {
          tbb::parallel_for(
              int64_t{0}, takers, [&](int64_t) { take_all(); }, tbb::simple_partitioner());
        });
      });
    };
#ifdef __cpp_exceptions
    try {
      take_all_in_arena();
    } catch (...) {  // those that have started have ended
    }
#else
    take_all_in_arena();
#endif
    take_all();
    return true;
  }

  tbb::task_arena& arena_;
  const int threads_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_THREADS_TBB_H_
