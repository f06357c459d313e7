// Packs weights for sums of 16 bits, if that is worth it.
#ifndef QFORGE_OPS_NARROW_PACKING_H_
#define QFORGE_OPS_NARROW_PACKING_H_

#include "ops/weights_packing.h"
#include "pack/packed_matrix.h"
#include "qforge/status.h"

namespace qforge {

// Fills layout, weights, sums, magnitudes and shares of `matrix`, by its zero-points and
// activation_maximum, sums and magnitudes without outliers; true. Or leaves it as it is, false:
// where the cost model (plan/summation.h) expects the widened product to be faster, which knows no
// outliers. Throws std::bad_alloc.
Result<bool> PackNarrow(const PackingRequest& request, pack::PackedMatrix* matrix);

}  // namespace qforge

#endif  // QFORGE_OPS_NARROW_PACKING_H_
