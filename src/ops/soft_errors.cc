#include "qforge/soft_errors.h"

namespace qforge {

const char* SoftErrorOutcomeName(SoftErrorOutcome outcome) noexcept {
  switch (outcome) {
    case SoftErrorOutcome::kReported:
      return "reported";
    case SoftErrorOutcome::kCorrected:
      return "corrected";
    case SoftErrorOutcome::kPersistent:
      return "persistent";
    case SoftErrorOutcome::kFailed:
      return "failed";
  }
  return "unknown";
}

// Relaxed throughout: counts order nothing else.
SoftErrorCounts SoftErrorMonitor::counts() const noexcept {
  SoftErrorCounts counts;
  counts.checked = checked_.load(std::memory_order_relaxed);
  counts.not_checked = not_checked_.load(std::memory_order_relaxed);
  counts.detected = detected_.load(std::memory_order_relaxed);
  counts.corrected = corrected_.load(std::memory_order_relaxed);
  counts.persistent = persistent_.load(std::memory_order_relaxed);
  return counts;
}

void SoftErrorMonitor::Reset() noexcept {
  checked_.store(0, std::memory_order_relaxed);
  not_checked_.store(0, std::memory_order_relaxed);
  detected_.store(0, std::memory_order_relaxed);
  corrected_.store(0, std::memory_order_relaxed);
  persistent_.store(0, std::memory_order_relaxed);
}

void SoftErrorMonitor::AddChecked(uint64_t checked, uint64_t not_checked) noexcept {
  checked_.fetch_add(checked, std::memory_order_relaxed);
  if (not_checked != 0) not_checked_.fetch_add(not_checked, std::memory_order_relaxed);
}

void SoftErrorMonitor::Add(const SoftErrorEvent& event) noexcept {
  detected_.fetch_add(1, std::memory_order_relaxed);
  if (event.outcome == SoftErrorOutcome::kCorrected) {
    corrected_.fetch_add(1, std::memory_order_relaxed);
  } else if (event.outcome == SoftErrorOutcome::kPersistent) {
    persistent_.fetch_add(1, std::memory_order_relaxed);
  }
  if (handler_ != nullptr) handler_(argument_, event);
}

}  // namespace qforge
