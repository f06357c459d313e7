#include "ops/embedding_rows.h"

#include <cinttypes>
#include <cstring>

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

Status CheckCodebookNumbers(const pack::EmbeddingTableData& table, int64_t begin,
                            int64_t end) noexcept {
  if (table.layout.format != RowFormat::kTwoTier4 || table.clusters == kMostCodebooks) {
    return Status();
  }
  const int64_t offset = PartsOfRow(table.layout).parameter_offset;
  for (int64_t row = begin; row < end; ++row) {
    uint16_t number;
    std::memcpy(&number, table.data + row * table.layout.stride + offset, sizeof(number));
    if (number >= table.clusters) {
      return Status::Error(StatusCode::kOutOfRange, "table",
                           "row %" PRId64 " names codebook %d, which is not in [0, %" PRId64 ")",
                           row, int{number}, table.clusters);
    }
  }
  return Status();
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
