#include "qforge/threads/pool_adapter.h"

#include <utility>

#include "base/process.h"

#if defined(__SANITIZE_THREAD__)
#define QFORGE_THREAD_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define QFORGE_THREAD_SANITIZER 1
#endif
#endif
#ifdef QFORGE_THREAD_SANITIZER
#include <sanitizer/tsan_interface.h>
#endif

namespace qforge {
namespace {

thread_local bool in_task = false;

// Thread sanitizer does not see how libraries synchronise that are not compiled with it. It is told
// what they promise, so that tasks are checked as strictly on their threads as on any others.
#ifdef QFORGE_THREAD_SANITIZER
void HappensBefore(void* loop) { __tsan_release(loop); }
void HappensAfter(void* loop) { __tsan_acquire(loop); }
#else
void HappensBefore(void*) {}
void HappensAfter(void*) {}
#endif

}  // namespace

void PoolAdapter::Loop::Run(int64_t index) noexcept {
  HappensAfter(this);
  const bool outer = std::exchange(in_task, true);
  task_(argument_, index);
  in_task = outer;
  HappensBefore(this);
}

bool PoolAdapter::OwningProcess::IsThisOne() noexcept {
  const uint64_t self = uint64_t{base::ForkCount()} + 1;  // 0: nobody has asked
  uint64_t owner = owner_.load(std::memory_order_relaxed);
  if (owner == 0 && owner_.compare_exchange_strong(owner, self, std::memory_order_relaxed)) {
    return true;
  }
  return owner == self;
}

void PoolAdapter::ParallelFor(int64_t count, Task task, void* argument) noexcept {
  if (count > 1 && !in_task) {
    Loop loop(count, task, argument);
    HappensBefore(&loop);
    const bool done = RunOnThreads(loop);
    HappensAfter(&loop);
    if (done) return;
  }
  for (int64_t i = 0; i < count; ++i) task(argument, i);
}

}  // namespace qforge
