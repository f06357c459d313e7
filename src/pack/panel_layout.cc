#include "pack/panel_layout.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "base/float_product.h"
#include "kernels/float_gemm_kernel.h"

namespace qforge::pack {

namespace {

// Cuts columns into panels of at most `most_vectors` vectors. `layout` has its sizes, group_size
// and k_groups; a column has `group_bytes` in a group.
void CutIntoPanels(int most_vectors, int64_t group_bytes, PanelLayout* layout) {
  layout->vector_columns = kernels::VectorColumns(layout->isa);
  const int64_t all_vectors = base::CeilDiv<int64_t>(layout->outputs, layout->vector_columns);
  layout->vectors = static_cast<int>(std::clamp<int64_t>(all_vectors, 1, most_vectors));
  layout->panels = base::CeilDiv<int64_t>(all_vectors, layout->vectors);
  layout->tail_vectors = static_cast<int>(
      layout->panels == 0 ? 0 : all_vectors - (layout->panels - 1) * layout->vectors);
  layout->tail_lanes = static_cast<int>(layout->outputs % layout->vector_columns);
  const int64_t vector_bytes = layout->k_groups * layout->vector_columns * group_bytes;
  layout->panel_bytes = vector_bytes * layout->vectors;
  layout->product_bytes = vector_bytes * all_vectors;
}

}  // namespace

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
  layout.k_groups = base::CeilDiv<int64_t>(inputs, layout.group_size);
  CutIntoPanels(kernels::MaxVectors(isa, summation, depth), layout.group_size, &layout);
  return layout;
}

PanelLayout MakeFloatPanelLayout(Isa isa, DataType type, int64_t inputs, int64_t outputs,
                                 int64_t products) {
  PanelLayout layout;
  layout.isa = isa;
  layout.type = type;
  layout.inputs = inputs;
  layout.outputs = outputs;
  layout.products = products;
  layout.parts = base::PartsOfFloatProduct(inputs, outputs);
  layout.group_size = type == DataType::kBF16 ? 2 : 1;
  layout.k_groups = base::CeilDiv<int64_t>(inputs, layout.group_size);
  if (isa != Isa::kScalar) {
    CutIntoPanels(kernels::kMostFloatVectors, layout.group_size * DataTypeSize(type), &layout);
  }
  return layout;
}

}  // namespace qforge::pack
