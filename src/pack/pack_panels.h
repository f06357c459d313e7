// Brings a weight matrix into panels, and sums its columns on the way.
#ifndef QFORGE_PACK_PACK_PANELS_H_
#define QFORGE_PACK_PACK_PANELS_H_

#include <cstdint>

#include "pack/panel_layout.h"
#include "qforge/packed_weights.h"

namespace qforge::pack {

// One product's weights as the caller gives them.
struct WeightsSource {
  const int8_t* data = nullptr;
  int64_t stride = 0;  // elements
  WeightsLayout order = WeightsLayout::kInputsByOutputs;

  int8_t At(int64_t k, int64_t column) const {
    const bool by_row = order == WeightsLayout::kInputsByOutputs;
    return data[by_row ? k * stride + column : column * stride + k];
  }
};

// Fills panels [panel_begin, panel_end) of one product; `packed` is the product's first byte. What
// lies beyond K and N is filled with zeros. Adds sum_k B[k][j] to sums[j] for the columns j of
// these panels.
void PackPanels(const PanelLayout& layout, const WeightsSource& source, int64_t panel_begin,
                int64_t panel_end, int8_t* packed, int64_t* sums) noexcept;

// The sums alone, over a part of the matrix.
void AddColumnSums(const WeightsSource& source, int64_t k_begin, int64_t k_end,
                   int64_t column_begin, int64_t column_end, int64_t* sums) noexcept;

// sum_k |B[k][column] - zero_point|.
int64_t SumMagnitude(const WeightsSource& source, int64_t inputs, int64_t column,
                     int32_t zero_point) noexcept;

// Columns [begin, end) of the plain K x N matrix that the portable path reads.
void CopyPlain(const WeightsSource& source, int64_t inputs, int64_t outputs, int64_t begin,
               int64_t end, int8_t* plain) noexcept;

}  // namespace qforge::pack

#endif  // QFORGE_PACK_PACK_PANELS_H_
