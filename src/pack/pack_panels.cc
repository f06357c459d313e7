#include "pack/pack_panels.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/platform.h"

#if QFORGE_X86_64

#include <emmintrin.h>

#include <cstring>

// Packing is bound by memory, so SSE2, which every x86-64 CPU has, is enough; no kernel is emitted
// for it. To get there, whatever is whole goes through loops without a condition; sums are taken
// from the registers that are packed; and a cache line of either matrix is visited once, as rows or
// panels that are a power of two apart share a few sets of the caches.

namespace qforge::pack {
namespace {

// Rows of K x N that are turned into panels at a time. Going through all panels for some rows, and
// not through all rows for a panel, touches each page of the source once. Fewer than 64 write
// pieces of a panel that are too short for the prefetchers; above 257 sums of u8 would leave 16
// bits.
constexpr int64_t kBlockK = 128;

// Of them, rows whose cache lines are used up before the next: fewer than a set has lines.
constexpr int64_t kRowsAtOnce = 4;

// Bytes to prefetch ahead in a row of the source: there are too many for the hardware to follow.
constexpr int64_t kAhead = 256;

// Columns of N x K that are transposed at a time. As many as fill vectors of packed pairs, 8, leave
// too few registers.
constexpr int kColumns = 4;

constexpr int64_t kLine = 64;

// Up to 16 neighbouring columns of a panel.
struct Strip {
  int64_t column;       // the first, of the matrix
  int64_t there;        // columns that the matrix has, 0 to 16; zeros stand for the others
  int64_t width;        // columns that the panel has: 16, or 8 at the end of an odd one
  int8_t* to;           // their place in the panel's first group
  int64_t group_bytes;  // from there to that in the next group
};

int64_t PanelWidth(const PanelLayout& layout, int64_t panel) {
  return int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
}

Strip MakeStrip(const PanelLayout& layout, int64_t panel, int64_t column, int8_t* packed) {
  const int64_t first = panel * layout.panel_columns() + column;
  const int64_t width = std::min<int64_t>(16, PanelWidth(layout, panel) - column);
  return {first, std::clamp<int64_t>(layout.outputs - first, 0, width), width,
          packed + layout.PanelOffset(0, panel) + column * layout.group_size,
          PanelWidth(layout, panel) * layout.group_size};
}

// `count` bytes, and zeros behind them up to 16.
__m128i LoadBytes(const int8_t* from, int64_t count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  alignas(16) int8_t bytes[16] = {};
  if (count > 0) std::memcpy(bytes, from, static_cast<size_t>(count));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

void StoreVectors(void* to, const __m128i* from, int64_t count) {
  for (int64_t i = 0; i < count; ++i) _mm_storeu_si128(static_cast<__m128i*>(to) + i, from[i]);
}

template <auto kHint>  // an enumerator with GCC, a number with Clang
void Prefetch(const int8_t* address) {
  _mm_prefetch(reinterpret_cast<const char*>(address), kHint);
}

// s8 as u8, larger by kShift: unsigned bytes are cheaper to sum.
constexpr int64_t kShift = 128;
__m128i ShiftToUnsigned(__m128i bytes) {
  return _mm_xor_si128(bytes, _mm_set1_epi8(static_cast<char>(0x80)));
}

// The sums of 8 pairs of s8, each larger by 2 * kShift.
__m128i ShiftedPairSums(__m128i pairs) {
  const __m128i shifted = ShiftToUnsigned(pairs);
  return _mm_add_epi16(_mm_and_si128(shifted, _mm_set1_epi16(0xff)), _mm_srli_epi16(shifted, 8));
}

// Packs rows [k, k_end), up to kRowsAtOnce, of a strip of K x N: bytes of neighbouring rows are
// interleaved. Adds the shifted sums of columns 0 to 7 to sums[0], and those of 8 to 15 to sums[1].
// kWhole: all rows and all 16 columns are there. `next`: from the strip to the one to prefetch.
template <int kGroupSize, bool kWhole>
void PackRows(const WeightsSource& source, const Strip& strip, int64_t k, int64_t k_end,
              int64_t next, __m128i* sums) {
  const int8_t* from = source.data + k * source.stride + strip.column;
  int8_t* to = strip.to + k / kGroupSize * strip.group_bytes;
  __m128i low_sums = sums[0], high_sums = sums[1];
  for (int row = 0; row < kRowsAtOnce && (kWhole || k + row < k_end); row += kGroupSize) {
    __m128i rows[kGroupSize], low[2], high[2], out[4];
    for (int i = 0; i < kGroupSize; ++i, from += source.stride) {
      rows[i] = kWhole || k + row + i < k_end ? LoadBytes(from, kWhole ? 16 : strip.there)
                                              : _mm_setzero_si128();
    }
    for (int i = 0; i < kGroupSize / 2; ++i) {
      low[i] = _mm_unpacklo_epi8(rows[2 * i], rows[2 * i + 1]);
      high[i] = _mm_unpackhi_epi8(rows[2 * i], rows[2 * i + 1]);
      low_sums = _mm_add_epi16(low_sums, ShiftedPairSums(low[i]));
      high_sums = _mm_add_epi16(high_sums, ShiftedPairSums(high[i]));
    }
    if constexpr (kGroupSize == 2) {
      out[0] = low[0];
      out[1] = high[0];
    } else {
      out[0] = _mm_unpacklo_epi16(low[0], low[1]);
      out[1] = _mm_unpackhi_epi16(low[0], low[1]);
      out[2] = _mm_unpacklo_epi16(high[0], high[1]);
      out[3] = _mm_unpackhi_epi16(high[0], high[1]);
    }
    Prefetch<_MM_HINT_T0>(to + next);
    StoreVectors(to, out, kWhole ? kGroupSize : strip.width * kGroupSize / 16);
    to += strip.group_bytes;
  }
  sums[0] = low_sums;
  sums[1] = high_sums;
}

// Rows [begin, end), up to kBlockK, of panels side by side, which have up to kLine columns
// together.
template <int kGroupSize>
void PackBlock(const PanelLayout& layout, const WeightsSource& source, int64_t begin, int64_t end,
               int64_t panel_begin, int64_t panel_end, int64_t next, int8_t* packed,
               int64_t* sums) {
  Strip strips[kLine / 8];
  __m128i block_sums[kLine / 8][2] = {};
  int count = 0;
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    for (int64_t column = 0; column < PanelWidth(layout, panel); column += 16) {
      strips[count++] = MakeStrip(layout, panel, column, packed);
    }
  }
  for (int64_t k = begin; k < end; k += kRowsAtOnce) {
    const int64_t k_end = std::min(end, k + kRowsAtOnce);
    if (strips[0].column + kAhead < layout.outputs) {
      const int8_t* ahead = source.data + k * source.stride + strips[0].column + kAhead;
      // Into the second level: in the first, kBlockK rows might share one set.
      for (int64_t i = 0; i < k_end - k; ++i) Prefetch<_MM_HINT_T1>(ahead + i * source.stride);
    }
    for (int i = 0; i < count; ++i) {
      if (strips[i].there == 16 && k_end - k == kRowsAtOnce) {
        PackRows<kGroupSize, true>(source, strips[i], k, k_end, next, block_sums[i]);
      } else {
        PackRows<kGroupSize, false>(source, strips[i], k, k_end, next, block_sums[i]);
      }
    }
  }
  const int64_t shift = kShift * base::AlignUp<int64_t>(end - begin, kGroupSize);
  for (int i = 0; i < count; ++i) {
    uint16_t shifted[16];
    StoreVectors(shifted, block_sums[i], 2);
    for (int64_t j = 0; j < strips[i].there; ++j) sums[strips[i].column + j] += shifted[j] - shift;
  }
}

template <int kGroupSize>
void PackFromRows(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                  int64_t panel_end, int8_t* packed, int64_t* sums) {
  // As many as make up a cache line of the source.
  const int64_t panels_at_once = std::max<int64_t>(1, kLine / layout.panel_columns());
  for (int64_t k = 0; k < layout.inputs; k += kBlockK) {
    const int64_t k_end = std::min(layout.inputs, k + kBlockK);
    for (int64_t panel = panel_begin; panel < panel_end; panel += panels_at_once) {
      const int64_t end = std::min(panel_end, panel + panels_at_once);
      // The last panel may be narrower, and its groups elsewhere.
      const int64_t next =
          end + panels_at_once < panel_end ? panels_at_once * layout.panel_bytes : 0;
      PackBlock<kGroupSize>(layout, source, k, k_end, panel, end, next, packed, sums);
    }
  }
}

// Transposes 4 x 4 elements of 32 bits in place.
void Transpose32(__m128i* m) {
  const __m128i a = _mm_unpacklo_epi32(m[0], m[1]), b = _mm_unpackhi_epi32(m[0], m[1]);
  const __m128i c = _mm_unpacklo_epi32(m[2], m[3]), d = _mm_unpackhi_epi32(m[2], m[3]);
  m[0] = _mm_unpacklo_epi64(a, c);
  m[1] = _mm_unpackhi_epi64(a, c);
  m[2] = _mm_unpacklo_epi64(b, d);
  m[3] = _mm_unpackhi_epi64(b, d);
}

// Transposes 4 x 8 elements of 16 bits in place: two of the 8 rows that result per vector.
void Transpose16(__m128i* m) {
  const __m128i a = _mm_unpacklo_epi16(m[0], m[1]), b = _mm_unpackhi_epi16(m[0], m[1]);
  const __m128i c = _mm_unpacklo_epi16(m[2], m[3]), d = _mm_unpackhi_epi16(m[2], m[3]);
  m[0] = _mm_unpacklo_epi32(a, c);
  m[1] = _mm_unpackhi_epi32(a, c);
  m[2] = _mm_unpacklo_epi32(b, d);
  m[3] = _mm_unpackhi_epi32(b, d);
}

// Packs `length` k, up to kLine, of `there` columns, up to kColumns, of N x K. Adds the
// shifted sum of each column to its vector in `sums`, in two halves, as if the next multiple of 16
// k were there. kWhole: all k and all columns are there.
template <int kGroupSize, bool kWhole>
void PackColumns(const int8_t* from, int64_t stride, int64_t there, int64_t length, int8_t* to,
                 int64_t group_bytes, __m128i* sums) {
  for (int64_t k = 0; k < (kWhole ? kLine : length); k += 16) {
    __m128i m[kColumns];
    for (int i = 0; i < kColumns; ++i) {
      m[i] = kWhole || i < there ? LoadBytes(from + i * stride + k, kWhole ? 16 : length - k)
                                 : _mm_setzero_si128();
      sums[i] = _mm_add_epi64(sums[i], _mm_sad_epu8(ShiftToUnsigned(m[i]), _mm_setzero_si128()));
    }
    kGroupSize == 4 ? Transpose32(m) : Transpose16(m);
    for (int i = 0; i < 16 / kGroupSize && (kWhole || k + i * kGroupSize < length); ++i) {
      if constexpr (kGroupSize == 4) {
        StoreVectors(to, m + i, 1);
      } else {
        const __m128i half = i % 2 == 0 ? m[i / 2] : _mm_unpackhi_epi64(m[i / 2], m[i / 2]);
        _mm_storel_epi64(reinterpret_cast<__m128i*>(to), half);
      }
      to += group_bytes;
    }
  }
}

// A strip of N x K over all of K, a cache line of each column at a time.
template <int kGroupSize>
void PackStrip(const PanelLayout& layout, const WeightsSource& source, const Strip& strip,
               int64_t* sums) {
  __m128i strip_sums[16] = {};
  for (int64_t k = 0; k < layout.inputs; k += kLine) {
    const int64_t length = std::min(kLine, layout.inputs - k);
    for (int64_t j = 0; j < strip.width; j += kColumns) {
      const int64_t there = std::clamp<int64_t>(strip.there - j, 0, kColumns);
      const int8_t* from = source.data + (strip.column + j) * source.stride + k;
      int8_t* to = strip.to + k / kGroupSize * strip.group_bytes + j * kGroupSize;
      if (k + kAhead < layout.inputs) {
        for (int64_t i = 0; i < there; ++i) {
          Prefetch<_MM_HINT_T0>(from + i * source.stride + kAhead);
        }
      }
      if (there == kColumns && length == kLine) {
        PackColumns<kGroupSize, true>(from, source.stride, there, length, to, strip.group_bytes,
                                      strip_sums + j);
      } else {
        PackColumns<kGroupSize, false>(from, source.stride, there, length, to, strip.group_bytes,
                                       strip_sums + j);
      }
    }
  }
  const int64_t shift = kShift * base::AlignUp<int64_t>(layout.inputs, 16);
  for (int64_t j = 0; j < strip.there; ++j) {
    int64_t halves[2];
    StoreVectors(halves, strip_sums + j, 1);
    sums[strip.column + j] += halves[0] + halves[1] - shift;
  }
}

template <int kGroupSize>
void PackFromColumns(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                     int64_t panel_end, int8_t* packed, int64_t* sums) {
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    for (int64_t column = 0; column < PanelWidth(layout, panel); column += 16) {
      PackStrip<kGroupSize>(layout, source, MakeStrip(layout, panel, column, packed), sums);
    }
  }
}

}  // namespace

