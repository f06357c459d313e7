#include "ops/soft_error_response.h"

#include <cinttypes>

namespace qforge {

bool SoftErrorResponse::Asks(const SoftErrorOptions& options) noexcept {
  return options.policy != SoftErrorPolicy::kFail || options.monitor != nullptr ||
         options.injection != nullptr || options.name != nullptr;
}

Status SoftErrorResponse::Validate(const SoftErrorOptions& options, bool checksums) noexcept {
  if (options.policy > SoftErrorPolicy::kFail) {
    return Status::Error(StatusCode::kInvalidArgument, "options.soft_errors.policy",
                         "%d is no policy", static_cast<int>(options.policy));
  }
  if (options.policy == SoftErrorPolicy::kOff) return Status();
  if (!checksums && Asks(options)) {
    return Status::Error(StatusCode::kInvalidArgument, "options.soft_errors",
                         "asks for a check, but the weights were packed without soft_error_check");
  }
  if (options.sample_interval != 1) {
    return Status::Error(StatusCode::kUnsupported, "options.soft_errors.sample_interval",
                         "%" PRId64
                         " is for EmbeddingBag; products check every row, so it must "
                         "be 1",
                         options.sample_interval);
  }
  if (options.injection != nullptr && (options.injection->bit < 0 || options.injection->bit > 31)) {
    return Status::Error(StatusCode::kOutOfRange, "options.soft_errors.injection.bit",
                         "%d is not in [0, 31]", options.injection->bit);
  }
  return Status();
}

Status SoftErrorResponse::CheckAccumulation(bool accumulates) const noexcept {
  if (!recomputes() || !accumulates) return Status();
  return Status::Error(StatusCode::kUnsupported, "options.soft_errors.policy",
                       "recompute; an output that is accumulated into cannot be computed again");
}

Status SoftErrorResponse::CheckResidual(const InputMatrix& residual,
                                        const OutputMatrix& output) const noexcept {
  if (!recomputes() || residual.data == nullptr || residual.data != output.data) return Status();
  return Status::Error(StatusCode::kUnsupported, "arguments.residual",
                       "is the output, which cannot be computed again; "
                       "options.soft_errors.policy is recompute");
}

void SoftErrorResponse::CountChecked(int64_t checked, int64_t not_checked) const noexcept {
  if (options_.monitor == nullptr) return;
  options_.monitor->AddChecked(static_cast<uint64_t>(checked), static_cast<uint64_t>(not_checked));
}

void SoftErrorResponse::Report(int64_t row, SoftErrorOutcome outcome) const noexcept {
  if (options_.monitor == nullptr) return;
  SoftErrorEvent event;
  event.operation = options_.name == nullptr ? "Linear" : options_.name;
  event.outcome = outcome;
  event.row = row;
  event.first_column = 0;
  event.columns = columns_;
  options_.monitor->Add(event);
}

Status SoftErrorResponse::OutcomeOf(const FailedRows& failed) const noexcept {
  if (failed.count() == 0) return Status();
  return Status::Error(StatusCode::kDataCorrupted, "output",
                       "%" PRId64 " row(s), row %" PRId64
                       " among them, do not have the sum that the weights give%s",
                       failed.count(), failed.one(),
                       recomputes() ? "; computed again, neither: the weights, or the sums kept of "
                                      "them, have changed, see PackedWeights::Scrub"
                                    : "");
}

bool SoftErrorResponse::TakeInjection(int64_t first_row, int64_t rows) const noexcept {
  SoftErrorInjection* injection = options_.injection;
  if (injection == nullptr || injection->row < first_row || injection->row >= first_row + rows) {
    return false;
  }
  int64_t times = injection->times.load(std::memory_order_relaxed);
  while (times > 0) {
    if (injection->times.compare_exchange_weak(times, times - 1, std::memory_order_relaxed)) {
      return true;
    }
  }
  return false;
}

}  // namespace qforge
