// What the adapters in this folder have in common, and those that a caller writes may use.
//
//   header          runs operations on                                        needs
//   executor.h      a pool of std::threads, or what else can run a callable   nothing
//   pthreadpool.h   a pthreadpool_t                                           pthreadpool
//   openmp.h        OpenMP's threads                                          -fopenmp
//   tbb.h           a tbb::task_arena                                         oneTBB
//
// The last three include the header of their library, and are the only ones that do: qforge.h does
// not include them, and who includes them links the library. All are ThreadPools to be given to
// ContextOptions::pool, and share these rules:
//
//   - Any number of threads may call ParallelFor() of one adapter, and run operations on it, at the
//     same time.
//   - A task may run operations, on the same adapter or another one (the callback of
//     Linear::RunTiles() is in a task). They stay on the thread of the task: all threads are busy
//     anyway, and some pools would wait for themselves forever.
//   - After fork(), the parent goes on as before. A child has none of the threads, and operations
//     in it run on the calling thread alone, with the same results. It may make pools and adapters
//     of its own where the adapter's header does not say otherwise. A child of clone() without
//     fork() must not use adapters of its parent.
#ifndef QFORGE_THREADS_POOL_ADAPTER_H_
#define QFORGE_THREADS_POOL_ADAPTER_H_

#include <atomic>
#include <cstdint>

#include "qforge/context.h"
#include "qforge/export.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

class PoolAdapter : public ThreadPool {
 public:
  void ParallelFor(int64_t count, Task task, void* argument) noexcept final;

 protected:
  // The tasks of one call of ParallelFor().
  class Loop {
   public:
    int64_t count() const noexcept { return count_; }
    // Runs one task.
    void Run(int64_t index) noexcept;

   private:
    friend class PoolAdapter;
    Loop(int64_t count, Task task, void* argument) noexcept
        : count_(count), task_(task), argument_(argument) {}

    const int64_t count_;
    const Task task_;
    void* const argument_;
  };

  // The process that threads belong to.
  class OwningProcess {
   public:
    // Whether this process is the one that asked first.
    bool IsThisOne() noexcept;

   private:
    std::atomic<uint64_t> owner_{0};
  };

  // Calls loop.Run(i) once for each i in [0, loop.count()), on any thread, and returns true when
  // all calls have returned; or returns false without having called any, for the calling thread to
  // do it. The count is at least 2, and the calling thread is not in a task.
  virtual bool RunOnThreads(Loop& loop) noexcept = 0;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_THREADS_POOL_ADAPTER_H_
