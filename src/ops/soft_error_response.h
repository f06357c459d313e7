// What follows from checked rows of a product: counts, events, the outcome of a call.
#ifndef QFORGE_OPS_SOFT_ERROR_RESPONSE_H_
#define QFORGE_OPS_SOFT_ERROR_RESPONSE_H_

#include <cstdint>

#include "qforge/soft_errors.h"
#include "qforge/status.h"

namespace qforge {

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

  // Tells the monitor.
  void CountChecked(int64_t checked, int64_t not_checked) const noexcept;
  void Report(int64_t row, SoftErrorOutcome outcome) const noexcept;
  // What a call returns in which `rows` rows, `first` among them, stay wrong.
  Status Failure(int64_t rows, int64_t first) const noexcept;

  // Whether the injected fault strikes when these rows are computed.
  bool TakeInjection(int64_t first_row, int64_t rows) const noexcept;

 private:
  SoftErrorOptions options_;
  int64_t columns_ = 0;
};

}  // namespace qforge

#endif  // QFORGE_OPS_SOFT_ERROR_RESPONSE_H_
