#include "ref/sparse.h"

namespace qforge::ref {

void SparseLinear(const SparseProblem& problem, int64_t begin, int64_t end) noexcept {
  const SparseWeights& weights = problem.weights;
  for (int64_t i = begin; i < end; ++i) {
    int32_t* c = problem.output.data + i * problem.output.stride;
    for (int64_t j = 0; j < weights.outputs; ++j) {
      int64_t sum = problem.accumulate ? c[j] : 0;
      for (int64_t e = weights.column_offsets[j]; e < weights.column_offsets[j + 1]; ++e) {
        const int64_t k = weights.row_indices[e];
        sum += problem.input.data[i * problem.input.stride + k] * weights.values[e];
      }
      c[j] = static_cast<int32_t>(sum);  // modulo 2^32
    }
  }
}

}  // namespace qforge::ref
