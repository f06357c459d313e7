// Where operations run: on the calling thread, on the caller's thread pool, or on a ready-made one.
#ifndef QFORGE_CONTEXT_H_
#define QFORGE_CONTEXT_H_

#include <cstdint>
#include <memory>

#include "qforge/export.h"
#include "qforge/isa.h"
#include "qforge/status.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// The caller's thread pool; qforge/threads/ has adapters. Implementations must be usable from
// several threads at once if operations are, and within their tasks if callbacks run operations.
class ThreadPool {
 public:
  using Task = void (*)(void* argument, int64_t index) noexcept;

  virtual ~ThreadPool() = default;
  // How many tasks can make progress at the same time, the calling thread included; at least 1.
  virtual int ThreadCount() const noexcept = 0;
  // Calls task(argument, i) once for each i in [0, count), in any order and on any thread, and
  // returns when all calls have returned.
  virtual void ParallelFor(int64_t count, Task task, void* argument) noexcept = 0;
};

struct ContextOptions {
  // The most threads an operation may use. 0 means all of `pool`, or 1 without a pool. With no pool
  // and more than 1, a pool of that many threads is made (pthreadpool; kUnsupported in a build
  // without it); children made by fork() make their own.
  int max_threads = 0;
  // Borrowed; must outlive the context and all operations made from it.
  ThreadPool* pool = nullptr;
  // Operations use no ISA above this one, nor above the environment variable QFORGE_MAX_ISA.
  Isa max_isa = kHighestIsa;
};

// A handle to threads and ISA choice; copies share them. Immutable and safe to use from any number
// of threads. Operations keep what they need of it alive.
class Context {
 public:
  // The calling thread only, the best ISA.
  static Result<Context> Create() noexcept { return Create(ContextOptions()); }
  static Result<Context> Create(const ContextOptions& options) noexcept;

  int thread_count() const noexcept;
  // The ISA that new packed weights are laid out for.
  Isa isa() const noexcept;
  // Null where operations run on the calling thread alone.
  ThreadPool* pool() const noexcept;

 private:
  struct State;
  explicit Context(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_CONTEXT_H_
