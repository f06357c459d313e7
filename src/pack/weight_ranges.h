// Where in a packed matrix the weights themselves are, for those who put faults there.
#ifndef QFORGE_PACK_WEIGHT_RANGES_H_
#define QFORGE_PACK_WEIGHT_RANGES_H_

#include <cstdint>
#include <vector>

#include "pack/packed_matrix.h"

namespace qforge::pack {

struct ByteRange {
  int64_t begin = 0;
  int64_t end = 0;
};

// Everything but the headers of sections, which say what of A belongs to a group, and gaps between
// panels. Throws std::bad_alloc.
std::vector<ByteRange> WeightRanges(const PackedMatrix& matrix);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_WEIGHT_RANGES_H_
