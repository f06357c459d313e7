// Splits a loop over the threads of a context.
#ifndef QFORGE_BENCH_DLRM_PARALLEL_H_
#define QFORGE_BENCH_DLRM_PARALLEL_H_

#include <algorithm>
#include <cstdint>

#include "qforge/context.h"

namespace dlrm {

// Calls body(first, last) for one range per thread, which together cover [0, count); `body` must
// not throw. Ranges are multiples of `grain` but for the last one.
template <class Body>
void ParallelRanges(const qforge::Context& context, int64_t count, int64_t grain,
                    const Body& body) {
  const int64_t grains = (count + grain - 1) / grain;
  const int64_t tasks = std::min<int64_t>(context.thread_count(), grains);
  if (tasks <= 1) {
    body(int64_t{0}, count);
    return;
  }
  struct Arguments {
    const Body& body;
    int64_t count, grain, grains, tasks;
  } arguments{body, count, grain, grains, tasks};
  context.pool()->ParallelFor(
      tasks,
      [](void* argument, int64_t i) noexcept {
        const auto& a = *static_cast<const Arguments*>(argument);
        const int64_t first = i * a.grains / a.tasks * a.grain;
        const int64_t last = std::min((i + 1) * a.grains / a.tasks * a.grain, a.count);
        a.body(first, last);
      },
      &arguments);
}

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_PARALLEL_H_
