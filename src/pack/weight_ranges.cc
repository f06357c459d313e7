#include "pack/weight_ranges.h"

#include "kernels/gemm_kernel.h"
#include "pack/panel_sections.h"

namespace qforge::pack {

std::vector<ByteRange> WeightRanges(const PackedMatrix& matrix) {
  const PanelLayout& layout = matrix.layout;
  const int64_t bytes = static_cast<int64_t>(matrix.weights.size());
  const bool narrow = layout.summation == kernels::Summation::kNarrow;
  std::vector<ByteRange> ranges;
  if (layout.isa == Isa::kScalar) return {{0, bytes}};
  PanelSections sections;
  for (int64_t i = 0; i < layout.products * layout.panels; ++i) {
    const int64_t panel = i % layout.panels;
    const int64_t begin = narrow ? matrix.panel_offsets[static_cast<size_t>(i)]
                                 : layout.PanelOffset(i / layout.panels, panel);
    if (!narrow) {
      const int64_t columns = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
      ranges.push_back({begin, begin + layout.k_groups * columns * layout.group_size});
      if (!layout.outliers) continue;
    }
    ReadPanelSections(matrix, panel, begin, bytes, &sections);
    for (const Section& section : sections.sections) {
      if (section.groups == 0) continue;
      const int64_t first = section.weights - matrix.weights.data();
      ranges.push_back({first, first + section.groups * section.group_bytes()});
    }
  }
  return ranges;
}

}  // namespace qforge::pack
