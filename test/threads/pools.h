// Every kind of pool that operations can run on, for tests that all of them must pass.
#ifndef QFORGE_TEST_THREADS_POOLS_H_
#define QFORGE_TEST_THREADS_POOLS_H_

#include <gtest/gtest.h>

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <ostream>
#include <string>
#include <thread>
#include <vector>

#include "qforge/context.h"

namespace qforge::test {

// Threads with a queue, as an engine has them.
class WorkerThreads {
 public:
  explicit WorkerThreads(int count);
  ~WorkerThreads();  // what is still in the queue is dropped

  void Submit(std::function<void()> work);

 private:
  void Work();

  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;                    // guarded by mutex_
  std::deque<std::function<void()>> queue_;  // guarded by mutex_
  std::vector<std::thread> threads_;
};

// An adapter with the threads that it borrows.
class AdaptedPool {
 public:
  virtual ~AdaptedPool() = default;
  virtual ThreadPool& adapter() = 0;
};

struct PoolKind {
  const char* name;
  std::unique_ptr<AdaptedPool> (*make)(int threads);
  // Whether a child made by fork() runs on several threads what it runs on a pool of its parent's,
  // and on one that it makes itself.
  bool has_threads_after_fork;
  bool gets_threads_after_fork;
};

inline std::ostream& operator<<(std::ostream& out, const PoolKind& kind) {
  return out << kind.name;
}

// All that this build has.
std::vector<PoolKind> PoolKinds();

class EveryPoolTest : public ::testing::TestWithParam<PoolKind> {
 protected:
  std::unique_ptr<AdaptedPool> MakePool(int threads = 4) const { return GetParam().make(threads); }
};

inline std::string NameOfPool(const ::testing::TestParamInfo<PoolKind>& kind) {
  return kind.param.name;
}

Context ContextOn(ThreadPool& pool);

// Whether this process may use more than one.
bool HasSeveralProcessors();

// Whether tasks of `pool` come to run on several threads, where there are processors for them: a
// pool need not wake all for every loop.
bool RunsOnSeveralThreads(ThreadPool& pool);
// Whether no task runs on another thread.
bool RunsOnCallingThread(ThreadPool& pool);

}  // namespace qforge::test

#endif  // QFORGE_TEST_THREADS_POOLS_H_
