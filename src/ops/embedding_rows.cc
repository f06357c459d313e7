#include "ops/embedding_rows.h"

#include <cinttypes>
#include <cstring>

#include "base/row_checksum.h"
#include "ref/row_checksum.h"

namespace qforge {

kernels::EmbeddingKernel KernelOf(Isa isa, const RowLayout& layout) noexcept {
  kernels::EmbeddingKernel kernel;
  kernel.isa = isa;
  kernel.format = layout.format;
  kernel.dimension = layout.dimension;
  if (layout.format == RowFormat::kU8) kernel.parameters = layout.parameters;
  if (PartsOfRow(layout).parameter_bytes != 0) kernel.place = layout.place;
  kernel.exponent_bias = layout.exponent_bias;
  return kernel;
}

int64_t CodebookNumber(const pack::EmbeddingTableData& table, int64_t row) noexcept {
  uint16_t number;
  std::memcpy(&number,
              table.data + row * table.layout.stride + PartsOfRow(table.layout).parameter_offset,
              sizeof(number));
  return number;
}

Status CheckCodebookNumbers(const pack::EmbeddingTableData& table, int64_t begin,
                            int64_t end) noexcept {
  if (table.layout.format != RowFormat::kTwoTier4 || table.clusters == kMostCodebooks) {
    return Status();
  }
  for (int64_t row = begin; row < end; ++row) {
    const int64_t number = CodebookNumber(table, row);
    if (number >= table.clusters) {
      return Status::Error(StatusCode::kOutOfRange, "table",
                           "row %" PRId64 " names codebook %" PRId64
                           ", which is not in [0, %" PRId64 ")",
                           row, number, table.clusters);
    }
  }
  return Status();
}

Status MakeCodebookChecksums(pack::EmbeddingTableData* table) noexcept {
  if (table->clusters == 0) return Status();
  constexpr int64_t kChecksumBytes = base::ChecksumBytes(kCodebookBytes);
  Result<base::AlignedBuffer> checksums = AllocateChecksums(table->clusters * kChecksumBytes);
  if (!checksums.ok()) return checksums.status();
  const auto* const codebooks = reinterpret_cast<const std::byte*>(table->codebooks);
  for (int64_t i = 0; i < table->clusters; ++i) {
    ref::WriteChecksum(codebooks + i * kCodebookBytes, kCodebookBytes,
                       checksums->data() + i * kChecksumBytes);
  }
  table->own_codebook_checksums = std::move(*checksums);
  table->codebook_checksums = table->own_codebook_checksums.data();
  return Status();
}

Result<base::AlignedBuffer> AllocateChecksums(int64_t bytes) noexcept {
  Result<base::AlignedBuffer> buffer = base::AlignedBuffer::Allocate(
      static_cast<size_t>(bytes + pack::kChecksumPadding), "checksums");
  if (buffer.ok()) {
    std::memset(buffer->data() + bytes, 0, static_cast<size_t>(pack::kChecksumPadding));
  }
  return buffer;
}

void CopyRows(const std::byte* from, int64_t rows, const RowLayout& layout,
              std::byte* to) noexcept {
  if (rows == 0) return;
  const size_t bytes = static_cast<size_t>(PartsOfRow(layout).bytes());
  const size_t stride = static_cast<size_t>(layout.stride);
  if (stride == bytes) {
    std::memcpy(to, from, static_cast<size_t>(rows) * bytes);
    return;
  }
  for (int64_t row = 0;;) {
    std::memcpy(to, from, bytes);
    if (++row == rows) return;
    std::memset(to + bytes, 0, stride - bytes);
    to += stride;
    from += stride;
  }
}

}  // namespace qforge
