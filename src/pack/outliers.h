// Weights that a panel of s8 cannot hold, or shall not.
#ifndef QFORGE_PACK_OUTLIERS_H_
#define QFORGE_PACK_OUTLIERS_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "qforge/sparse_weights.h"

namespace qforge::pack {

// s16 weights that are added to those of 4 consecutive k, which lie within the row.
struct WideGroup {
  int32_t offset = 0;            // bytes from the row's start: the first k
  std::vector<int16_t> weights;  // columns x 4
};

// Some neighbouring columns of a matrix.
struct ColumnRange {
  int64_t begin = 0;
  int columns = 0;  // of the panel; the matrix may have fewer
  int64_t end = 0;  // behind the matrix's last one
};

// `groups` holds for each 4 k and each of the columns their 4 s8 weights, with zeros beyond
// `inputs`, which is at least 4. Adds the entries of `sparse` in these columns and inputs to them,
// and returns what is left over because it does not fit into `bits` bits, 2 to 8. Throws
// std::bad_alloc.
std::vector<WideGroup> TakeOutliers(const SparseWeights& sparse, const ColumnRange& range,
                                    int64_t inputs, int bits, int8_t* groups);

// A section of wide groups. Moves are counted from `position` bytes behind the start of a row;
// returns where the last one ends. Adds the section's bytes to `out`. Throws std::bad_alloc.
int64_t PackWideSection(int columns, int vector_columns, int64_t position,
                        const std::vector<WideGroup>& wide_groups, std::vector<std::byte>* out);

// Sections for each vector of a panel of Summation::kDot, whose other groups end `position` bytes
// behind the start of a row.
void PackOutlierSections(int columns, int vector_columns, int64_t position,
                         const std::vector<WideGroup>& wide_groups, std::vector<std::byte>* out);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_OUTLIERS_H_
