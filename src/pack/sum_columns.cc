#include <algorithm>
#include <cstdlib>

#include "pack/pack_panels.h"

namespace qforge::pack {
namespace {

// Columns and rows summed at a time in 16 bits, which cannot overflow: 128 * 128 < 2^15 = 32,768.
constexpr int64_t kColumns = 64;
constexpr int64_t kRows = 128;

void SumBlock(const WeightsSource& source, int64_t k_begin, int64_t k_end, int64_t column,
              int64_t columns, int16_t* sums, uint16_t* absolute_sums) {
  for (int64_t k = k_begin; k < k_end; ++k) {
    const int8_t* row = source.data + k * source.stride + column;
    for (int64_t j = 0; j < columns; ++j) {
      const int16_t value = row[j];
      sums[j] = static_cast<int16_t>(sums[j] + value);
      absolute_sums[j] = static_cast<uint16_t>(absolute_sums[j] + (value < 0 ? -value : value));
    }
  }
}

void SumFromRows(const WeightsSource& source, int64_t inputs, int64_t begin, int64_t end,
                 int64_t* sums, int64_t* absolute_sums) {
  std::fill(sums + begin, sums + end, 0);
  std::fill(absolute_sums + begin, absolute_sums + end, 0);
  for (int64_t k = 0; k < inputs; k += kRows) {
    for (int64_t column = begin; column < end; column += kColumns) {
      int16_t block_sums[kColumns] = {};
      uint16_t block_absolute_sums[kColumns] = {};
      const int64_t columns = std::min(kColumns, end - column);
      const int64_t k_end = std::min(inputs, k + kRows);
      if (columns == kColumns) {  // a constant count, for the compiler's vectors
        SumBlock(source, k, k_end, column, kColumns, block_sums, block_absolute_sums);
      } else {
        SumBlock(source, k, k_end, column, columns, block_sums, block_absolute_sums);
      }
      for (int64_t j = 0; j < columns; ++j) {
        sums[column + j] += block_sums[j];
        absolute_sums[column + j] += block_absolute_sums[j];
      }
    }
  }
}

void SumFromColumns(const WeightsSource& source, int64_t inputs, int64_t begin, int64_t end,
                    int64_t* sums, int64_t* absolute_sums) {
  constexpr int64_t kBlock = int64_t{1} << 20;  // sums of a block fit in 32 bits
  for (int64_t column = begin; column < end; ++column) {
    const int8_t* values = source.data + column * source.stride;
    sums[column] = 0;
    absolute_sums[column] = 0;
    for (int64_t k = 0; k < inputs; k += kBlock) {
      const int64_t k_end = std::min(inputs, k + kBlock);
      int32_t sum = 0;
      int32_t absolute_sum = 0;
      for (int64_t i = k; i < k_end; ++i) {
        sum += values[i];
        absolute_sum += std::abs(int32_t{values[i]});
      }
      sums[column] += sum;
      absolute_sums[column] += absolute_sum;
    }
  }
}

}  // namespace

void SumColumns(const WeightsSource& source, int64_t inputs, int64_t begin, int64_t end,
                int64_t* sums, int64_t* absolute_sums) noexcept {
  if (source.order == WeightsLayout::kInputsByOutputs) {
    SumFromRows(source, inputs, begin, end, sums, absolute_sums);
  } else {
    SumFromColumns(source, inputs, begin, end, sums, absolute_sums);
  }
}

int64_t SumMagnitude(const WeightsSource& source, int64_t inputs, int64_t column,
                     int32_t zero_point) noexcept {
  const bool by_row = source.order == WeightsLayout::kInputsByOutputs;
  int64_t sum = 0;
  for (int64_t k = 0; k < inputs; ++k) {
    const int8_t value =
        by_row ? source.data[k * source.stride + column] : source.data[column * source.stride + k];
    sum += std::abs(value - zero_point);
  }
  return sum;
}

}  // namespace qforge::pack