void PackPanels(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                int64_t panel_end, int8_t* packed, int64_t* sums) noexcept {
  if (layout.inputs == 0) return;  // neither weights nor panels: there may be no memory for either
  const bool by_row = source.order == WeightsLayout::kInputsByOutputs;
  const auto pack = layout.group_size == 4 ? (by_row ? PackFromRows<4> : PackFromColumns<4>)
                                           : (by_row ? PackFromRows<2> : PackFromColumns<2>);
  pack(layout, source, panel_begin, panel_end, packed, sums);
}

}  // namespace qforge::pack

#else  // no kernels read panels here, but layouts can be tested

namespace qforge::pack {

void PackPanels(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                int64_t panel_end, int8_t* packed, int64_t* sums) noexcept {
  if (layout.inputs == 0) return;  // neither weights nor panels: there may be no memory for either
  AddColumnSums(source, 0, layout.inputs, panel_begin * layout.panel_columns(),
                std::min(layout.outputs, panel_end * layout.panel_columns()), sums);
  const bool by_row = source.order == WeightsLayout::kInputsByOutputs;
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t width = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
    int8_t* to = packed + layout.PanelOffset(0, panel);
    for (int64_t group = 0; group < layout.k_groups; ++group) {
      for (int64_t j = panel * layout.panel_columns(); j < panel * layout.panel_columns() + width;
           ++j) {
        for (int64_t k = group * layout.group_size; k < (group + 1) * layout.group_size; ++k) {
          const bool there = k < layout.inputs && j < layout.outputs;
          const int64_t at = by_row ? k * source.stride + j : j * source.stride + k;
          *to++ = there ? source.data[at] : int8_t{0};
        }
      }
    }
  }
}

}  // namespace qforge::pack

#endif
