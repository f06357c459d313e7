#include "pack/panel_sections.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "pack/section_writer.h"

namespace qforge::pack {
namespace {

using kernels::SectionHeader;
using kernels::Summation;

// Reads the section at *at, whose items are `depth` groups each, and sets *at to what is behind it.
bool ReadSection(const PackedMatrix& matrix, int64_t depth, int64_t end, int64_t* at,
                 Section* section) {
  SectionHeader header;
  if (end - *at < int64_t{sizeof(header)}) return false;
  std::memcpy(&header, matrix.weights.data() + *at, sizeof(header));
  const int64_t room = end - *at;
  // Each group takes more than a byte, so that nothing below leaves int64.
  if (header.count < 0 || header.count > room / depth) return false;
  section->groups = header.count * depth;
  const int64_t vector_bytes = int64_t{matrix.layout.vector_columns} * kGroupSize;
  const int64_t weights_from = base::AlignUp<int64_t>(
      int64_t{sizeof(header)} + section->groups * int64_t{sizeof(int32_t)}, vector_bytes);
  if (header.weights_from != weights_from || weights_from > room ||
      section->groups > (room - weights_from) / section->group_bytes()) {
    return false;
  }
  section->moves = matrix.weights.data() + *at + sizeof(header);
  section->weights = matrix.weights.data() + *at + weights_from;
  *at += weights_from + section->groups * section->group_bytes();
  return true;
}

}  // namespace

bool ReadPanelSections(const PackedMatrix& matrix, int64_t panel, int64_t begin, int64_t end,
                       PanelSections* panel_sections) {
  const PanelLayout& layout = matrix.layout;
  const int vectors = layout.VectorsOf(panel);
  std::vector<Section>& sections = panel_sections->sections;
  sections.clear();
  panel_sections->position = 0;
  panel_sections->end = begin;
  int64_t* const at = &panel_sections->end;
  if (layout.summation == Summation::kNarrow) {
    for (const bool wide : {false, true}) {
      Section& section = sections.emplace_back();
      section.columns = vectors * layout.vector_columns;
      section.wide = wide;
      if (!ReadSection(matrix, wide ? 1 : layout.depth, end, at, &section)) return false;
    }
    return true;
  }
  const int64_t dense_bytes = layout.k_groups * vectors * layout.vector_columns * layout.group_size;
  if (dense_bytes > end - begin) return false;
  panel_sections->position = base::AlignDown<int64_t>(layout.inputs, layout.group_size);
  *at += dense_bytes;
  for (int vector = 0; vector < vectors; ++vector) {
    Section& section = sections.emplace_back();
    section.first_column = vector * layout.vector_columns;
    section.columns = layout.vector_columns;
    section.wide = true;
    if (!ReadSection(matrix, 1, end, at, &section)) return false;
  }
  return true;
}

bool GroupsLieInRow(const PanelLayout& layout, const PanelSections& sections) {
  int64_t position = sections.position;
  for (const Section& section : sections.sections) {
    for (int64_t group = 0; group < section.groups; ++group) {
      position += section.Move(group);
      if (position < 0 || position > layout.inputs - kGroupSize) return false;
    }
  }
  return true;
}

bool FindPanels(PackedMatrix* matrix) {
  PanelLayout& layout = matrix->layout;
  const int64_t bytes = static_cast<int64_t>(matrix->weights.size());
  const bool narrow = layout.summation == Summation::kNarrow;
  // Panels of equal size, or such that differ and stand next to each other.
  const int64_t pieces = narrow ? layout.products : layout.products * layout.panels;
  const int64_t piece = bytes / pieces;
  if (piece * pieces != bytes || piece % int64_t{base::AlignedBuffer::kAlignment} != 0) {
    return false;
  }
  layout.product_bytes = narrow ? piece : piece * layout.panels;
  layout.panel_bytes = narrow ? 0 : piece;
  PanelSections sections;
  for (int64_t product = 0; product < layout.products; ++product) {
    int64_t at = product * layout.product_bytes;
    const int64_t product_end = at + layout.product_bytes;
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
      const int64_t end = narrow ? product_end : at + piece;
      if (!ReadPanelSections(*matrix, panel, at, end, &sections) ||
          !GroupsLieInRow(layout, sections)) {
        return false;
      }
      if (!narrow) {
        at = end;
        continue;
      }
      // No k is left out, so that K is no more than the bytes can hold.
      if (sections.sections[0].groups + sections.sections[1].groups < layout.k_groups) return false;
      matrix->panel_offsets.push_back(at);
      layout.panel_bytes = std::max(layout.panel_bytes, sections.end - at);
      at = sections.end;
    }
  }
  return true;
}

bool StepsFit(const PanelLayout& layout, const PanelSections& sections, int64_t largest_sum) {
  const Section& section = sections.sections[0];
  const int64_t sums = 2 * int64_t{section.columns};  // two of a column, of two weights each
  for (int64_t group = 0; group < section.groups; group += layout.depth) {
    const int8_t* const step =
        reinterpret_cast<const int8_t*>(section.weights) + group * section.group_bytes();
    for (int64_t i = 0; i < sums; ++i) {
      int64_t positive = 0, negative = 0;
      for (int64_t at = 2 * i; at < layout.depth * section.group_bytes();
           at += section.group_bytes()) {
        for (const int weight : {step[at], step[at + 1]}) {
          (weight > 0 ? positive : negative) += weight;
        }
      }
      if (positive > largest_sum || -negative > largest_sum) return false;
    }
  }
  return true;
}

}  // namespace qforge::pack
