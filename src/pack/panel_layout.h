// Where each weight of a packed matrix stands. See kernels/gemm_kernel.h for the panels themselves.
#ifndef QFORGE_PACK_PANEL_LAYOUT_H_
#define QFORGE_PACK_PANEL_LAYOUT_H_

#include <cstdint>

#include "kernels/gemm_kernel.h"
#include "qforge/isa.h"
#include "qforge/types.h"

namespace qforge::pack {

// A pure function of ISA and sizes, see MakePanelLayout(). "Group of k" and "group" of a grouped
// product are different things; the latter is `product` here. All products have the same layout.
struct PanelLayout {
  Isa isa = Isa::kScalar;
  DataType type = DataType::kS8;  // or kF32, kF16, kBF16
  int64_t inputs = 0;             // K
  int64_t outputs = 0;            // N
  int64_t products = 1;           // G
  kernels::Summation summation = kernels::Summation::kDot;
  int depth = 0;          // kNarrow: groups of a step
  bool outliers = false;  // kDot: sections of wide groups follow each panel

  int parts = 1;  // of K, for floats: see qforge/types.h

  int group_size = 0;      // consecutive k of a column
  int vector_columns = 0;  // columns of a vector
  int vectors = 0;         // of every panel but possibly the last of a product
  int tail_vectors = 0;    // of the last panel
  int tail_lanes = 0;      // columns of the last panel's last vector; 0: all
  int64_t k_groups = 0;    // ceil(K / group_size)
  int64_t panels = 0;      // per product
  // Of every panel but possibly the last. With kNarrow, whose panels differ, of the largest; they
  // are where PackedMatrix::panel_offsets says.
  int64_t panel_bytes = 0;
  int64_t product_bytes = 0;

  int64_t panel_columns() const { return int64_t{vectors} * vector_columns; }
  // Columns of a product rounded up to whole vectors: the stride of per-column arrays.
  int64_t padded_outputs() const {
    return panels == 0 ? 0
                       : (panels - 1) * panel_columns() + int64_t{tail_vectors} * vector_columns;
  }
  int VectorsOf(int64_t panel) const { return panel == panels - 1 ? tail_vectors : vectors; }
  int64_t PanelOffset(int64_t product, int64_t panel) const {
    return product * product_bytes + panel * panel_bytes;
  }
  int64_t bytes() const { return products * product_bytes; }
};

// `isa` is not kScalar; sizes are >= 0 and so small that bytes() does not overflow: with
// CheckedMultiply, (K + 4) * (N + 64) * G must fit. Where panels have sections, whose sizes depend
// on the weights, panels are as they are before that.
PanelLayout MakePanelLayout(Isa isa, kernels::Summation summation, int64_t inputs, int64_t outputs,
                            int64_t products, int depth = 0);

// The same for floats of `type`; see kernels/float_gemm_kernel.h for the panels. With
// CheckedMultiply, 4 * (K + 4) * (N + 64) * G must fit.
PanelLayout MakeFloatPanelLayout(Isa isa, DataType type, int64_t inputs, int64_t outputs,
                                 int64_t products);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_PANEL_LAYOUT_H_
