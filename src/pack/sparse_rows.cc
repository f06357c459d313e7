#include "pack/sparse_rows.h"

#include <algorithm>
#include <cstring>

#include "base/platform.h"

#if QFORGE_X86_64
#include <emmintrin.h>
#endif

namespace qforge::pack {
namespace {

constexpr int kStrip = kernels::kSparseStripInputs;

// to[k * to_stride + i] = element k of row i, for all 16 x 16; rows from `rows` on are zeros.
void TransposeStrip(const uint8_t* from, int64_t from_stride, int64_t rows, uint8_t* to,
                    int64_t to_stride) {
#if QFORGE_X86_64
  __m128i m[16], next[16];
  for (int i = 0; i < 16; ++i) {
    m[i] = i < rows ? _mm_loadu_si128(reinterpret_cast<const __m128i*>(from + i * from_stride))
                    : _mm_setzero_si128();
  }
  // Interleaving row i with row i + 8 four times sorts bytes by column.
  for (int round = 0; round < 4; ++round) {
    for (int i = 0; i < 8; ++i) {
      next[2 * i] = _mm_unpacklo_epi8(m[i], m[i + 8]);
      next[2 * i + 1] = _mm_unpackhi_epi8(m[i], m[i + 8]);
    }
    std::copy_n(next, 16, m);
  }
  for (int i = 0; i < 16; ++i) {
    _mm_storeu_si128(reinterpret_cast<__m128i*>(to + i * to_stride), m[i]);
  }
#else
  for (int64_t k = 0; k < kStrip; ++k) {
    for (int64_t i = 0; i < 16; ++i) {
      to[k * to_stride + i] = i < rows ? from[i * from_stride + k] : uint8_t{0};
    }
  }
#endif
}

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
        TransposeStrip(from + k, input.stride, count, to, block_rows);
      } else {
        uint8_t padded[16 * kStrip] = {};
        for (int64_t i = 0; i < count; ++i) {
          std::memcpy(padded + i * kStrip, from + i * input.stride + k, static_cast<size_t>(width));
        }
        TransposeStrip(padded, kStrip, count, to, block_rows);
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
