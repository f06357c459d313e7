// Row layouts: what the operations on embedding tables share.
#ifndef QFORGE_OPS_ROW_LAYOUT_H_
#define QFORGE_OPS_ROW_LAYOUT_H_

#include <cstdint>

#include "qforge/half.h"
#include "qforge/row_layout.h"
#include "qforge/status.h"

namespace qforge {

// Number of centres of a codebook, and the most codebooks a table can have.
inline constexpr int64_t kCodebookCentres = 16;
inline constexpr int64_t kMostCodebooks = 65536;
inline constexpr int64_t kCodebookBytes = kCodebookCentres * int64_t{sizeof(Half)};

// Validates a layout and fills in stride, parameters (kF32 or kF16 for u8, kF16 for u4, u2 and
// codebook4, otherwise kNone) and exponent_bias. `field` is what the caller calls the layout:
// "layout" gives "layout.dimension" and so on.
Result<RowLayout> CompleteRowLayout(const char* field, const RowLayout& layout) noexcept;

// Of a complete layout: where the payload and the parameters of a row begin, and the bytes of each.
struct RowParts {
  int64_t payload_bytes;
  int64_t parameter_bytes;
  int64_t payload_offset;
  int64_t parameter_offset;
  int64_t checksum_bytes;  // behind the rest; 0: none

  // Of payload and parameters, which a checksum is of.
  int64_t content_bytes() const { return payload_bytes + parameter_bytes; }
  int64_t bytes() const { return content_bytes() + checksum_bytes; }
};
RowParts PartsOfRow(const RowLayout& layout) noexcept;

// `rows` is not negative, and no offset into so many rows of a complete layout leaves int64.
Status CheckTableSize(const char* field, int64_t rows, const RowLayout& layout) noexcept;

// Bytes from the first to behind the last byte of `rows` rows; behind the last one is no gap.
int64_t TableExtent(int64_t rows, const RowLayout& layout) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_ROW_LAYOUT_H_
