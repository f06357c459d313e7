// What happens when a check finds that memory or arithmetic went wrong: a bit that flipped in
// weights or in a table, a register, or a multiplier that errs (arXiv 2103.00130).
//
// Checks are opted into where the data is made: PackedWeightsOptions::soft_error_check and
// FloatWeightsOptions::soft_error_check, TableQuantizationOptions::row_checksum and
// EmbeddingTable::AddChecksums(). Operations on such data check, and follow the policy below.
#ifndef QFORGE_SOFT_ERRORS_H_
#define QFORGE_SOFT_ERRORS_H_

#include <atomic>
#include <cstdint>

#pragma GCC visibility push(default)
namespace qforge {

enum class SoftErrorPolicy : uint8_t {
  kOff,        // no check, even of data that could be checked
  kReport,     // the monitor is told; the call succeeds, and its output may be wrong
  kRecompute,  // what failed is computed once more; if it fails again the call does as with kFail
  kFail,       // the call returns kDataCorrupted
};

enum class SoftErrorOutcome : uint8_t {
  kReported,    // kReport: the output is wrong, or the check itself met the error
  kCorrected,   // kRecompute: the second result passed, and is what the output holds
  kPersistent,  // kRecompute: the second result failed too, so that the data is bad
  kFailed,      // kFail
};

// "reported", "corrected", "persistent", "failed".
const char* SoftErrorOutcomeName(SoftErrorOutcome outcome) noexcept;

// One row of a product, or one bag of a look-up, that did not pass.
struct SoftErrorEvent {
  const char* operation;  // SoftErrorOptions::name, or "Linear", "EmbeddingBag" and so on
  SoftErrorOutcome outcome;
  int64_t row;           // of the output: M for products, the bag for look-ups
  int64_t first_column;  // of the output: what the failed sum covers
  int64_t columns;
  // Look-ups: the first row of the table that does not agree with its checksum when it is read once
  // more. -1: there is none.
  int64_t table_row = -1;
};

// Since the monitor was made or reset, in rows of products and bags of look-ups.
struct SoftErrorCounts {
  uint64_t checked = 0;
  uint64_t not_checked = 0;  // float products: inputs were not finite, or too large to tell
  uint64_t detected = 0;     // did not pass, whatever came of it
  uint64_t corrected = 0;    // of these: passed when computed again
  uint64_t persistent = 0;   // of these: did not
};

// Counts, and hears of every event. One monitor may serve any number of operations and threads.
class SoftErrorMonitor {
 public:
  // Called from the threads that compute, possibly several at the same time; must not call the
  // operation that it hears of.
  using Handler = void (*)(void* argument, const SoftErrorEvent& event) noexcept;

  explicit SoftErrorMonitor(Handler handler = nullptr, void* argument = nullptr) noexcept
      : handler_(handler), argument_(argument) {}
  SoftErrorMonitor(const SoftErrorMonitor&) = delete;
  SoftErrorMonitor& operator=(const SoftErrorMonitor&) = delete;

  SoftErrorCounts counts() const noexcept;
  void Reset() noexcept;

  // For the library's own operations.
  void AddChecked(uint64_t checked, uint64_t not_checked) noexcept;
  void Add(const SoftErrorEvent& event) noexcept;

 private:
  Handler handler_;
  void* argument_;
  std::atomic<uint64_t> checked_{0};
  std::atomic<uint64_t> not_checked_{0};
  std::atomic<uint64_t> detected_{0};
  std::atomic<uint64_t> corrected_{0};
  std::atomic<uint64_t> persistent_{0};
};

struct SoftErrorOptions {
  SoftErrorPolicy policy = SoftErrorPolicy::kFail;
  SoftErrorMonitor* monitor = nullptr;  // borrowed; must outlive the operation
  const char* name = nullptr;           // for events; borrowed likewise
  // EmbeddingBag: one bag in so many is checked, another one in each call. At least 1.
  int64_t sample_interval = 1;
};

}  // namespace qforge
#pragma GCC visibility pop

#endif  // QFORGE_SOFT_ERRORS_H_
