#include "pack/pack_panels.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/platform.h"

#if QFORGE_X86_64

#include <emmintrin.h>

#include <cstring>

// Packing is bound by memory, so SSE2, which every x86-64 CPU has, is enough; no kernel is emitted
// for it.

namespace qforge::pack {
namespace {

// Rows of K x N that are turned into panels at a time. A panel takes 64 bytes or less of a row;
// going through all panels for a few rows, and not through all rows for a panel, touches each page
// of the source once.
constexpr int64_t kBlockK = 64;

// Bytes to prefetch ahead in a row: rows are too many for the hardware to follow them.
constexpr int64_t kAhead = 256;

alignas(16) constexpr int8_t kZeros[16] = {};

__m128i LoadBytes(const int8_t* from, int64_t count) {
  if (count >= 16) return _mm_loadu_si128(reinterpret_cast<const __m128i*>(from));
  alignas(16) int8_t bytes[16] = {};
  if (count > 0) std::memcpy(bytes, from, static_cast<size_t>(count));
  return _mm_load_si128(reinterpret_cast<const __m128i*>(bytes));
}

// `count` columns, 0 to 16, from each of `rows` rows: zeros for those that are not there.
void LoadRows(const WeightsSource& source, int64_t k, int64_t k_end, int64_t column,
              int64_t columns, int rows, __m128i* out) {
  for (int row = 0; row < rows; ++row) {
    out[row] = k + row < k_end
                   ? LoadBytes(source.data + (k + row) * source.stride + column, columns)
                   : _mm_setzero_si128();
  }
}

void StoreVectors(int8_t* to, const __m128i* from, int count) {
  for (int i = 0; i < count; ++i) _mm_storeu_si128(reinterpret_cast<__m128i*>(to) + i, from[i]);
}

// 16 columns of one group of k from K x N: bytes of neighbouring rows interleaved.
void PackGroupFromRows(const WeightsSource& source, int group_size, int64_t k, int64_t k_end,
                       int64_t column, int64_t columns, __m128i* out) {
  __m128i r[4];
  LoadRows(source, k, k_end, column, columns, group_size, r);
  const __m128i low01 = _mm_unpacklo_epi8(r[0], r[1]), high01 = _mm_unpackhi_epi8(r[0], r[1]);
  if (group_size == 2) {
    out[0] = low01;
    out[1] = high01;
    return;
  }
  const __m128i low23 = _mm_unpacklo_epi8(r[2], r[3]), high23 = _mm_unpackhi_epi8(r[2], r[3]);
  out[0] = _mm_unpacklo_epi16(low01, low23);
  out[1] = _mm_unpackhi_epi16(low01, low23);
  out[2] = _mm_unpacklo_epi16(high01, high23);
  out[3] = _mm_unpackhi_epi16(high01, high23);
}

void PackFromRows(const PanelLayout& layout, const WeightsSource& source, int64_t panel,
                  int64_t k_begin, int64_t k_end, int8_t* packed) {
  const int64_t width = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
  const int64_t group_bytes = width * layout.group_size;
  const int64_t first_column = panel * layout.panel_columns();
  int8_t* to = packed + layout.PanelOffset(0, panel) + k_begin / layout.group_size * group_bytes;
  for (int64_t k = k_begin; k < k_end; k += layout.group_size, to += group_bytes) {
    for (int64_t row = k; row < std::min(k_end, k + layout.group_size); ++row) {
      if (first_column + kAhead >= layout.outputs) break;
      _mm_prefetch(
          reinterpret_cast<const char*>(source.data) + row * source.stride + first_column + kAhead,
          _MM_HINT_T1);
    }
    for (int64_t column = 0; column < width; column += 16) {
      __m128i out[4];
      PackGroupFromRows(source, layout.group_size, k, k_end, first_column + column,
                        std::clamp<int64_t>(layout.outputs - first_column - column, 0, 16), out);
      // A vector of 8 columns leaves half of the 16 where a panel's width is odd in them.
      const int64_t there = std::min<int64_t>(16, width - column);
      StoreVectors(to + column * layout.group_size, out,
                   static_cast<int>(there * layout.group_size / 16));
    }
  }
}

// 16 bytes of k from each of `count` columns of N x K.
void LoadColumns(const WeightsSource& source, int64_t outputs, int64_t column, int count, int64_t k,
                 int64_t k_end, __m128i* out) {
  for (int i = 0; i < count; ++i) {
    const bool there = column + i < outputs;
    out[i] = there ? LoadBytes(source.data + (column + i) * source.stride + k, k_end - k)
                   : _mm_load_si128(reinterpret_cast<const __m128i*>(kZeros));
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

// Transposes 8 x 8 elements of 16 bits in place.
void Transpose16(__m128i* m) {
  __m128i pairs[8];
  for (int i = 0; i < 4; ++i) {
    pairs[i] = _mm_unpacklo_epi16(m[2 * i], m[2 * i + 1]);
    pairs[4 + i] = _mm_unpackhi_epi16(m[2 * i], m[2 * i + 1]);
  }
  Transpose32(pairs);
  Transpose32(pairs + 4);
  std::copy_n(pairs, 8, m);
}

// 16 columns of a panel, from `column` on, over all of K: whole cache lines are read and written.
void PackColumnBlock(const PanelLayout& layout, const WeightsSource& source, int64_t panel,
                     int64_t column, int8_t* packed) {
  constexpr int64_t kLine = 64;
  const int64_t width = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
  const int64_t group_bytes = width * layout.group_size;
  const int64_t first_column = panel * layout.panel_columns();
  const int columns_at_once = 16 / layout.group_size;
  const int64_t column_end = std::min(width, column + 16);
  int8_t* to = packed + layout.PanelOffset(0, panel);
  for (int64_t line = 0; line < layout.inputs; line += kLine) {
    const int64_t line_end = std::min(layout.inputs, line + kLine);
    for (int64_t j = column; j < column_end; j += columns_at_once) {
      for (int i = 0; i < columns_at_once && line + kAhead < layout.inputs; ++i) {
        if (first_column + j + i >= layout.outputs) break;
        _mm_prefetch(reinterpret_cast<const char*>(source.data) +
                         (first_column + j + i) * source.stride + line + kAhead,
                     _MM_HINT_T0);
      }
      for (int64_t k = line; k < line_end; k += 16) {
        __m128i m[8];
        LoadColumns(source, layout.outputs, first_column + j, columns_at_once, k, layout.inputs, m);
        layout.group_size == 4 ? Transpose32(m) : Transpose16(m);
        const int64_t groups = std::min<int64_t>(
            columns_at_once, base::CeilDiv<int64_t>(layout.inputs - k, layout.group_size));
        int8_t* at = to + k / layout.group_size * group_bytes + j * layout.group_size;
        for (int64_t group = 0; group < groups; ++group) {
          StoreVectors(at + group * group_bytes, m + group, 1);
        }
      }
    }
  }
}

}  // namespace

void PackPanels(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                int64_t panel_end, int8_t* packed, int64_t* sums) noexcept {
  const auto add_sums = [&](int64_t k_begin, int64_t k_end, int64_t begin, int64_t end) {
    AddColumnSums(source, k_begin, k_end, std::min(layout.outputs, begin),
                  std::min(layout.outputs, end), sums);
  };
  if (source.order == WeightsLayout::kInputsByOutputs) {
    for (int64_t k = 0; k < layout.inputs; k += kBlockK) {
      const int64_t k_end = std::min(layout.inputs, k + kBlockK);
      for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
        PackFromRows(layout, source, panel, k, k_end, packed);
        const int64_t column = panel * layout.panel_columns();
        add_sums(k, k_end, column, column + layout.panel_columns());
      }
    }
    return;
  }
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t width = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
    for (int64_t column = 0; column < width; column += 16) {
      PackColumnBlock(layout, source, panel, column, packed);
      const int64_t first = panel * layout.panel_columns() + column;
      add_sums(0, layout.inputs, first, first + std::min<int64_t>(16, width - column));
    }
  }
}

}  // namespace qforge::pack

#else  // no kernels read panels here, but layouts can be tested

namespace qforge::pack {

void PackPanels(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                int64_t panel_end, int8_t* packed, int64_t* sums) noexcept {
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
