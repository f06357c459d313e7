// Which sparse weights are refused.
#ifndef QFORGE_OPS_SPARSE_VALIDATE_H_
#define QFORGE_OPS_SPARSE_VALIDATE_H_

#include "qforge/sparse_weights.h"
#include "qforge/status.h"

namespace qforge {

// The arrays describe a matrix, and no sum of a column can leave int32. `name` is what the caller
// calls the weights.
Status ValidateSparseWeights(const char* name, const SparseWeights& weights) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_SPARSE_VALIDATE_H_
