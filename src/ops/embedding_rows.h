// Rows of a table as kernels and the scalar truth take them, and checks that their users share.
#ifndef QFORGE_OPS_EMBEDDING_ROWS_H_
#define QFORGE_OPS_EMBEDDING_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "kernels/embedding_kernel.h"
#include "ops/row_layout.h"
#include "pack/embedding_table_data.h"
#include "qforge/status.h"
#include "ref/embedding.h"

namespace qforge {

// The largest number of a codebook; 0 where there are none.
inline int64_t LastCodebook(const pack::EmbeddingTableData& table) noexcept {
  return table.clusters == 0 ? 0 : table.clusters - 1;
}

inline ref::EmbeddingRows RowsOf(const pack::EmbeddingTableData& table) noexcept {
  ref::EmbeddingRows rows;
  rows.layout = table.layout;
  rows.data = table.data;
  rows.codebooks = table.codebooks;
  rows.last_codebook = LastCodebook(table);
  rows.checksums = table.checksums;
  rows.codebook_checksums = table.codebook_checksums;
  return rows;
}

// A kernel for rows of this layout, which is complete; the rest of the descriptor is as it is by
// default.
kernels::EmbeddingKernel KernelOf(Isa isa, const RowLayout& layout) noexcept;

// The number that row `row` of a twotier4 table holds, of a codebook that exists or not.
int64_t CodebookNumber(const pack::EmbeddingTableData& table, int64_t row) noexcept;

// Rows [begin, end) of a twotier4 table name codebooks that exist; other formats name none.
Status CheckCodebookNumbers(const pack::EmbeddingTableData& table, int64_t begin,
                            int64_t end) noexcept;

// In the rows or beside them.
inline bool HasChecksums(const pack::EmbeddingTableData& table) noexcept {
  return table.layout.checksum || table.checksums != nullptr;
}

// Room for checksums that kernels read, of so many bytes.
Result<base::AlignedBuffer> AllocateChecksums(int64_t bytes) noexcept;

// Makes room for the checksums of the codebooks, where there are any, and writes them.
Status MakeCodebookChecksums(pack::EmbeddingTableData* table) noexcept;

// Copies `rows` rows. Gaps between them are not read, since they are not the table's, and written
// as zeros.
void CopyRows(const std::byte* from, int64_t rows, const RowLayout& layout, std::byte* to) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_ROWS_H_
