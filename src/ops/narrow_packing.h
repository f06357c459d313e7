// Packs weights for sums of 16 bits, if that is worth it.
#ifndef QFORGE_OPS_NARROW_PACKING_H_
#define QFORGE_OPS_NARROW_PACKING_H_

#include <cstdint>
#include <vector>

#include "pack/pack_panels.h"
#include "pack/packed_matrix.h"
#include "qforge/status.h"

namespace qforge {

// Fills layout, weights and shares of `matrix`, its sums and magnitudes; true. Or leaves it as it
// is, false: where the cost model (plan/summation.h) expects the widened product to be faster.
// `sources` are the products' weights. Needs matrix->zero_points. Throws std::bad_alloc.
Result<bool> PackNarrow(Isa isa, const std::vector<pack::WeightsSource>& sources, int64_t inputs,
                        int64_t outputs, int32_t activation_maximum, pack::PackedMatrix* matrix);

}  // namespace qforge

#endif  // QFORGE_OPS_NARROW_PACKING_H_
