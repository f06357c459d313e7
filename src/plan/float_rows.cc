#include "plan/float_rows.h"

#include <algorithm>

#include "base/arithmetic.h"

namespace qforge::plan {

using base::CeilDiv;

int64_t FloatBlockBytes(int64_t weight_bytes, int64_t l2_bytes, int64_t l3_bytes, int threads) {
  // So that A stays in the second-level cache while panels pass by.
  if (weight_bytes <= l3_bytes / 2) return l2_bytes / 2;
  // Weights that come from memory are the worse the more often they come. A tile of 12 rows reads
  // almost three times as many bytes of them as of A, which may well come from the third level.
  return std::max(l2_bytes / 2, std::min(4 * l2_bytes, l3_bytes / 4 / threads));
}

int64_t FloatBlockRows(int64_t rows, int64_t row_bytes, int64_t block_bytes, int64_t fewest) {
  const int64_t most = std::max(fewest, block_bytes / std::max<int64_t>(1, row_bytes));
  return rows <= most ? rows : CeilDiv(rows, CeilDiv(rows, most));
}

bool RowsShareSets(int64_t stride) {
  constexpr int64_t kSetStride = 4096;
  return stride % kSetStride == 0;
}

bool ShouldSpreadRows(int64_t rows, int64_t panels) {
  constexpr int64_t kFewestRows = 8;
  constexpr int64_t kFewestPanels = 32;
  return rows >= kFewestRows && panels >= kFewestPanels;
}

}  // namespace qforge::plan
