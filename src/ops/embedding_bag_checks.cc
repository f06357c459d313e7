// What a look-up does about rows that do not agree with their checksums. Pooling and gathering
// kernels check as they go; the portable path, and rows that are copied, are checked behind it.
#include <algorithm>
#include <cinttypes>

#include "base/platform.h"
#include "base/row_checksum.h"
#include "ops/embedding_bag_core.h"
#include "ops/embedding_rows.h"
#include "ref/embedding.h"
#include "ref/row_checksum.h"

#if QFORGE_X86_64
#include <emmintrin.h>
#endif

namespace qforge {
namespace {

// Calls function(row of the table) for the rows that row `i` of the output is made of, as long as
// it returns true.
template <class Function>
void ForEachRow(const BagLookup& lookup, int64_t i, const Function& function) {
  const ref::BagProblem problem = ProblemOf(lookup);
  const bool pooled = lookup.starts != nullptr;
  const int64_t begin = pooled ? lookup.starts[i] : i;
  const int64_t end = pooled ? lookup.starts[i + 1] : i + 1;
  for (int64_t p = begin; p < end; ++p) {
    const int64_t row = ref::RowOf(problem, p);
    if (row >= 0 && !function(row)) return;
  }
}

// The sum of a row and its checksum; of its codebook too, unless rows are copied, which reads none.
int64_t SumOf(const BagCore& core, int64_t row) {
  const ref::EmbeddingRows rows = RowsOf(*core.table);
  if (!core.copies_rows()) return ref::RowSum(rows, row);
  const int64_t bytes = PartsOfRow(rows.layout).content_bytes();
  const std::byte* const at = rows.data + row * rows.layout.stride;
  return ref::ChecksumSum(
      at, bytes,
      rows.layout.checksum ? at + bytes : rows.checksums + row * base::ChecksumBytes(bytes));
}

bool Agrees(const BagLookup& lookup, int64_t i) {
  int64_t sum = 0;
  ForEachRow(lookup, i, [&](int64_t row) {
    sum += SumOf(*lookup.core, row);
    return true;
  });
  return sum == 0;
}

// The first row that does not agree with its checksum; -1: none.
int64_t FindBadRow(const BagLookup& lookup, int64_t i) {
  int64_t bad = -1;
  ForEachRow(lookup, i, [&](int64_t row) {
    if (SumOf(*lookup.core, row) != 0) bad = row;
    return bad < 0;
  });
  return bad;
}

// At least one byte.
void Evict(const void* data, int64_t bytes) {
#if QFORGE_X86_64
  constexpr int64_t kLineBytes = 64;
  const auto* const at = static_cast<const std::byte*>(data);
  for (int64_t line = 0; line < bytes; line += kLineBytes) _mm_clflush(at + line);
  _mm_clflush(at + bytes - 1);
#else
  (void)data, (void)bytes;
#endif
}

// So that all that was summed comes from memory once more: the error may be in a cache.
void EvictRows(const BagLookup& lookup, int64_t i) {
  const pack::EmbeddingTableData& table = *lookup.core->table;
  const RowParts parts = PartsOfRow(table.layout);
  const int64_t checksum_bytes = base::ChecksumBytes(parts.content_bytes());
  constexpr int64_t kCodebookChecksumBytes = base::ChecksumBytes(kCodebookBytes);
  ForEachRow(lookup, i, [&](int64_t row) {
    Evict(table.data + row * table.layout.stride, parts.bytes());
    if (!table.layout.checksum) Evict(table.checksums + row * checksum_bytes, checksum_bytes);
    if (table.clusters > 0) {
      const int64_t number = std::min(CodebookNumber(table, row), LastCodebook(table));
      Evict(table.codebooks + number * kCodebookCentres, kCodebookBytes);
      Evict(table.codebook_checksums + number * kCodebookChecksumBytes, kCodebookChecksumBytes);
    }
    return true;
  });
#if QFORGE_X86_64
  _mm_mfence();
#endif
}

bool LookUpOnceMore(const BagLookup& lookup, int64_t i) {
  EvictRows(lookup, i);
  return LookUp(lookup, i, i + 1) == i + 1 && (lookup.core->kernel_checks() || Agrees(lookup, i));
}

// Row `i` of the output, which is written, did not pass.
void Handle(const BagLookup& lookup, int64_t i) {
  const SoftErrorOptions& options = lookup.core->options.soft_errors;
  SoftErrorOutcome outcome = SoftErrorOutcome::kReported;
  if (options.policy == SoftErrorPolicy::kFail) outcome = SoftErrorOutcome::kFailed;
  if (options.policy == SoftErrorPolicy::kRecompute) {
    outcome =
        LookUpOnceMore(lookup, i) ? SoftErrorOutcome::kCorrected : SoftErrorOutcome::kPersistent;
  }
  if (options.monitor != nullptr) {
    const char* const name = options.name == nullptr ? "EmbeddingBag" : options.name;
    options.monitor->Add({name, outcome, i, 0, lookup.core->output_columns, FindBadRow(lookup, i)});
  }
  if (outcome != SoftErrorOutcome::kFailed && outcome != SoftErrorOutcome::kPersistent) return;
  int64_t before = lookup.first_failed.load();
  while (i < before && !lookup.first_failed.compare_exchange_weak(before, i)) {
  }
}

}  // namespace

void LookUpChecked(const BagLookup& lookup, int64_t begin, int64_t end) noexcept {
  if (lookup.core->kernel_checks()) {
    for (int64_t at = begin; at < end; ++at) {
      at = LookUp(lookup, at, end);
      if (at < end) Handle(lookup, at);
    }
    return;
  }
  LookUp(lookup, begin, end);
  const int64_t interval = lookup.core->options.soft_errors.sample_interval;
  for (int64_t i = FirstCheckedFrom(lookup, begin); i < end; i += interval) {
    if (!Agrees(lookup, i)) Handle(lookup, i);
  }
}

Status FinishChecks(const BagLookup& lookup) noexcept {
  const SoftErrorOptions& options = lookup.core->options.soft_errors;
  if (options.monitor != nullptr && lookup.first_checked < lookup.output_rows()) {
    const int64_t behind = lookup.output_rows() - 1 - lookup.first_checked;
    options.monitor->AddChecked(static_cast<uint64_t>(behind / options.sample_interval + 1), 0);
  }
  const int64_t failed = lookup.first_failed.load();
  if (failed == BagLookup::kNoRow) return Status();
  const char* const what = lookup.core->pooled() ? "bag" : "position";
  const char* const twice = options.policy == SoftErrorPolicy::kRecompute ? ", read twice" : "";
  const int64_t row = FindBadRow(lookup, failed);
  if (row < 0) {
    return Status::Error(StatusCode::kDataCorrupted, "table",
                         "%s %" PRId64
                         " did not agree with the checksums of its rows%s; each row "
                         "by itself does now",
                         what, failed, twice);
  }
  return Status::Error(StatusCode::kDataCorrupted, "table",
                       "%s %" PRId64
                       " does not agree with the checksums of its rows%s; row %" PRId64
                       " of the table does not",
                       what, failed, twice, row);
}

}  // namespace qforge
