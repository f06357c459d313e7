// What happens when a check finds that memory or arithmetic went wrong: a bit that flipped in
// weights or in a table, a register, or a multiplier that errs (arXiv 2103.00130).
//
// Checks are opted into where the data is made: PackedWeightsOptions::soft_error_check and that of
// FloatWeightsOptions, TableQuantizationOptions::row_checksum and EmbeddingTable::AddChecksums().
// Operations on such data check, and follow the policy below.
// Asking for a check of other data is an error.
//
// Products of s8 weights (Linear). Packing keeps S[k] = sum_j B[k][j], outliers included. A kernel
// adds up each row of its accumulators while they are in registers, and before the call returns
//
//   sum_j acc[i][j]  must be  sum_k A[i][k] * S[k] + what accumulators start from
//
// modulo 2^32, for every row i. Integers are compared exactly: without a fault there is no alarm,
// whatever the inputs are. (With less activations promised than are given, which is a fault of the
// caller's, sums of 16 bits saturate, and there is one.) What a single fault changes in one column:
//   - A bit that flips in an accumulator changes the left side by a power of two below 2^32.
//   - A bit that flips in a packed weight or an outlier, before or during the call, changes
//     acc[i][j] of one column j, and with it the left side by as much: every change of a result is
//     seen. Where A[i][k] is 0 nothing changes, and nothing is reported. Weights of 0 behind the
//     last column are seen as well, though they change no result.
//   - The same holds for a multiplier or adder that errs in a single product or sum.
//   - A flip in S raises an alarm though the output is right; kRecompute ends with kPersistent.
// May be missed: what changes several columns of a row, by amounts that happen to add up to 0
// modulo 2^32. Such are bytes of A that err for one of two readers during the call, and, without
// VNNI and with outliers, bits that say which part of A a section of a packed panel belongs to,
// which can also make a kernel read where it must not. Not covered: A as it was before the call,
// and how it is quantised; the corrections behind the product for zero-points of weights and of
// rows; scales, float bias and activation; the output once it is computed. PackedWeights::Scrub()
// covers all of a packed matrix at rest, but not the scales and biases that a Linear keeps of it.
// Who needs the output covered can compare sums of s32 output (OutputS32, RunTiles) again where it
// is used, or run a layer twice: results are the same bits each time.
//
// Products of float weights are checked likewise, within a bound that no rounding exceeds
// (src/pack/float_row_sums.h derives it): no alarm without a fault, and none missed that changes
// the sum of a row by more than twice the bound, which for K inputs and N outputs of about the same
// size is some K * sqrt(K) * N * 2^-24 of an output. Those are flips of the upper bits of the
// exponent, of the sign and, in small layers, of the upper bits of the mantissa. Rows whose inputs
// are not finite, or so large that sums could overflow, are counted as not checked.
//
// When rows fail, the call computes the others, and the output holds what the failed sums gave;
// with kRecompute, what the second computation gave. It reads A as it was prepared for the first,
// or, for small products, prepares the row again. There is an event for each row. After a row
// that fails again, others of the call that fail are taken to do so, too. A fault in the check
// itself that does not come again when a row is looked at alone is not reported.
#ifndef QFORGE_SOFT_ERRORS_H_
#define QFORGE_SOFT_ERRORS_H_

#include <atomic>
#include <cstdint>

#include "qforge/export.h"

QFORGE_BEGIN_EXPORT
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

// For campaigns and tests: a bit of an accumulator that flips before anything looks at it. A
// product created with one takes kernels of its own, which are slower.
struct SoftErrorInjection {
  // Not to be changed during a call. Where the output has no such row or column nothing happens.
  int64_t row = 0;
  int64_t column = 0;
  int bit = 0;                    // 0 to 31, of which the lowest 5 bits count
  std::atomic<int64_t> times{0};  // how often it still happens when the row is computed
};

struct SoftErrorOptions {
  SoftErrorPolicy policy = SoftErrorPolicy::kFail;
  SoftErrorMonitor* monitor = nullptr;      // borrowed; must outlive the operation
  const char* name = nullptr;               // for events; borrowed likewise
  SoftErrorInjection* injection = nullptr;  // borrowed likewise; products only
  // EmbeddingBag: one bag in so many is checked, another one in each call. At least 1. Products
  // check every row, and refuse anything but 1.
  int64_t sample_interval = 1;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_SOFT_ERRORS_H_
