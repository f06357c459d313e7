#include "pack/float_panels.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "pack/transpose.h"

namespace qforge::pack {
namespace {

// Weights are read in blocks of so many k by so many columns, which stay in the first-level cache.
constexpr int64_t kBlockInputs = 64;
constexpr int64_t kBlockColumns = 32;
constexpr int64_t kBlockElements = kBlockInputs * kBlockColumns;

// Brings blocks of the source into the type of the panels.
class BlockReader {
 public:
  BlockReader(const FloatWeightsSource& source, DataType type) : source_(source), type_(type) {}

  // Weights [k, k + inputs) x [column, column + columns), zeros where there are none: rows of
  // kBlockColumns elements, valid until the next call.
  const std::byte* Read(int64_t k, int64_t inputs, int64_t column, int64_t columns) {
    const DataType from = source_.matrix.type;
    if (from == DataType::kF32) {
      Copy(k, inputs, column, columns, floats_);
    } else {
      Copy(k, inputs, column, columns, halves_);
      if (from == type_ && !source_.clip_to_finite) return Bytes(halves_);
      source_.to_f32(halves_, kBlockElements, kBlockElements, floats_);
    }
    if (type_ != DataType::kF32) {
      source_.from_f32(floats_, kBlockElements, halves_);
      return Bytes(halves_);
    }
    if (source_.clip_to_finite) Clip();
    return Bytes(floats_);
  }

 private:
  template <class T>
  static const std::byte* Bytes(const T* elements) {
    return reinterpret_cast<const std::byte*>(elements);
  }

  template <class T>
  void Copy(int64_t k, int64_t inputs, int64_t column, int64_t columns, T* to) const {
    if (inputs < kBlockInputs || columns < kBlockColumns) std::fill_n(to, kBlockElements, T{0});
    const T* const from = static_cast<const T*>(source_.matrix.data);
    const int64_t stride = source_.matrix.stride;
    if (source_.order == WeightsLayout::kOutputsByInputs) {
      Transpose(from + column * stride + k, stride, columns, inputs, to, kBlockColumns);
      return;
    }
    for (int64_t i = 0; i < inputs; ++i) {
      std::copy_n(from + (k + i) * stride + column, columns, to + i * kBlockColumns);
    }
  }

  void Clip() {
    constexpr float kLargest = std::numeric_limits<float>::max();
    for (float& value : floats_) {
      if (!std::isnan(value)) value = std::clamp(value, -kLargest, kLargest);
    }
  }

  const FloatWeightsSource& source_;
  const DataType type_;
  float floats_[kBlockElements];
  uint16_t halves_[kBlockElements];
};

// Two rows of 16 bits as pairs.
void WritePairs(const std::byte* rows, int64_t columns, std::byte* to) {
  const uint16_t* const from = reinterpret_cast<const uint16_t*>(rows);
  uint16_t* const pairs = reinterpret_cast<uint16_t*>(to);
  for (int64_t j = 0; j < columns; ++j) {
    pairs[2 * j] = from[j];
    pairs[2 * j + 1] = from[kBlockColumns + j];
  }
}

}  // namespace

void PackFloatPanels(const PanelLayout& layout, const FloatWeightsSource& source,
                     int64_t panel_begin, int64_t panel_end, std::byte* packed) noexcept {
  const int64_t size = DataTypeSize(layout.type);
  const int64_t group = layout.group_size;
  static_assert(kBlockInputs % 2 == 0, "pairs of k are not split");
  BlockReader reader(source, layout.type);
  for (int64_t panel = panel_begin; panel < panel_end; ++panel) {
    const int64_t column = panel * layout.panel_columns();
    const int64_t columns = std::min(layout.panel_columns(), layout.outputs - column);
    const int64_t padded = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
    std::byte* to = packed + panel * layout.panel_bytes;
    for (int64_t k = 0; k < layout.inputs; k += kBlockInputs) {
      const int64_t inputs = std::min(kBlockInputs, layout.inputs - k);
      const std::byte* const rows = reader.Read(k, inputs, column, columns);
      // An odd K ends with half a pair.
      for (int64_t i = 0; i < inputs; i += group, to += padded * group * size) {
        const std::byte* const row = rows + i * kBlockColumns * size;
        if (group == 2) {
          WritePairs(row, padded, to);
        } else {
          std::copy_n(row, padded * size, to);
        }
      }
    }
  }
}

void CopyPlainFloats(const PanelLayout& layout, const FloatWeightsSource& source, int64_t k_begin,
                     int64_t k_end, std::byte* plain) noexcept {
  const int64_t size = DataTypeSize(layout.type);
  BlockReader reader(source, layout.type);
  for (int64_t k = k_begin; k < k_end; k += kBlockInputs) {
    const int64_t inputs = std::min(kBlockInputs, k_end - k);
    for (int64_t column = 0; column < layout.outputs; column += kBlockColumns) {
      const int64_t columns = std::min(kBlockColumns, layout.outputs - column);
      const std::byte* const rows = reader.Read(k, inputs, column, columns);
      for (int64_t i = 0; i < inputs; ++i) {
        std::copy_n(rows + i * kBlockColumns * size, columns * size,
                    plain + ((k + i) * layout.outputs + column) * size);
      }
    }
  }
}

}  // namespace qforge::pack
