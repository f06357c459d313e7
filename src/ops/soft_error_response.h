// What follows from checked rows of a product: counts, events, the outcome of a call.
#ifndef QFORGE_OPS_SOFT_ERROR_RESPONSE_H_
#define QFORGE_OPS_SOFT_ERROR_RESPONSE_H_

#include <atomic>
#include <cstdint>

#include "qforge/soft_errors.h"
#include "qforge/status.h"
#include "qforge/views.h"

namespace qforge {

// Rows of one call that stay wrong. Threads may add theirs at the same time.
class FailedRows {
 public:
  void Add(int64_t row) noexcept {
    one_.store(row, std::memory_order_relaxed);
    count_.fetch_add(1, std::memory_order_relaxed);
  }
  int64_t count() const noexcept { return count_.load(std::memory_order_relaxed); }
  int64_t one() const noexcept { return one_.load(std::memory_order_relaxed); }  // of them

 private:
  std::atomic<int64_t> count_{0};
  std::atomic<int64_t> one_{0};
};

// Fixed when the operation is created.
class SoftErrorResponse {
 public:
  SoftErrorResponse() = default;
  // `columns`: of the output. Throws nothing.
  SoftErrorResponse(const SoftErrorOptions& options, int64_t columns)
      : options_(options), columns_(columns) {}

  // Whether anything but the default is asked for.
  static bool Asks(const SoftErrorOptions& options) noexcept;
  // Whether the options make sense; `checksums`: whether the weights have what is needed.
  static Status Validate(const SoftErrorOptions& options, bool checksums) noexcept;

  const SoftErrorOptions& options() const { return options_; }
  bool recomputes() const { return options_.policy == SoftErrorPolicy::kRecompute; }

  // What cannot be computed again is refused where the policy does so: outputs that are accumulated
  // into, and outputs that are their own residual.
  Status CheckAccumulation(bool accumulates) const noexcept;
  Status CheckResidual(const InputMatrix& residual, const OutputMatrix& output) const noexcept;

  // Tells the monitor.
  void CountChecked(int64_t checked, int64_t not_checked) const noexcept;

  // Does what the policy says about a row that did not pass, and adds it to *failed if it stays
  // wrong. recompute() computes it once more, which gives kCorrected, kPersistent or, where that
  // could not be done, kFailed; it is not called after a row that stays wrong.
  template <class Recompute>
  void Respond(int64_t row, FailedRows* failed, const Recompute& recompute) const noexcept {
    SoftErrorOutcome outcome = SoftErrorOutcome::kFailed;
    if (options_.policy == SoftErrorPolicy::kReport) {
      outcome = SoftErrorOutcome::kReported;
    } else if (recomputes()) {
      outcome = failed->count() > 0 ? SoftErrorOutcome::kPersistent : recompute();
    }
    Report(row, outcome);
    if (outcome == SoftErrorOutcome::kPersistent || outcome == SoftErrorOutcome::kFailed) {
      failed->Add(row);
    }
  }
  // What the call returns.
  Status OutcomeOf(const FailedRows& failed) const noexcept;

  // Whether the injected fault strikes when these rows are computed.
  bool TakeInjection(int64_t first_row, int64_t rows) const noexcept;

 private:
  void Report(int64_t row, SoftErrorOutcome outcome) const noexcept;

  SoftErrorOptions options_;
  int64_t columns_ = 0;
};

}  // namespace qforge

#endif  // QFORGE_OPS_SOFT_ERROR_RESPONSE_H_
