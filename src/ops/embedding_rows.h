// Rows of a table as kernels and the scalar truth take them, and checks that their users share.
#ifndef QFORGE_OPS_EMBEDDING_ROWS_H_
#define QFORGE_OPS_EMBEDDING_ROWS_H_

#include <cstddef>
#include <cstdint>

#include "kernels/embedding_kernel.h"
#include "ops/row_layout.h"
#include "pack/embedding_table_data.h"
#include "qforge/status.h"
#include "ref/embedding.h"

namespace qforge {

inline ref::EmbeddingRows RowsOf(const pack::EmbeddingTableData& table) noexcept {
  return {table.layout, table.data, table.codebooks};
}

// A kernel for rows of this layout, which is complete; the rest of the descriptor is as it is by
// default.
kernels::EmbeddingKernel KernelOf(Isa isa, const RowLayout& layout) noexcept;

// Rows [begin, end) of a twotier4 table name codebooks that exist; other formats name none.
Status CheckCodebookNumbers(const pack::EmbeddingTableData& table, int64_t begin,
                            int64_t end) noexcept;

// Copies `rows` rows. Gaps between them are not read, since they are not the table's, and written
// as zeros.
void CopyRows(const std::byte* from, int64_t rows, const RowLayout& layout, std::byte* to) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_ROWS_H_
