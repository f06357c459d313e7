#include "pack/float_panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "pack/transpose.h"
#include "qforge/half.h"

namespace qforge::pack {
namespace {

// Weights are read in blocks of so many k by so many columns, which stay in the first-level cache.
constexpr int64_t kBlockInputs = 64;
constexpr int64_t kBlockColumns = 32;

constexpr float kLargestHalf = 65504.0f;
constexpr float kLargestBFloat16 = 0x1.FEp127f;

struct Block {
  float values[kBlockInputs][kBlockColumns];
};

// `count` elements of a row of the source.
void ReadRow(const InputMatrix& matrix, int64_t row, int64_t column, int64_t count, float* to) {
  const int64_t offset = row * matrix.stride + column;
  switch (matrix.type) {
    case DataType::kF16:
      for (int64_t i = 0; i < count; ++i) {
        to[i] = ToFloat(static_cast<const Half*>(matrix.data)[offset + i]);
      }
      return;
    case DataType::kBF16:
      for (int64_t i = 0; i < count; ++i) {
        to[i] = ToFloat(static_cast<const BFloat16*>(matrix.data)[offset + i]);
      }
      return;
    default:
      std::memcpy(to, static_cast<const float*>(matrix.data) + offset,
                  static_cast<size_t>(count) * sizeof(float));
  }
}

float Clipped(float value, float largest) {
  return std::isnan(value) ? value : std::clamp(value, -largest, largest);
}

// Weights [k, k + inputs) x [column, column + columns), zeros where there are none.
void ReadBlock(const FloatWeightsSource& source, DataType type, int64_t k, int64_t inputs,
               int64_t column, int64_t columns, Block* block) {
  if (inputs < kBlockInputs || columns < kBlockColumns) std::memset(block, 0, sizeof(*block));
  if (source.order == WeightsLayout::kInputsByOutputs) {
    for (int64_t i = 0; i < inputs; ++i) {
      ReadRow(source.matrix, k + i, column, columns, block->values[i]);
    }
  } else {
    float rows[kBlockColumns][kBlockInputs];
    for (int64_t j = 0; j < columns; ++j) {
      ReadRow(source.matrix, column + j, k, inputs, rows[j]);
    }
    Transpose(&rows[0][0], kBlockInputs, columns, inputs, &block->values[0][0], kBlockColumns);
  }
  if (!source.clip_to_finite) return;
  float largest = std::numeric_limits<float>::max();
  if (type == DataType::kF16) largest = kLargestHalf;
  if (type == DataType::kBF16) largest = kLargestBFloat16;
  for (int64_t i = 0; i < inputs; ++i) {
    for (int64_t j = 0; j < columns; ++j) {
      block->values[i][j] = Clipped(block->values[i][j], largest);
    }
  }
}

// `count` floats as elements of `type`, `step` elements apart.
void WriteRow(const float* values, int64_t count, DataType type, std::byte* to, int64_t step) {
  switch (type) {
    case DataType::kF16:
      for (int64_t j = 0; j < count; ++j) {
        reinterpret_cast<Half*>(to)[j * step] = ToHalf(values[j]);
      }
      return;
    case DataType::kBF16:
      for (int64_t j = 0; j < count; ++j) {
        reinterpret_cast<BFloat16*>(to)[j * step] = ToBFloat16(values[j]);
      }
      return;
    default:
      std::memcpy(to, values, static_cast<size_t>(count) * sizeof(float));
  }
}

}  // namespace

void PackFloatPanels(const PanelLayout& layout, const FloatWeightsSource& source,
                     int64_t panel_begin, int64_t panel_end, std::byte* packed) noexcept {
  const int64_t size = DataTypeSize(layout.type);
  const int64_t group = layout.group_size;
  static_assert(kBlockInputs % 2 == 0, "pairs of k are not split");
  Block block;
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t column = panel * layout.panel_columns();
    const int64_t columns = std::min(layout.panel_columns(), layout.outputs - column);
    const int64_t padded = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
    std::byte* to = packed + panel * layout.panel_bytes;
    for (int64_t k = 0; k < layout.inputs; k += kBlockInputs) {
      const int64_t inputs = std::min(kBlockInputs, layout.inputs - k);
      ReadBlock(source, layout.type, k, inputs, column, columns, &block);
      // An odd K ends with half a pair.
      const int64_t whole = (inputs + group - 1) / group * group;
      for (int64_t i = 0; i < whole; ++i) {
        WriteRow(block.values[i], padded, layout.type, to + (i % group) * size, group);
        if (i % group == group - 1) to += padded * group * size;
      }
    }
  }
}

void CopyPlainFloats(const PanelLayout& layout, const FloatWeightsSource& source, int64_t k_begin,
                     int64_t k_end, std::byte* plain) noexcept {
  const int64_t size = DataTypeSize(layout.type);
  Block block;
  for (int64_t k = k_begin; k < k_end; k += kBlockInputs) {
    const int64_t inputs = std::min(kBlockInputs, k_end - k);
    for (int64_t column = 0; column < layout.outputs; column += kBlockColumns) {
      const int64_t columns = std::min(kBlockColumns, layout.outputs - column);
      ReadBlock(source, layout.type, k, inputs, column, columns, &block);
      for (int64_t i = 0; i < inputs; ++i) {
        WriteRow(block.values[i], columns, layout.type,
                 plain + ((k + i) * layout.outputs + column) * size, 1);
      }
    }
  }
}

}  // namespace qforge::pack
