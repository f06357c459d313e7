// How float products go through the rows of A.
#ifndef QFORGE_PLAN_FLOAT_ROWS_H_
#define QFORGE_PLAN_FLOAT_ROWS_H_

#include <cstdint>

namespace qforge::plan {

// How many bytes of A each of `threads` threads takes through all panels before the next ones,
// where weights take `weight_bytes`.
int64_t FloatBlockBytes(int64_t weight_bytes, int64_t l2_bytes, int64_t l3_bytes, int threads);

// The rows of such a block: blocks have nearly the same height, as each reads all weights, a short
// one as well. At most as many as `block_bytes` hold, or `fewest` if that is more.
int64_t FloatBlockRows(int64_t rows, int64_t row_bytes, int64_t block_bytes, int64_t fewest);

// Whether rows of A that lie `stride` bytes apart share one set of the first-level cache, which has
// no room for those of a tall tile and what else it needs.
bool RowsShareSets(int64_t stride);

// Whether `rows` such rows are copied apart for `panels` panels, which takes the time of some.
bool ShouldSpreadRows(int64_t rows, int64_t panels);

// The most rows of a tile of such rows where they are not.
inline constexpr int kMostRowsOfSet = 8;

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_FLOAT_ROWS_H_
