// Brings a float weight matrix into panels.
#ifndef QFORGE_PACK_FLOAT_PANELS_H_
#define QFORGE_PACK_FLOAT_PANELS_H_

#include <cstdint>

#include "kernels/array_kernels.h"
#include "pack/panel_layout.h"
#include "qforge/packed_weights.h"
#include "qforge/views.h"

namespace qforge::pack {

// One product's weights as the caller gives them: K x N or N x K of f32, f16 or bf16.
struct FloatWeightsSource {
  InputMatrix matrix;
  WeightsLayout order = WeightsLayout::kInputsByOutputs;
  bool clip_to_finite = false;
  // Needed where the panels are of another type, or values are clipped: from the source's 16 bits,
  // and to the panels', clipped if values are.
  kernels::ToF32Function* to_f32 = nullptr;
  kernels::FromF32Function* from_f32 = nullptr;
};

// Fills panels [panel_begin, panel_end) of one product; `packed` is the product's first byte. What
// lies beyond K and N is filled with zeros.
void PackFloatPanels(const PanelLayout& layout, const FloatWeightsSource& source,
                     int64_t panel_begin, int64_t panel_end, std::byte* packed) noexcept;

// Rows [k_begin, k_end) of the plain K x N matrix that the portable path reads, whose first byte is
// `plain`.
void CopyPlainFloats(const PanelLayout& layout, const FloatWeightsSource& source, int64_t k_begin,
                     int64_t k_end, std::byte* plain) noexcept;

}  // namespace qforge::pack

#endif  // QFORGE_PACK_FLOAT_PANELS_H_
