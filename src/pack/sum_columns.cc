#include <algorithm>
#include <cstdlib>

#include "base/platform.h"
#include "pack/pack_panels.h"

#if QFORGE_X86_64
#include <emmintrin.h>
#endif

namespace qforge::pack {
namespace {

int8_t ValueAt(const WeightsSource& source, int64_t k, int64_t column) {
  const bool by_row = source.order == WeightsLayout::kInputsByOutputs;
  return source.data[by_row ? k * source.stride + column : column * source.stride + k];
}

void AddOneColumn(const WeightsSource& source, int64_t k_begin, int64_t k_end, int64_t column,
                  int64_t* sums) {
  for (int64_t k = k_begin; k < k_end; ++k) sums[column] += ValueAt(source, k, column);
}

#if QFORGE_X86_64

__m128i Load(const int8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

// Adds 8 sums of 16 bits to 64-bit ones.
void Spill(__m128i values, int64_t* to) {
  alignas(16) int16_t lanes[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes), values);
  for (int i = 0; i < 8; ++i) to[i] += lanes[i];
}

// 16 * kVectors neighbouring columns of K x N: with four vectors, whole cache lines of a row.
template <int kVectors>
void AddColumns(const WeightsSource& source, int64_t k_begin, int64_t k_end, int64_t column,
                int64_t* sums) {
  constexpr int64_t kRows = 128;  // 128 * 128 < 2^15
  const __m128i zero = _mm_setzero_si128();
  for (int64_t begin = k_begin; begin < k_end; begin += kRows) {
    __m128i low[kVectors], high[kVectors];
    for (int v = 0; v < kVectors; ++v) low[v] = high[v] = zero;
    const int64_t end = std::min(k_end, begin + kRows);
    for (int64_t k = begin; k < end; ++k) {
      for (int v = 0; v < kVectors; ++v) {
        const __m128i x = Load(source.data + k * source.stride + column + 16 * v);
        const __m128i sign = _mm_cmpgt_epi8(zero, x);
        low[v] = _mm_add_epi16(low[v], _mm_unpacklo_epi8(x, sign));
        high[v] = _mm_add_epi16(high[v], _mm_unpackhi_epi8(x, sign));
      }
    }
    for (int v = 0; v < kVectors; ++v) {
      Spill(low[v], sums + column + 16 * v);
      Spill(high[v], sums + column + 16 * v + 8);
    }
  }
}

// One column of N x K. Returns where it stopped: a multiple of 16 behind k_begin.
int64_t AddContiguous(const int8_t* values, int64_t k_begin, int64_t k_end, int64_t* sum) {
  const __m128i flip = _mm_set1_epi8(static_cast<char>(0x80));
  __m128i shifted_sums = _mm_setzero_si128();  // two of 64 bits
  int64_t k = k_begin;
  for (; k + 16 <= k_end; k += 16) {
    const __m128i shifted = _mm_xor_si128(Load(values + k), flip);
    shifted_sums = _mm_add_epi64(shifted_sums, _mm_sad_epu8(shifted, _mm_setzero_si128()));
  }
  alignas(16) int64_t lanes[2];
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes), shifted_sums);
  *sum += lanes[0] + lanes[1] - 128 * (k - k_begin);
  return k;
}

#endif

}  // namespace

void AddColumnSums(const WeightsSource& source, int64_t k_begin, int64_t k_end,
                   int64_t column_begin, int64_t column_end, int64_t* sums) noexcept {
  int64_t column = column_begin;
#if QFORGE_X86_64
  if (source.order == WeightsLayout::kInputsByOutputs) {
    for (; column + 64 <= column_end; column += 64) {
      AddColumns<4>(source, k_begin, k_end, column, sums);
    }
    for (; column + 16 <= column_end; column += 16) {
      AddColumns<1>(source, k_begin, k_end, column, sums);
    }
  } else {
    for (; column < column_end; ++column) {
      const int64_t done =
          AddContiguous(source.data + column * source.stride, k_begin, k_end, sums + column);
      AddOneColumn(source, done, k_end, column, sums);
    }
  }
#endif
  for (; column < column_end; ++column) AddOneColumn(source, k_begin, k_end, column, sums);
}

int64_t SumMagnitude(const WeightsSource& source, int64_t inputs, int64_t column,
                     int32_t zero_point) noexcept {
  int64_t sum = 0;
  for (int64_t k = 0; k < inputs; ++k) sum += std::abs(ValueAt(source, k, column) - zero_point);
  return sum;
}

void CopyPlain(const WeightsSource& source, int64_t inputs, int64_t outputs, int64_t begin,
               int64_t end, int8_t* plain) noexcept {
  for (int64_t k = 0; k < inputs; ++k) {
    for (int64_t j = begin; j < end; ++j) plain[k * outputs + j] = ValueAt(source, k, j);
  }
}

}  // namespace qforge::pack
