#include <cstdlib>

#include "pack/pack_panels.h"

namespace qforge::pack {
// For portable code alone: SSE2 packing takes the sums on its way.
void AddColumnSums(const WeightsSource& source, int64_t k_begin, int64_t k_end,
                   int64_t column_begin, int64_t column_end, int64_t* sums) noexcept {
  if (source.order == WeightsLayout::kInputsByOutputs) {
    for (int64_t k = k_begin; k < k_end; ++k) {
      const int8_t* row = source.data + k * source.stride;
      for (int64_t j = column_begin; j < column_end; ++j) sums[j] += row[j];
    }
    return;
  }
  for (int64_t j = column_begin; j < column_end; ++j) {
    const int8_t* column = source.data + j * source.stride;
    for (int64_t k = k_begin; k < k_end; ++k) sums[j] += column[k];
  }
}

int64_t SumMagnitude(const WeightsSource& source, int64_t inputs, int64_t column,
                     int32_t zero_point) noexcept {
  int64_t sum = 0;
  for (int64_t k = 0; k < inputs; ++k) sum += std::abs(source.At(k, column) - zero_point);
  return sum;
}

void CopyPlain(const WeightsSource& source, int64_t inputs, int64_t outputs, int64_t begin,
               int64_t end, int8_t* plain) noexcept {
  for (int64_t k = 0; k < inputs; ++k) {
    for (int64_t j = begin; j < end; ++j) plain[k * outputs + j] = source.At(k, j);
  }
}

}  // namespace qforge::pack
