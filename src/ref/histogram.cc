#include "ref/histogram.h"

#include <algorithm>
#include <cmath>

#include "ref/reference.h"

namespace qforge::ref {

// Scaling by a power of two is exact, but for results below 2^-126, which are in the innermost cell
// however they are rounded.
int32_t CellOf(float value, float inverse_width) noexcept {
  const int32_t cell = static_cast<int32_t>(std::abs(value) * inverse_width);
  return std::signbit(value) ? ~cell : cell;
}

void BinIndices(const float* values, int64_t count, float inverse_width, int32_t first,
                int32_t bins, int32_t* indices) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    if (values[i] == 0.0f) {
      indices[i] = bins + 1;
      continue;
    }
    indices[i] = bins;
    if (!(std::abs(values[i]) * inverse_width < 0x1p31f)) continue;
    const int64_t index = int64_t{CellOf(values[i], inverse_width)} - first;
    if (index >= 0 && index < bins) indices[i] = static_cast<int32_t>(index);
  }
}

void UpdateFiniteRange(const float* values, int64_t count, float* min, float* max) noexcept {
  for (int64_t i = 0; i < count; ++i) {
    if (std::isfinite(values[i])) UpdateRange(values + i, 1, min, max);
  }
}

int BinExponent(const ValueRange& range, int64_t max_bins) noexcept {
  constexpr int kSmallest = -126;    // so that the inverse is a float
  constexpr int kMostCellBits = 24;  // a float of the largest magnitude has no finer digits
  const float largest = std::max(std::abs(range.min), std::abs(range.max));
  if (largest == 0.0f) return kSmallest;
  int magnitude;  // the largest value is below 2^magnitude
  std::frexp(largest, &magnitude);
  int exponent = std::max(kSmallest, magnitude - kMostCellBits);
  for (;; ++exponent) {
    const float inverse_width = std::ldexp(1.0f, -exponent);
    const int32_t cells = CellOf(range.max, inverse_width) - CellOf(range.min, inverse_width) + 1;
    if (cells <= max_bins) return exponent;
  }
}

}  // namespace qforge::ref
