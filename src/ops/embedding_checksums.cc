// Checksums of tables at rest: making those that stand beside the rows, and comparing all.
#include <algorithm>
#include <atomic>
#include <cinttypes>
#include <limits>

#include "base/row_checksum.h"
#include "ops/embedding_quantize_rows.h"
#include "ops/embedding_rows.h"
#include "ops/row_layout.h"
#include "qforge/embedding_table.h"
#include "ref/row_checksum.h"

namespace qforge {
namespace {

using kernels::RowCheck;

// Successive rows of so many bytes each, or codebooks.
struct CheckedRows {
  const std::byte* data;
  int64_t stride;
  int64_t bytes;                            // of a row, without its checksum
  const std::byte* checksums;               // null: behind each row
  kernels::ScrubFunction* scrub = nullptr;  // null: portable

  Status Resolve(Isa isa) noexcept {
    if (isa == Isa::kScalar) return Status();
    const Result<const jit::Kernel*> kernel =
        kernels::GetScrub(isa, bytes, checksums == nullptr ? RowCheck::kInRow : RowCheck::kBeside);
    if (!kernel.ok()) return kernel.status();
    scrub = (*kernel)->As<kernels::ScrubFunction>();
    return Status();
  }

  // The first of [begin, end) that does not agree, or `end`.
  int64_t FirstBad(int64_t begin, int64_t end) const noexcept {
    const int64_t checksum_bytes = base::ChecksumBytes(bytes);
    const std::byte* const rows = data + begin * stride;
    const std::byte* const beside =
        checksums == nullptr ? nullptr : checksums + begin * checksum_bytes;
    if (scrub != nullptr) {
      const kernels::ScrubArguments arguments{rows, stride, beside, end - begin};
      return begin + scrub(&arguments);
    }
    for (int64_t i = 0; i < end - begin; ++i) {
      const std::byte* const row = rows + i * stride;
      const std::byte* const checksum =
          beside == nullptr ? row + bytes : beside + i * checksum_bytes;
      if (ref::ChecksumSum(row, bytes, checksum) != 0) return begin + i;
    }
    return end;
  }
};

// Compares [first, first + rows) on the context's threads.
Status Scrub(const Context& context, const char* what, CheckedRows checked, int64_t first,
             int64_t rows) noexcept {
  QFORGE_RETURN_IF_ERROR(checked.Resolve(context.isa()));
  constexpr int64_t kNone = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> first_bad{kNone};
  RowWalk walk;
  walk.rows = rows;
  walk.rows_at_a_time = RowsAtATime(checked.bytes);
  QFORGE_RETURN_IF_ERROR(WalkRows(context, walk, [&](int64_t begin, int64_t end, std::byte*) {
    const int64_t bad = checked.FirstBad(first + begin, first + end);
    if (bad == first + end) return;
    int64_t before = first_bad.load();
    while (bad < before && !first_bad.compare_exchange_weak(before, bad)) {
    }
  }));
  if (first_bad.load() == kNone) return Status();
  return Status::Error(StatusCode::kDataCorrupted, "table",
                       "%s %" PRId64 " does not agree with its checksum", what, first_bad.load());
}

}  // namespace

Status EmbeddingTable::AddChecksums(const Context& context) noexcept {
  pack::EmbeddingTableData& table = *table_;
  if (table.layout.checksum) {
    return Status::Error(StatusCode::kUnsupported, "table", "has rows that end with checksums");
  }
  const int64_t bytes = PartsOfRow(table.layout).content_bytes();
  const int64_t checksum_bytes = base::ChecksumBytes(bytes);
  Result<base::AlignedBuffer> checksums = AllocateChecksums(table.rows * checksum_bytes);
  if (!checksums.ok()) return checksums.status();
  RowWalk walk;
  walk.rows = table.rows;
  walk.rows_at_a_time = RowsAtATime(bytes);
  QFORGE_RETURN_IF_ERROR(WalkRows(context, walk, [&](int64_t begin, int64_t end, std::byte*) {
    for (int64_t i = begin; i < end; ++i) {
      ref::WriteChecksum(table.data + i * table.layout.stride, bytes,
                         checksums->data() + i * checksum_bytes);
    }
  }));
  QFORGE_RETURN_IF_ERROR(MakeCodebookChecksums(&table));
  table.own_checksums = std::move(*checksums);
  table.checksums = table.own_checksums.data();
  return Status();
}

Status EmbeddingTable::Scrub(const Context& context, int64_t first, int64_t rows) const noexcept {
  const pack::EmbeddingTableData& table = *table_;
  if (!HasChecksums(table)) {
    return Status::Error(StatusCode::kUnsupported, "table", "has no checksums");
  }
  if (first < 0 || rows < 0 || first > table.rows || rows > table.rows - first) {
    return Status::Error(StatusCode::kOutOfRange, "first",
                         "%" PRId64 " and %" PRId64 " rows; the table has %" PRId64, first, rows,
                         table.rows);
  }
  if (rows == 0) return Status();
  const CheckedRows checked{table.data, table.layout.stride,
                            PartsOfRow(table.layout).content_bytes(), table.checksums};
  QFORGE_RETURN_IF_ERROR(qforge::Scrub(context, "row", checked, first, rows));
  if (table.clusters == 0) return Status();
  const CheckedRows codebooks{reinterpret_cast<const std::byte*>(table.codebooks), kCodebookBytes,
                              kCodebookBytes, table.codebook_checksums};
  // The codebooks that lie at [first, first + rows) where they are spread over all rows. In double,
  // since the products leave int64; what rounds lies in two slices.
  const auto codebook_at = [&](int64_t row) {
    return static_cast<double>(row) * static_cast<double>(table.clusters) /
           static_cast<double>(table.rows);
  };
  const auto begin = static_cast<int64_t>(codebook_at(first));
  const auto end = std::min(static_cast<int64_t>(codebook_at(first + rows)) + 1, table.clusters);
  return qforge::Scrub(context, "codebook", codebooks, begin, end - begin);
}

}  // namespace qforge
