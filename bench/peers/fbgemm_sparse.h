// FBGEMM's product of u8 activations with sparse s8 weights.
#ifndef QFORGE_BENCH_PEERS_FBGEMM_SPARSE_H_
#define QFORGE_BENCH_PEERS_FBGEMM_SPARSE_H_

#include <memory>

#include "gemm/sparse_problem.h"

namespace qforge::bench {

// CompressedSparseColumn::SpMDM, as its own benchmark calls it, on one thread. It has kernels for
// AVX2 alone, whatever else the machine offers.
SparseParty MakeFbgemmSparse(std::shared_ptr<const SparseProblem> problem, bool accumulate);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_PEERS_FBGEMM_SPARSE_H_
