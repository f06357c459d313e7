#include "pack/packed_matrix.h"

#include <cstdlib>

namespace qforge::pack {

int64_t Magnitude(const PackedMatrix& matrix, int64_t column) noexcept {
  if (!matrix.magnitudes.empty()) return matrix.magnitudes[static_cast<size_t>(column)];
  const PanelLayout& layout = matrix.layout;
  const int64_t product = column / layout.outputs;
  const int64_t j = column % layout.outputs;
  const int32_t zero_point =
      matrix.zero_points.empty() ? 0 : matrix.zero_points[static_cast<size_t>(column)];
  const int8_t* first = matrix.weights.As<int8_t>();
  // Steps from k to k + 1 inside a group, and from group to group; the plain matrix is groups of 1.
  int64_t group_size = 1, step = layout.outputs;
  if (layout.isa == Isa::kScalar) {
    first += product * layout.inputs * layout.outputs + j;
  } else {
    const int64_t panel = j / layout.panel_columns();
    group_size = layout.group_size;
    step = int64_t{layout.VectorsOf(panel)} * layout.vector_columns * group_size;
    first += layout.PanelOffset(product, panel) + j % layout.panel_columns() * group_size;
  }
  int64_t sum = 0;
  for (int64_t k = 0; k < layout.inputs; ++k) {
    sum += std::abs(first[k / group_size * step + k % group_size] - zero_point);
  }
  return sum;
}

}  // namespace qforge::pack
