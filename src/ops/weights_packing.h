// Brings the weights of an operation into the form of an ISA's kernels.
#ifndef QFORGE_OPS_WEIGHTS_PACKING_H_
#define QFORGE_OPS_WEIGHTS_PACKING_H_

#include <cstdint>
#include <vector>

#include "pack/pack_panels.h"
#include "pack/packed_matrix.h"
#include "qforge/isa.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"

namespace qforge {

// Kernels read groups of 4 k where there are outliers, and nothing behind a row.
inline constexpr int64_t kFewestOutlierInputs = 4;

// Sections of a panel name places in a row by differences of 32 bits.
inline constexpr int64_t kMostSectionInputs = int64_t{1} << 30;

inline constexpr int kFewestMainBits = 2;

struct PackingRequest {
  Isa isa = Isa::kScalar;
  std::vector<pack::WeightsSource> sources;  // one per product
  int64_t inputs = 0;                        // K
  int64_t outputs = 0;                       // N
  SparseWeights outliers;                    // valid, or empty
  int main_bits = 8;                         // 0: chosen by the cost model

  bool has_outliers() const { return !outliers.column_offsets.empty(); }
  int64_t products() const { return static_cast<int64_t>(sources.size()); }
};

// See PackedWeightsOptions::outlier_density.
int NarrowestMainBits(const PackingRequest& request, double density);

// Fills layout, weights, sums, magnitudes and outliers of `matrix`, by its zero-points,
// accumulation and activation_maximum. Throws std::bad_alloc.
Status PackWeights(const PackingRequest& request, pack::PackedMatrix* matrix);

}  // namespace qforge

#endif  // QFORGE_OPS_WEIGHTS_PACKING_H_
