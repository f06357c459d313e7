#include "pack/weight_ranges.h"

#include <cstring>

#include "kernels/gemm_kernel.h"

namespace qforge::pack {
namespace {

// Adds the weights of the section at `at`, and gives what is behind it.
int64_t AddSection(const PackedMatrix& matrix, int64_t at, int64_t groups_per_item,
                   int64_t group_bytes, std::vector<ByteRange>* ranges) {
  kernels::SectionHeader header;
  std::memcpy(&header, matrix.weights.data() + at, sizeof(header));
  const int64_t begin = at + header.weights_from;
  const int64_t end = begin + header.count * groups_per_item * group_bytes;
  if (end > begin) ranges->push_back({begin, end});
  return end;
}

}  // namespace

std::vector<ByteRange> WeightRanges(const PackedMatrix& matrix) {
  // A wide group holds two vectors of s16 for each vector of columns.
  constexpr int64_t kWideColumnBytes = 8;
  const PanelLayout& layout = matrix.layout;
  std::vector<ByteRange> ranges;
  if (layout.isa == Isa::kScalar) return {{0, static_cast<int64_t>(matrix.weights.size())}};
  for (int64_t product = 0; product < layout.products; ++product) {
    for (int64_t panel = 0; panel < layout.panels; ++panel) {
      const int64_t columns = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
      if (layout.summation == kernels::Summation::kNarrow) {
        const size_t index = static_cast<size_t>(product * layout.panels + panel);
        const int64_t wide = AddSection(matrix, matrix.panel_offsets[index], layout.depth,
                                        columns * layout.group_size, &ranges);
        AddSection(matrix, wide, 1, columns * kWideColumnBytes, &ranges);
        continue;
      }
      const int64_t begin = layout.PanelOffset(product, panel);
      int64_t end = begin + layout.k_groups * columns * layout.group_size;
      ranges.push_back({begin, end});
      if (!layout.outliers) continue;
      for (int vector = 0; vector < layout.VectorsOf(panel); ++vector) {
        end = AddSection(matrix, end, 1, layout.vector_columns * kWideColumnBytes, &ranges);
      }
    }
  }
  return ranges;
}

}  // namespace qforge::pack
