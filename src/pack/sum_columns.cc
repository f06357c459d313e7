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
                  int64_t* sums, int64_t* absolute_sums) {
  for (int64_t k = k_begin; k < k_end; ++k) {
    const int value = ValueAt(source, k, column);
    sums[column] += value;
    absolute_sums[column] += std::abs(value);
  }
}

#if QFORGE_X86_64

__m128i Load(const int8_t* from) { return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from)); }

// |x| as u8, of which 128 is one.
__m128i Absolute(__m128i x) {
  const __m128i sign = _mm_cmpgt_epi8(_mm_setzero_si128(), x);
  return _mm_sub_epi8(_mm_xor_si128(x, sign), sign);
}

// Adds 8 sums of 16 bits, signed or not, to 64-bit ones.
template <class T>
void Spill(__m128i values, int64_t* to) {
  alignas(16) T lanes[8];
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes), values);
  for (int i = 0; i < 8; ++i) to[i] += lanes[i];
}

// 16 neighbouring columns of K x N.
void Add16Columns(const WeightsSource& source, int64_t k_begin, int64_t k_end, int64_t column,
                  int64_t* sums, int64_t* absolute_sums) {
  constexpr int64_t kRows = 128;  // 128 * 128 < 2^15
  const __m128i zero = _mm_setzero_si128();
  for (int64_t begin = k_begin; begin < k_end; begin += kRows) {
    __m128i low = zero, high = zero, absolute_low = zero, absolute_high = zero;
    const int64_t end = std::min(k_end, begin + kRows);
    for (int64_t k = begin; k < end; ++k) {
      const __m128i x = Load(source.data + k * source.stride + column);
      const __m128i absolute = Absolute(x);
      const __m128i sign = _mm_cmpgt_epi8(zero, x);
      low = _mm_add_epi16(low, _mm_unpacklo_epi8(x, sign));
      high = _mm_add_epi16(high, _mm_unpackhi_epi8(x, sign));
      absolute_low = _mm_add_epi16(absolute_low, _mm_unpacklo_epi8(absolute, zero));
      absolute_high = _mm_add_epi16(absolute_high, _mm_unpackhi_epi8(absolute, zero));
    }
    Spill<int16_t>(low, sums + column);
    Spill<int16_t>(high, sums + column + 8);
    Spill<uint16_t>(absolute_low, absolute_sums + column);
    Spill<uint16_t>(absolute_high, absolute_sums + column + 8);
  }
}

// One column of N x K. Returns where it stopped: a multiple of 16 behind k_begin.
int64_t AddContiguous(const int8_t* values, int64_t k_begin, int64_t k_end, int64_t* sum,
                      int64_t* absolute_sum) {
  const __m128i zero = _mm_setzero_si128();
  const __m128i flip = _mm_set1_epi8(static_cast<char>(0x80));
  __m128i shifted_sums = zero, absolute_sums = zero;  // two of 64 bits each
  int64_t k = k_begin;
  for (; k + 16 <= k_end; k += 16) {
    const __m128i x = Load(values + k);
    shifted_sums = _mm_add_epi64(shifted_sums, _mm_sad_epu8(_mm_xor_si128(x, flip), zero));
    absolute_sums = _mm_add_epi64(absolute_sums, _mm_sad_epu8(Absolute(x), zero));
  }
  alignas(16) int64_t lanes[4];
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes), shifted_sums);
  _mm_store_si128(reinterpret_cast<__m128i*>(lanes + 2), absolute_sums);
  *sum += lanes[0] + lanes[1] - 128 * (k - k_begin);
  *absolute_sum += lanes[2] + lanes[3];
  return k;
}

#endif

}  // namespace

void AddColumnSums(const WeightsSource& source, int64_t k_begin, int64_t k_end,
                   int64_t column_begin, int64_t column_end, int64_t* sums,
                   int64_t* absolute_sums) noexcept {
  int64_t column = column_begin;
#if QFORGE_X86_64
  if (source.order == WeightsLayout::kInputsByOutputs) {
    for (; column + 16 <= column_end; column += 16) {
      Add16Columns(source, k_begin, k_end, column, sums, absolute_sums);
    }
  } else {
    for (; column < column_end; ++column) {
      const int64_t done = AddContiguous(source.data + column * source.stride, k_begin, k_end,
                                         sums + column, absolute_sums + column);
      AddOneColumn(source, done, k_end, column, sums, absolute_sums);
    }
  }
#endif
  for (; column < column_end; ++column) {
    AddOneColumn(source, k_begin, k_end, column, sums, absolute_sums);
  }
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
