#include "pack/unpack.h"

#include <algorithm>
#include <cstring>

#include "base/arithmetic.h"
#include "pack/panel_sections.h"

namespace qforge::pack {
namespace {

constexpr int64_t kPlainColumns = 64;

// Groups of which all columns are read before the next: a column gets a cache line or so at a time.
constexpr int64_t kBlockGroups = 16;

// No sum of a column leaves int32, and so no weight comes near it.
[[nodiscard]] bool Add(int32_t weight, int32_t* to) { return base::CheckedAdd(*to, weight, to); }

}  // namespace

Unpacker::Unpacker(const PackedMatrix& matrix) : matrix_(matrix) {
  const PanelLayout& layout = matrix.layout;
  const bool plain = layout.isa == Isa::kScalar;
  block_columns_ = plain ? kPlainColumns : layout.panel_columns();
  blocks_ = plain ? base::CeilDiv(layout.outputs, kPlainColumns) : layout.panels;
  padded_inputs_ = plain ? layout.inputs : layout.k_groups * layout.group_size;
  weights_.resize(static_cast<size_t>(
      padded_inputs_ * std::min(block_columns_, plain ? layout.outputs : layout.padded_outputs())));
}

int64_t Unpacker::columns(int64_t block) const {
  return std::min(block_columns_, matrix_.layout.outputs - first_column(block));
}

int64_t Unpacker::padded_columns(int64_t block) const {
  const PanelLayout& layout = matrix_.layout;
  if (layout.isa == Isa::kScalar) return columns(block);
  return int64_t{layout.VectorsOf(block)} * layout.vector_columns;
}

bool Unpacker::Unpack(int64_t product, int64_t block) {
  const PanelLayout& layout = matrix_.layout;
  std::fill(weights_.begin(), weights_.end(), 0);
  if (layout.isa == Isa::kScalar) {
    AddPlain(product, block);
    return AddPlainOutliers(product, block);
  }
  if (layout.summation != kernels::Summation::kNarrow) AddDense(product, block);
  const bool has_sections = layout.summation == kernels::Summation::kNarrow || layout.outliers;
  return !has_sections || AddSections(product, block);
}

void Unpacker::AddPlain(int64_t product, int64_t block) {
  const PanelLayout& layout = matrix_.layout;
  const int8_t* row =
      matrix_.weights.As<int8_t>() + product * layout.inputs * layout.outputs + first_column(block);
  for (int64_t k = 0; k < layout.inputs; ++k, row += layout.outputs) {
    for (int64_t j = 0; j < columns(block); ++j) {
      weights_[static_cast<size_t>(j * padded_inputs_ + k)] = row[j];
    }
  }
}

bool Unpacker::AddPlainOutliers(int64_t product, int64_t block) {
  if (matrix_.outlier_offsets.empty()) return true;
  for (int64_t j = 0; j < columns(block); ++j) {
    const size_t column =
        static_cast<size_t>(product * matrix_.layout.outputs + first_column(block) + j);
    for (int64_t e = matrix_.outlier_offsets[column]; e < matrix_.outlier_offsets[column + 1];
         ++e) {
      const size_t entry = static_cast<size_t>(e);
      const int64_t at = j * padded_inputs_ + matrix_.outlier_rows[entry];
      if (!Add(matrix_.outlier_values[entry], &weights_[static_cast<size_t>(at)])) return false;
    }
  }
  return true;
}

void Unpacker::AddDense(int64_t product, int64_t panel) {
  const PanelLayout& layout = matrix_.layout;
  const int64_t columns = padded_columns(panel);
  const int8_t* const first = matrix_.weights.As<int8_t>() + layout.PanelOffset(product, panel);
  for (int64_t begin = 0; begin < layout.k_groups; begin += kBlockGroups) {
    const int64_t end = std::min(layout.k_groups, begin + kBlockGroups);
    for (int64_t j = 0; j < columns; ++j) {
      int32_t* to = weights_.data() + j * padded_inputs_ + begin * layout.group_size;
      for (int64_t group = begin; group < end; ++group) {
        const int8_t* from = first + (group * columns + j) * layout.group_size;
        for (int i = 0; i < layout.group_size; ++i) *to++ = from[i];
      }
    }
  }
}

bool Unpacker::AddSections(int64_t product, int64_t panel) {
  const PanelLayout& layout = matrix_.layout;
  const bool narrow = layout.summation == kernels::Summation::kNarrow;
  const int64_t begin =
      narrow ? matrix_.panel_offsets[static_cast<size_t>(product * layout.panels + panel)]
             : layout.PanelOffset(product, panel);
  PanelSections sections;
  if (!ReadPanelSections(matrix_, panel, begin, static_cast<int64_t>(matrix_.weights.size()),
                         &sections)) {
    return false;
  }
  constexpr int kGroup = 4;
  const int lanes = layout.vector_columns;
  int64_t position = sections.position;
  bool fits = true;
  for (const Section& section : sections.sections) {
    for (int64_t group = 0; group < section.groups; ++group) {
      position += section.Move(group);
      const std::byte* const from = section.weights + group * section.group_bytes();
      int32_t* const to = weights_.data() + section.first_column * padded_inputs_ + position;
      for (int64_t j = 0; j < section.columns; ++j) {
        for (int64_t i = 0; i < kGroup; ++i) {
          int32_t weight;
          if (section.wide) {
            const int64_t vector = j / lanes * 2 + i % 2;
            const int64_t place = vector * 2 * lanes + 2 * (j % lanes) + i / 2;
            int16_t value;
            std::memcpy(&value, from + place * int64_t{sizeof(value)}, sizeof(value));
            weight = value;
          } else {
            weight = static_cast<int8_t>(from[j * kGroup + i]);
          }
          fits = Add(weight, to + j * padded_inputs_ + i) && fits;
        }
      }
    }
  }
  return fits;
}

void UnpackFloats(const PackedMatrix& matrix, std::byte* plain) {
  const PanelLayout& layout = matrix.layout;
  const int64_t size = DataTypeSize(layout.type);
  if (layout.isa == Isa::kScalar) {
    if (matrix.weights.size() != 0) {
      std::memcpy(plain, matrix.weights.data(), matrix.weights.size());
    }
    return;
  }
  for (int64_t product = 0; product < layout.products; ++product) {
    std::byte* const to = plain + product * layout.inputs * layout.outputs * size;
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
      const int64_t first = panel * layout.panel_columns();
      const int64_t padded = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
      const int64_t columns = std::min(padded, layout.outputs - first);
      const std::byte* from = matrix.weights.data() + layout.PanelOffset(product, panel);
      for (int64_t k = 0; k < layout.inputs; ++k) {
        const std::byte* const group =
            from + k / layout.group_size * padded * layout.group_size * size;
        for (int64_t j = 0; j < columns; ++j) {
          std::memcpy(to + (k * layout.outputs + first + j) * size,
                      group + (j * layout.group_size + k % layout.group_size) * size,
                      static_cast<size_t>(size));
        }
      }
    }
  }
}

}  // namespace qforge::pack
