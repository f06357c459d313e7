// What an EmbeddingTable holds.
#ifndef QFORGE_PACK_EMBEDDING_TABLE_DATA_H_
#define QFORGE_PACK_EMBEDDING_TABLE_DATA_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/aligned_buffer.h"
#include "qforge/half.h"
#include "qforge/row_layout.h"

namespace qforge::pack {

// Who keeps the bytes of a table alive.
enum class TableOwner : uint8_t { kCaller, kTable, kMapping };

// Kernels load checksums by the vector.
inline constexpr int64_t kChecksumPadding = 64;

struct EmbeddingTableData {
  RowLayout layout;  // valid, with stride, parameters and exponent_bias filled in
  int64_t rows = 0;
  const std::byte* data = nullptr;  // rows * stride bytes, of which the last stride may be short
  const Half* codebooks = nullptr;
  int64_t clusters = 0;
  // Of each row, one behind the other; null where there are none, or where rows end with them.
  // kChecksumPadding bytes more may be read.
  const std::byte* checksums = nullptr;
  // Of each codebook, likewise, wherever rows have one.
  const std::byte* codebook_checksums = nullptr;

  TableOwner owner = TableOwner::kCaller;
  base::AlignedBuffer own_rows;  // kTable
  base::AlignedBuffer own_codebooks;
  base::AlignedBuffer own_checksums;  // unless mapped
  base::AlignedBuffer own_codebook_checksums;
  std::shared_ptr<const void> mapping;  // kMapping
};

}  // namespace qforge::pack

#endif  // QFORGE_PACK_EMBEDDING_TABLE_DATA_H_
