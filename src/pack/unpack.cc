#include "pack/unpack.h"

#include <algorithm>
#include <cstring>

#include "base/arithmetic.h"
#include "pack/panel_sections.h"

namespace qforge::pack {
namespace {

constexpr int64_t kPlainColumns = 64;

// Inputs of which all columns are read before the next: a column gets a cache line at a time.
constexpr int64_t kBlockInputs = 16;

void Add(int32_t weight, int32_t* to) {
  *to = static_cast<int32_t>(static_cast<uint32_t>(*to) + static_cast<uint32_t>(weight));
}

// Adds a group of s8 to `to`, whose columns are `stride` apart.
void AddBytes(const std::byte* from, int64_t columns, int32_t* to, int64_t stride) {
  for (int64_t j = 0; j < columns; ++j, from += 4, to += stride) {
    for (int i = 0; i < 4; ++i) Add(static_cast<int8_t>(from[i]), to + i);
  }
}

// The same of s16, see kernels/gemm_kernel.h; `lanes` columns of a vector.
void AddWide(const std::byte* from, int64_t columns, int lanes, int32_t* to, int64_t stride) {
  for (int64_t j = 0; j < columns; ++j, to += stride) {
    for (int64_t i = 0; i < 4; ++i) {
      const int64_t vector = j / lanes * 2 + i % 2;
      const int64_t place = vector * 2 * lanes + 2 * (j % lanes) + i / 2;
      int16_t weight;
      std::memcpy(&weight, from + place * int64_t{sizeof(weight)}, sizeof(weight));
      Add(weight, to + i);
    }
  }
}

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

void Unpacker::Unpack(int64_t product, int64_t block) {
  const PanelLayout& layout = matrix_.layout;
  if (layout.isa == Isa::kScalar) {
    SetPlain(product, block);
    if (!matrix_.outlier_offsets.empty()) AddPlainOutliers(product, block);
    return;
  }
  if (layout.summation == kernels::Summation::kNarrow) {
    std::fill(weights_.begin(), weights_.end(), 0);
    AddSections(product, block);
    return;
  }
  layout.group_size == 2 ? SetDense<2>(product, block) : SetDense<4>(product, block);
  if (layout.outliers) AddSections(product, block);
}

void Unpacker::SetPlain(int64_t product, int64_t block) {
  const PanelLayout& layout = matrix_.layout;
  const int8_t* const first =
      matrix_.weights.As<int8_t>() + product * layout.inputs * layout.outputs + first_column(block);
  for (int64_t begin = 0; begin < layout.inputs; begin += kBlockInputs) {
    const int64_t end = std::min(layout.inputs, begin + kBlockInputs);
    for (int64_t j = 0; j < columns(block); ++j) {
      int32_t* const column = weights_.data() + j * padded_inputs_;
      for (int64_t k = begin; k < end; ++k) column[k] = first[k * layout.outputs + j];
    }
  }
}

void Unpacker::AddPlainOutliers(int64_t product, int64_t block) {
  for (int64_t j = 0; j < columns(block); ++j) {
    const size_t column =
        static_cast<size_t>(product * matrix_.layout.outputs + first_column(block) + j);
    for (int64_t e = matrix_.outlier_offsets[column]; e < matrix_.outlier_offsets[column + 1];
         ++e) {
      const size_t entry = static_cast<size_t>(e);
      Add(matrix_.outlier_values[entry],
          weights_.data() + j * padded_inputs_ + matrix_.outlier_rows[entry]);
    }
  }
}

template <int kGroup>
void Unpacker::SetDense(int64_t product, int64_t panel) {
  const PanelLayout& layout = matrix_.layout;
  constexpr int64_t kBlockGroups = kBlockInputs / kGroup;
  const int64_t columns = padded_columns(panel);
  const int8_t* const first = matrix_.weights.As<int8_t>() + layout.PanelOffset(product, panel);
  for (int64_t begin = 0; begin < layout.k_groups; begin += kBlockGroups) {
    const int64_t end = std::min(layout.k_groups, begin + kBlockGroups);
    for (int64_t j = 0; j < columns; ++j) {
      int32_t* to = weights_.data() + j * padded_inputs_ + begin * kGroup;
      for (int64_t group = begin; group < end; ++group, to += kGroup) {
        const int8_t* const from = first + (group * columns + j) * kGroup;
        for (int i = 0; i < kGroup; ++i) to[i] = from[i];
      }
    }
  }
}

void Unpacker::AddSections(int64_t product, int64_t panel) {
  const PanelLayout& layout = matrix_.layout;
  const bool narrow = layout.summation == kernels::Summation::kNarrow;
  const int64_t begin =
      narrow ? matrix_.panel_offsets[static_cast<size_t>(product * layout.panels + panel)]
             : layout.PanelOffset(product, panel);
  PanelSections sections;
  ReadPanelSections(matrix_, panel, begin, static_cast<int64_t>(matrix_.weights.size()), &sections);
  int64_t position = sections.position;
  for (const Section& section : sections.sections) {
    int32_t* const first = weights_.data() + section.first_column * padded_inputs_;
    const std::byte* from = section.weights;
    for (int64_t group = 0; group < section.groups; ++group, from += section.group_bytes()) {
      position += section.Move(group);
      if (section.wide) {
        AddWide(from, section.columns, layout.vector_columns, first + position, padded_inputs_);
      } else {
        AddBytes(from, section.columns, first + position, padded_inputs_);
      }
    }
  }
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
