#include "qforge/context.h"

#include <algorithm>
#include <new>

#include "ops/ready_made_pool.h"
#include "ops/validate.h"

namespace qforge {

struct Context::State {
  std::unique_ptr<ThreadPool> owned_pool;
  ThreadPool* pool = nullptr;
  int threads = 1;
  Isa isa = Isa::kScalar;
};

Result<Context> Context::Create(const ContextOptions& options) noexcept {
  constexpr int kMostThreads = 4096;
  if (options.max_threads < 0 || options.max_threads > kMostThreads) {
    return Status::Error(StatusCode::kOutOfRange, "options.max_threads", "%d is not in [0, %d]",
                         options.max_threads, kMostThreads);
  }
  QFORGE_RETURN_IF_ERROR(CheckIsa("options.max_isa", options.max_isa));
  const Result<Isa> isa = BestIsa(options.max_isa);
  if (!isa.ok()) return isa.status();
  try {
    auto state = std::make_shared<State>();
    state->isa = *isa;
    if (options.pool != nullptr) {
      const int most = std::max(1, options.pool->ThreadCount());
      state->threads = options.max_threads == 0 ? most : std::min(most, options.max_threads);
      state->pool = options.pool;
    } else if (options.max_threads > 1) {
      Result<std::unique_ptr<ThreadPool>> made = MakeReadyMadePool(options.max_threads);
      if (!made.ok()) return made.status();
      state->owned_pool = std::move(made).value();
      state->pool = state->owned_pool.get();
      state->threads = options.max_threads;
    }
    if (state->threads == 1) state->pool = nullptr;
    return Context(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory for a context");
  }
}

int Context::thread_count() const noexcept { return state_->threads; }
Isa Context::isa() const noexcept { return state_->isa; }
ThreadPool* Context::pool() const noexcept { return state_->pool; }

}  // namespace qforge
