// Operations on OpenMP's threads. See pool_adapter.h for nested use and fork(). To be compiled with
// -fopenmp.
#ifndef QFORGE_THREADS_OPENMP_H_
#define QFORGE_THREADS_OPENMP_H_

#ifndef _OPENMP
#error "qforge/threads/openmp.h has to be compiled with -fopenmp"
#endif

#include <omp.h>

#include <cstdint>

#include "qforge/export.h"
#include "qforge/threads/pool_adapter.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// OpenMP keeps a team of threads for each thread that starts parallel regions: where several run
// operations at once, each has threads of its own besides. Operations that are called within a
// parallel region of the caller's run on the thread that calls them, unless nested regions were
// allowed (omp_set_max_active_levels()). A runtime that cannot start its threads ends the program.
//
// fork(): once a process has run anything on an OpenMpAdapter, those of its children run everything
// on the calling thread, new ones too, because GCC's runtime waits there for threads that it does
// not have. It does so as well when the thread that forks has used OpenMP in other ways, of which
// the adapter does not know: then children must not use OpenMP at all.
class OpenMpAdapter final : public PoolAdapter {
 public:
  // Teams of `threads`, the calling one included; below 1: as many as OpenMP gives the thread that
  // makes the adapter (OMP_NUM_THREADS).
  explicit OpenMpAdapter(int threads = 0) noexcept
      : threads_(threads < 1 ? omp_get_max_threads() : threads) {}

  int ThreadCount() const noexcept override { return threads_; }

 private:
  bool RunOnThreads(Loop& loop) noexcept override {
    static OwningProcess first_used_in;
    if (!first_used_in.IsThisOne()) return false;
    const int64_t count = loop.count();
#pragma omp parallel for num_threads(threads_) schedule(dynamic)
    for (int64_t i = 0; i < count; ++i) loop.Run(i);
    return true;
  }

  const int threads_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_THREADS_OPENMP_H_
