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
  // Two sums of a column, of two weights of each group.
  std::vector<int16_t> positive(2 * static_cast<size_t>(section.columns)), negative(positive);
  const int8_t* weights = reinterpret_cast<const int8_t*>(section.weights);
  int largest = 0;
  for (int64_t group = 0; group < section.groups; group += layout.depth) {
    std::fill(positive.begin(), positive.end(), int16_t{0});
    std::fill(negative.begin(), negative.end(), int16_t{0});
    for (int i = 0; i < layout.depth; ++i, weights += section.group_bytes()) {
      for (size_t sum = 0; sum < positive.size(); ++sum) {
        const int16_t a = weights[2 * sum], b = weights[2 * sum + 1];
        positive[sum] = static_cast<int16_t>(positive[sum] + (a > 0 ? a : 0) + (b > 0 ? b : 0));
        negative[sum] = static_cast<int16_t>(negative[sum] - (a < 0 ? a : 0) - (b < 0 ? b : 0));
      }
    }
    largest = std::max<int>(largest, *std::max_element(positive.begin(), positive.end()));
    largest = std::max<int>(largest, *std::max_element(negative.begin(), negative.end()));
  }
  return largest <= largest_sum;
}

}  // namespace qforge::pack
