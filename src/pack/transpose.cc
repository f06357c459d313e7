#include "pack/transpose.h"

#include <algorithm>

#include "base/platform.h"

#if QFORGE_X86_64
#include <emmintrin.h>
#endif

namespace qforge::pack {
namespace {

template <class T>
void TransposeEdge(const T* from, int64_t from_stride, int64_t rows, int64_t cols, T* to,
                   int64_t to_stride) {
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

// Blocks of kBlock x kBlock through `block`, what is left element by element.
template <int kBlock, class T, class Block>
void TransposeBlocks(const T* from, int64_t from_stride, int64_t rows, int64_t cols, T* to,
                     int64_t to_stride, Block&& block) {
  for (int64_t i = 0; i < rows; i += kBlock) {
    for (int64_t j = 0; j < cols; j += kBlock) {
      const T* source = from + i * from_stride + j;
      T* target = to + j * to_stride + i;
      if (rows - i >= kBlock && cols - j >= kBlock) {
        block(source, target);
      } else {
        TransposeEdge(source, from_stride, std::min<int64_t>(kBlock, rows - i),
                      std::min<int64_t>(kBlock, cols - j), target, to_stride);
      }
    }
  }
}

}  // namespace

void TransposeBytes16(const uint8_t* from, int64_t from_stride, int64_t rows, uint8_t* to,
                      int64_t to_stride) noexcept {
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
  for (int64_t j = 0; j < 16; ++j) {
    for (int64_t i = 0; i < 16; ++i) {
      to[j * to_stride + i] = i < rows ? from[i * from_stride + j] : uint8_t{0};
    }
  }
#endif
}

void Transpose(const uint8_t* from, int64_t from_stride, int64_t rows, int64_t cols, uint8_t* to,
               int64_t to_stride) noexcept {
  TransposeBlocks<16>(from, from_stride, rows, cols, to, to_stride,
                      [&](const uint8_t* source, uint8_t* target) {
                        TransposeBytes16(source, from_stride, 16, target, to_stride);
                      });
}

void Transpose(const uint16_t* from, int64_t from_stride, int64_t rows, int64_t cols, uint16_t* to,
               int64_t to_stride) noexcept {
#if QFORGE_X86_64
  TransposeBlocks<8>(
      from, from_stride, rows, cols, to, to_stride, [&](const uint16_t* source, uint16_t* target) {
        __m128i m[8], next[8];
        for (int i = 0; i < 8; ++i) {
          m[i] = _mm_loadu_si128(reinterpret_cast<const __m128i*>(source + i * from_stride));
        }
        // As for bytes, with half as many columns.
        for (int round = 0; round < 3; ++round) {
          for (int i = 0; i < 4; ++i) {
            next[2 * i] = _mm_unpacklo_epi16(m[i], m[i + 4]);
            next[2 * i + 1] = _mm_unpackhi_epi16(m[i], m[i + 4]);
          }
          std::copy_n(next, 8, m);
        }
        for (int i = 0; i < 8; ++i) {
          _mm_storeu_si128(reinterpret_cast<__m128i*>(target + i * to_stride), m[i]);
        }
      });
#else
  TransposeEdge(from, from_stride, rows, cols, to, to_stride);
#endif
}

void Transpose(const float* from, int64_t from_stride, int64_t rows, int64_t cols, float* to,
               int64_t to_stride) noexcept {
#if QFORGE_X86_64
  TransposeBlocks<4>(from, from_stride, rows, cols, to, to_stride,
                     [&](const float* source, float* target) {
                       __m128 m[4];
                       for (int i = 0; i < 4; ++i) m[i] = _mm_loadu_ps(source + i * from_stride);
                       _MM_TRANSPOSE4_PS(m[0], m[1], m[2], m[3]);
                       for (int i = 0; i < 4; ++i) _mm_storeu_ps(target + i * to_stride, m[i]);
                     });
#else
  TransposeEdge(from, from_stride, rows, cols, to, to_stride);
#endif
}

}  // namespace qforge::pack
