#include "pack/sparse_rows.h"

#include <algorithm>
#include <cstring>

#include "pack/transpose.h"

namespace qforge::pack {
namespace {

constexpr int kStrip = kernels::kSparseStripInputs;
static_assert(kStrip == 16, "TransposeBytes16() takes strips");

}  // namespace

void TransposeRows(const MatrixView<const uint8_t>& input, const SparsePart& part,
                   int64_t block_rows, uint8_t* block) noexcept {
  for (int64_t first = 0; first < input.rows; first += 16) {
    const uint8_t* from = input.data + first * input.stride;
    const int64_t count = std::min<int64_t>(16, input.rows - first);
    uint8_t* to = block + first;
    for (const int64_t k : part.strips) {
      const int64_t width = input.cols - k;
      if (width >= kStrip) {
        TransposeBytes16(from + k, input.stride, count, to, block_rows);
      } else {
        uint8_t padded[16 * kStrip] = {};
        for (int64_t i = 0; i < count; ++i) {
          std::memcpy(padded + i * kStrip, from + i * input.stride + k, static_cast<size_t>(width));
        }
        TransposeBytes16(padded, kStrip, count, to, block_rows);
      }
      to += kStrip * block_rows;
    }
  }
}

void GatherRow(const uint8_t* input, int64_t inputs, const SparsePart& part,
               uint8_t* row) noexcept {
  for (const int64_t k : part.strips) {
    if (inputs - k >= kStrip) {
      std::memcpy(row, input + k, kStrip);
    } else {
      std::memcpy(row, input + k, static_cast<size_t>(inputs - k));
    }
    row += kStrip;
  }
}

}  // namespace qforge::pack
