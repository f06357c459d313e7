#include "pack/panel_layout.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace qforge::pack {

PanelLayout MakePanelLayout(Isa isa, kernels::Summation summation, int64_t inputs, int64_t outputs,
                            int64_t products, int depth) {
  PanelLayout layout;
  layout.isa = isa;
  layout.inputs = inputs;
  layout.outputs = outputs;
  layout.products = products;
  layout.summation = summation;
  layout.depth = depth;
  layout.group_size = kernels::GroupSize(summation);
  layout.vector_columns = kernels::VectorColumns(isa);
  layout.k_groups = base::CeilDiv<int64_t>(inputs, layout.group_size);
  const int64_t all_vectors = base::CeilDiv<int64_t>(outputs, layout.vector_columns);
  layout.vectors = static_cast<int>(
      std::clamp<int64_t>(all_vectors, 1, kernels::MaxVectors(isa, summation, depth)));
  layout.panels = base::CeilDiv<int64_t>(all_vectors, layout.vectors);
  layout.tail_vectors =
      static_cast<int>(layout.panels == 0 ? 0 : all_vectors - (layout.panels - 1) * layout.vectors);
  layout.tail_lanes = static_cast<int>(outputs % layout.vector_columns);
  const int64_t vector_bytes = layout.k_groups * layout.vector_columns * layout.group_size;
  layout.panel_bytes = vector_bytes * layout.vectors;
  layout.product_bytes = vector_bytes * all_vectors;
  return layout;
}

}  // namespace qforge::pack
