// Runs a callable over indices on a context's threads.
#ifndef QFORGE_OPS_PARALLEL_H_
#define QFORGE_OPS_PARALLEL_H_

#include <cstdint>

#include "qforge/context.h"

namespace qforge {

// function(i) for each i in [0, count); on the calling thread if `pool` is null or count is 1.
// `function` must not throw.
template <class Function>
void ParallelFor(ThreadPool* pool, int64_t count, Function&& function) noexcept {
  if (pool == nullptr || count <= 1) {
    for (int64_t i = 0; i < count; ++i) function(i);
    return;
  }
  pool->ParallelFor(
      count,
      [](void* argument, int64_t index) noexcept {
        (*static_cast<std::remove_reference_t<Function>*>(argument))(index);
      },
      &function);
}

}  // namespace qforge

#endif  // QFORGE_OPS_PARALLEL_H_
