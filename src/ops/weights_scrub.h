// Checksums of packed weights at rest.
#ifndef QFORGE_OPS_WEIGHTS_SCRUB_H_
#define QFORGE_OPS_WEIGHTS_SCRUB_H_

#include "pack/packed_matrix.h"

namespace qforge {

// Fills matrix->checksums: one for each slice of the packed weights, and a last one for everything
// else that products read. Throws std::bad_alloc.
void AddChecksums(pack::PackedMatrix* matrix);

}  // namespace qforge

#endif  // QFORGE_OPS_WEIGHTS_SCRUB_H_
