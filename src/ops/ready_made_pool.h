// The thread pool that a Context makes when it is given none.
#ifndef QFORGE_OPS_READY_MADE_POOL_H_
#define QFORGE_OPS_READY_MADE_POOL_H_

#include <memory>

#include "qforge/context.h"
#include "qforge/status.h"

namespace qforge {

// kUnsupported in a build without pthreadpool.
Result<std::unique_ptr<ThreadPool>> MakeReadyMadePool(int threads) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_READY_MADE_POOL_H_
