#include "peers/fbgemm_sparse.h"

#include <fbgemm/FbgemmI8Spmdm.h>

#include <utility>
#include <vector>

namespace qforge::bench {

SparseParty MakeFbgemmSparse(std::shared_ptr<const SparseProblem> problem, bool accumulate) {
  const int m = static_cast<int>(problem->shape.m);
  const int n = static_cast<int>(problem->shape.n);
  const int k = static_cast<int>(problem->shape.k);
  const auto weights = std::make_shared<fbgemm::CompressedSparseColumn>(k, n);
  weights->ColPtr().assign(problem->column_offsets.begin(), problem->column_offsets.end());
  weights->RowIdx().assign(problem->row_indices.begin(), problem->row_indices.end());
  weights->Values() = problem->values;
  SparseParty party;
  party.output = std::make_shared<std::vector<int32_t>>(static_cast<size_t>(m) * n);
  party.work = [problem, weights, accumulate, m, n, k, output = party.output](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      weights->SpMDM({0, m, 0, n}, problem->input.data(), k, accumulate, output->data(), n);
    }
  };
  return party;
}

}  // namespace qforge::bench
