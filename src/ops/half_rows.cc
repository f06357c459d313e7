#include "ops/half_rows.h"

#include <algorithm>

#include "pack/transpose.h"

namespace qforge {
namespace {

// Transposed in blocks that stay in the first-level cache, as halves: as f32 they would be twice as
// many vectors to shuffle.
void ConvertTransposed(kernels::ToF32Function* to_f32, const InputMatrix& input, int64_t columns,
                       int64_t begin, int64_t end, float* to) noexcept {
  constexpr int64_t kBlock = 64;
  uint16_t block[kBlock * kBlock];
  const uint16_t* const from = static_cast<const uint16_t*>(input.data);
  for (int64_t row = begin; row < end; row += kBlock) {
    const int64_t rows = std::min(kBlock, end - row);
    for (int64_t column = 0; column < columns; column += kBlock) {
      const int64_t depth = std::min(kBlock, columns - column);
      pack::Transpose(from + column * input.stride + row, input.stride, depth, rows, block, kBlock);
      for (int64_t i = 0; i < rows; ++i) {
        to_f32(block + i * kBlock, depth, depth, to + (row - begin + i) * columns + column);
      }
    }
  }
}

}  // namespace

void ConvertHalfRows(kernels::ToF32Function* to_f32, const InputMatrix& input, bool transposed,
                     int64_t columns, int64_t begin, int64_t end, float* to) noexcept {
  if (columns == 0) return;  // the address may be null, and the stride any
  if (transposed) return ConvertTransposed(to_f32, input, columns, begin, end, to);
  const uint16_t* const from = static_cast<const uint16_t*>(input.data) + begin * input.stride;
  if (input.stride == columns) {  // one long row
    const int64_t count = (end - begin) * columns;
    return to_f32(from, count, count, to);
  }
  for (int64_t i = 0; i < end - begin; ++i) {
    to_f32(from + i * input.stride, columns, columns, to + i * columns);
  }
}

}  // namespace qforge
