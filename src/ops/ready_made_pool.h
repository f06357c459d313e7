// The thread pool that a Context makes when it is given none.
#ifndef QFORGE_OPS_READY_MADE_POOL_H_
#define QFORGE_OPS_READY_MADE_POOL_H_

#include <memory>

#include "qforge/context.h"
#include "qforge/status.h"

namespace qforge {

// A pthreadpool, for any number of threads to call at once, and for tasks to call again
// (qforge/threads/pool_adapter.h). A child made by fork() gets threads of its own when it first
// calls. kUnsupported in a build without pthreadpool.
Result<std::unique_ptr<ThreadPool>> MakeReadyMadePool(int threads) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_READY_MADE_POOL_H_
