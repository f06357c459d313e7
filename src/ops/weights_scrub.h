// Checksums of packed weights at rest.
#ifndef QFORGE_OPS_WEIGHTS_SCRUB_H_
#define QFORGE_OPS_WEIGHTS_SCRUB_H_

#include <cstdint>
#include <vector>

#include "pack/packed_matrix.h"

namespace qforge {

// Slices that so many bytes of packed weights are cut into.
int64_t WeightSliceCount(int64_t bytes);

// Fills matrix->checksums: one for each slice of the packed weights, and a last one for everything
// else that products read. Throws std::bad_alloc.
void AddChecksums(pack::PackedMatrix* matrix);
// The same where those of the weights are known, and need not agree with them.
void AddChecksums(std::vector<uint64_t> of_weights, pack::PackedMatrix* matrix);

}  // namespace qforge

#endif  // QFORGE_OPS_WEIGHTS_SCRUB_H_
