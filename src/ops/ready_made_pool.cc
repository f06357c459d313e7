#include "ops/ready_made_pool.h"

#ifdef QFORGE_HAVE_PTHREADPOOL

#include <pthread.h>
#include <pthreadpool.h>
#include <sched.h>

#include <atomic>
#include <new>

#include "base/process.h"
#include "qforge/threads/pthreadpool.h"

namespace qforge {
namespace {

// Threads that wait spin for a while, which would keep the others from work where there are more of
// them than processors.
uint32_t FlagsFor(int threads) {
  cpu_set_t processors;
  // Fails where there are more processors than the set holds.
  const bool enough = sched_getaffinity(0, sizeof(processors), &processors) != 0 ||
                      threads <= CPU_COUNT(&processors);
  return enough ? 0 : PTHREADPOOL_FLAG_YIELD_WORKERS;
}

// The threads of one process.
struct Threads {
  Threads(pthreadpool_t created, int count, Threads* of_parent) noexcept
      : pool(created), adapter(created, FlagsFor(count)), inherited(of_parent) {}
  // A child leaves the memory of its parent's pthreadpool alone: to free it is to join threads
  // that do not exist.
  ~Threads() {
    if (IsOfThisProcess()) pthreadpool_destroy(pool);
    delete inherited;
  }
  Threads(const Threads&) = delete;
  Threads& operator=(const Threads&) = delete;

  bool IsOfThisProcess() const { return forks == base::ForkCount(); }

  const unsigned forks = base::ForkCount();
  const pthreadpool_t pool;
  PthreadpoolAdapter adapter;
  Threads* inherited;
};

// Whether the system gives `count` threads. pthreadpool does not look: it waits for ever for those
// that a limit of processes or of memory has refused.
bool SystemGivesThreads(int count) noexcept {
  const std::unique_ptr<pthread_t[]> threads(new (std::nothrow)
                                                 pthread_t[static_cast<size_t>(count)]);
  if (threads == nullptr) return false;
  pthread_mutex_t all_started = PTHREAD_MUTEX_INITIALIZER;
  const auto wait = [](void* mutex) -> void* {
    pthread_mutex_lock(static_cast<pthread_mutex_t*>(mutex));
    pthread_mutex_unlock(static_cast<pthread_mutex_t*>(mutex));
    return nullptr;
  };
  int started = 0;
  pthread_mutex_lock(&all_started);
  while (started < count && pthread_create(&threads[started], nullptr, wait, &all_started) == 0) {
    ++started;
  }
  pthread_mutex_unlock(&all_started);
  for (int i = 0; i < started; ++i) pthread_join(threads[i], nullptr);
  return started == count;
}

// Null where memory or threads cannot be had.
std::unique_ptr<Threads> MakeThreads(int count, Threads* inherited) noexcept {
  if (!SystemGivesThreads(count - 1)) return nullptr;  // the calling one is the last
  const pthreadpool_t pool = pthreadpool_create(static_cast<size_t>(count));
  if (pool == nullptr) return nullptr;
  std::unique_ptr<Threads> threads(new (std::nothrow) Threads(pool, count, inherited));
  if (threads == nullptr) pthreadpool_destroy(pool);
  return threads;
}

// A child made by fork() has none of the threads, and makes its own when it needs them.
class ReadyMadePool final : public ThreadPool {
 public:
  explicit ReadyMadePool(int count) noexcept
      : count_(count), current_(MakeThreads(count, nullptr).release()) {}
  ~ReadyMadePool() override { delete current_.load(); }
  ReadyMadePool(const ReadyMadePool&) = delete;
  ReadyMadePool& operator=(const ReadyMadePool&) = delete;

  bool HasThreads() const { return current_.load() != nullptr; }
  int ThreadCount() const noexcept override { return count_; }

  void ParallelFor(int64_t count, Task task, void* argument) noexcept override {
    if (Threads* const threads = OfThisProcess()) {
      threads->adapter.ParallelFor(count, task, argument);
    } else {
      for (int64_t i = 0; i < count; ++i) task(argument, i);
    }
  }

 private:
  // Null where a child cannot make any.
  Threads* OfThisProcess() noexcept {
    Threads* threads = current_.load(std::memory_order_acquire);
    while (!threads->IsOfThisProcess()) {
      std::unique_ptr<Threads> made = MakeThreads(count_, threads);
      if (made == nullptr) return nullptr;
      if (current_.compare_exchange_strong(threads, made.get(), std::memory_order_acq_rel)) {
        return made.release();
      }
      made->inherited = nullptr;  // another thread was faster, and has it
    }
    return threads;
  }

  const int count_;
  std::atomic<Threads*> current_;
};

}  // namespace

Result<std::unique_ptr<ThreadPool>> MakeReadyMadePool(int threads) noexcept {
  std::unique_ptr<ReadyMadePool> made(new (std::nothrow) ReadyMadePool(threads));
  if (made == nullptr || !made->HasThreads()) {
    return Status::Error(StatusCode::kResourceExhausted, "options.max_threads",
                         "no thread pool of %d threads can be made", threads);
  }
  return Result<std::unique_ptr<ThreadPool>>(std::move(made));
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
