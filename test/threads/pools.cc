#include "threads/pools.h"

#include <sched.h>

#include <set>
#include <utility>

#include "ops/parallel.h"
#include "qforge/threads/executor.h"
#ifdef QFORGE_TEST_PTHREADPOOL
#include "qforge/threads/pthreadpool.h"
#endif
#ifdef QFORGE_TEST_OPENMP
#include "qforge/threads/openmp.h"
#endif
#ifdef QFORGE_TEST_TBB
#include <tbb/global_control.h>

#include "qforge/threads/tbb.h"
#endif

namespace qforge::test {

WorkerThreads::WorkerThreads(int count) {
  for (int i = 0; i < count; ++i) threads_.emplace_back([this] { Work(); });
}

WorkerThreads::~WorkerThreads() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  changed_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void WorkerThreads::Submit(std::function<void()> work) {
  {
    const std::lock_guard lock(mutex_);
    queue_.push_back(std::move(work));
  }
  changed_.notify_one();
}

void WorkerThreads::Work() {
  std::unique_lock lock(mutex_);
  for (;;) {
    changed_.wait(lock, [this] { return stopping_ || !queue_.empty(); });
    if (stopping_) return;
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
}

namespace {

class ExecutorPool final : public AdaptedPool {
 public:
  explicit ExecutorPool(int threads)
      : workers_(threads - 1),
        adapter_([this](auto work) { workers_.Submit(std::move(work)); }, threads) {}
  ThreadPool& adapter() override { return adapter_; }

 private:
  WorkerThreads workers_;
  ExecutorAdapter<std::function<void(std::function<void()>)>> adapter_;
};

#ifdef QFORGE_TEST_PTHREADPOOL
class PthreadpoolPool final : public AdaptedPool {
 public:
  explicit PthreadpoolPool(int threads)
      : pool_(pthreadpool_create(static_cast<size_t>(threads))),
        adapter_(pool_, PTHREADPOOL_FLAG_YIELD_WORKERS) {}
  ~PthreadpoolPool() override { pthreadpool_destroy(pool_); }
  ThreadPool& adapter() override { return adapter_; }

 private:
  const pthreadpool_t pool_;
  PthreadpoolAdapter adapter_;
};

// The one that a context makes.
class ReadyMadePool final : public AdaptedPool {
 public:
  explicit ReadyMadePool(int threads) : context_(Context::Create(OptionsFor(threads)).value()) {}
  ThreadPool& adapter() override { return *context_.pool(); }

 private:
  static ContextOptions OptionsFor(int threads) {
    ContextOptions options;
    options.max_threads = threads;
    return options;
  }
  const Context context_;
};
#endif

#ifdef QFORGE_TEST_OPENMP
class OpenMpPool final : public AdaptedPool {
 public:
  explicit OpenMpPool(int threads) : adapter_(threads) {}
  ThreadPool& adapter() override { return adapter_; }

 private:
  OpenMpAdapter adapter_;
};
#endif

#ifdef QFORGE_TEST_TBB
class TbbPool final : public AdaptedPool {
 public:
  explicit TbbPool(int threads) : arena_(threads), adapter_(arena_) {}
  ThreadPool& adapter() override { return adapter_; }

 private:
  // Otherwise no more than there are processors.
  const tbb::global_control control_{tbb::global_control::max_allowed_parallelism, 8};
  tbb::task_arena arena_;
  TbbAdapter adapter_;
};
#endif

template <class Pool>
std::unique_ptr<AdaptedPool> Make(int threads) {
  return std::make_unique<Pool>(threads);
}

}  // namespace

std::vector<PoolKind> PoolKinds() {
  return {
      {"Executor", Make<ExecutorPool>, false, true},
#ifdef QFORGE_TEST_PTHREADPOOL
      {"Pthreadpool", Make<PthreadpoolPool>, false, true},
      {"ReadyMade", Make<ReadyMadePool>, true, true},
#endif
#ifdef QFORGE_TEST_OPENMP
      {"OpenMp", Make<OpenMpPool>, false, false},
#endif
#ifdef QFORGE_TEST_TBB
      {"Tbb", Make<TbbPool>, false, false},
#endif
  };
}

Context ContextOn(ThreadPool& pool) {
  ContextOptions options;
  options.pool = &pool;
  return Context::Create(options).value();
}

bool HasSeveralProcessors() {
  cpu_set_t set;
  return sched_getaffinity(0, sizeof(set), &set) != 0 || CPU_COUNT(&set) > 1;
}

namespace {

// The threads that tasks of `loops` loops run on; fewer loops as soon as there are two.
std::set<std::thread::id> ThreadsOf(ThreadPool& pool, int loops) {
  std::mutex mutex;
  std::set<std::thread::id> threads;
  for (int loop = 0; loop < loops && threads.size() < 2; ++loop) {
    ParallelFor(&pool, 64, [&](int64_t) {
      const std::lock_guard lock(mutex);
      threads.insert(std::this_thread::get_id());
    });
  }
  return threads;
}

}  // namespace

bool RunsOnSeveralThreads(ThreadPool& pool) {
  return !HasSeveralProcessors() || ThreadsOf(pool, 100'000).size() > 1;
}

bool RunsOnCallingThread(ThreadPool& pool) {
  return ThreadsOf(pool, 100) == std::set<std::thread::id>{std::this_thread::get_id()};
}

}  // namespace qforge::test
