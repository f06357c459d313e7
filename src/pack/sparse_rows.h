// Rows of A as the kernels of sparse products read them.
#ifndef QFORGE_PACK_SPARSE_ROWS_H_
#define QFORGE_PACK_SPARSE_ROWS_H_

#include <cstdint>

#include "pack/sparse_form.h"
#include "qforge/views.h"

namespace qforge::pack {

// Transposes `input`, all K columns of it, into a block for `block_rows` >= input.rows rows, a
// multiple of 16: byte i of slot s of the part at block[s * block_rows + i]. Bytes of rows that are
// not there, in 16s of which none is, are left as they are.
void TransposeRows(const MatrixView<const uint8_t>& input, const SparsePart& part,
                   int64_t block_rows, uint8_t* block) noexcept;

// One row by slots: its elements at the part's strips, side by side.
void GatherRow(const uint8_t* input, int64_t inputs, const SparsePart& part, uint8_t* row) noexcept;

}  // namespace qforge::pack

#endif  // QFORGE_PACK_SPARSE_ROWS_H_
