// The scalar truth of histograms (qforge/histogram.h), and the portable path. Nothing here
// validates, allocates or sets the float environment.
#ifndef QFORGE_REF_HISTOGRAM_H_
#define QFORGE_REF_HISTOGRAM_H_

#include <cstdint>

#include "qforge/quantization.h"

namespace qforge::ref {

// The cell of width 1 / inverse_width, a power of two, that a finite value lies in; it must not be
// beyond +-2^31. Magnitudes are truncated, so that the grid is its own mirror image and a cell of
// twice the width is cell >> 1.
int32_t CellOf(float value, float inverse_width) noexcept;

// indices[i] = the cell of values[i], counted from `first`; `bins` for what lies in none of the
// cells [first, first + bins), NaN and infinities among it; bins + 1 for a zero.
void BinIndices(const float* values, int64_t count, float inverse_width, int32_t first,
                int32_t bins, int32_t* indices) noexcept;

// As UpdateRange, of the values that are finite.
void UpdateFiniteRange(const float* values, int64_t count, float* min, float* max) noexcept;

// The smallest e for which cells of 2^e hold [range.min, range.max], finite, in at most `max_bins`,
// with e >= -126 and no cell beyond +-2^24.
int BinExponent(const ValueRange& range, int64_t max_bins) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_HISTOGRAM_H_
