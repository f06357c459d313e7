#include "base/process.h"

#include <pthread.h>

#include <atomic>

namespace qforge::base {
namespace {

std::atomic<unsigned> fork_count{0};
[[maybe_unused]] const int fork_handler =
    pthread_atfork(nullptr, nullptr, [] { fork_count.fetch_add(1, std::memory_order_relaxed); });

}  // namespace

unsigned ForkCount() noexcept { return fork_count.load(std::memory_order_relaxed); }

}  // namespace qforge::base
