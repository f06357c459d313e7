// The 16 centres of a row: codebook4.
#ifndef QFORGE_OPS_EMBEDDING_QUANTIZE_CENTRES_H_
#define QFORGE_OPS_EMBEDDING_QUANTIZE_CENTRES_H_

#include <cstdint>

#include "kernels/table_quantize.h"
#include "ops/embedding_quantize_rows.h"
#include "qforge/half.h"

namespace qforge {

// A codebook with the centres that f16 can store, of 16 ascending ones. `stored` takes their bits.
kernels::Codebook MakeCodebook(const double* centres, Half* stored) noexcept;

// k-means in one dimension, solved exactly: of all ways to cut the sorted values into 16 clusters,
// the one with the least sum of squared distances to the means, by dynamic programming over
// (clusters, values). That the best start of the last cluster does not go back when a value is
// added makes it O(16 d log d). Lloyd's algorithm was rejected: on normal rows of 64 its local
// optima lose a third more. Belongs to one thread.
class CentreFinder {
 public:
  CentreFinder(int64_t columns, MemoryCutter& memory);

  // Rows of at most 16 different values get them as they are.
  kernels::Codebook Find(const float* row, int64_t count, Half* stored) noexcept;

 private:
  double Cost(int32_t begin, int32_t end) const noexcept;
  void FindStarts(int cluster, int32_t first, int32_t last, int32_t first_start,
                  int32_t last_start) noexcept;
  int32_t& Start(int cluster, int32_t end) noexcept {
    return starts_[static_cast<int64_t>(cluster) * stride_ + end];
  }

  const int64_t stride_;  // columns + 1
  float* const sorted_;
  double* const sums_;  // of the first values, which have been shifted
  double* const squares_;
  double* const inverses_;  // 1 / i
  double* costs_;           // of the first values, by as many clusters as have been looked at
  double* previous_costs_;
  int32_t* const starts_;  // of the last cluster
};

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_QUANTIZE_CENTRES_H_
