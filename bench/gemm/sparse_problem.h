// The data of one product with sparse weights.
#ifndef QFORGE_BENCH_GEMM_SPARSE_PROBLEM_H_
#define QFORGE_BENCH_GEMM_SPARSE_PROBLEM_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "gemm/shapes.h"
#include "qforge/context.h"
#include "qforge/isa.h"
#include "qforge/sparse_linear.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// Every position has an entry with the same probability, of any value in [-64, 63]: what FBGEMM's
// own benchmark takes, with which its 16-bit sums do not saturate. Activations are all of u8.
struct SparseProblem {
  SparseProblem(const Shape& shape, double density);

  SparseWeights weights() const;
  // "1024x1024x1024/density:0.001"
  std::string Name() const;
  double operations() const {
    return 2.0 * static_cast<double>(values.size()) * static_cast<double>(shape.m);
  }

  Shape shape;
  double density;
  std::vector<int64_t> column_offsets;
  std::vector<int32_t> row_indices;
  std::vector<int8_t> values;
  std::vector<uint8_t> input;  // m x k
};

// A product that writes to m x n values of its own, and those.
struct SparseParty {
  Work work;
  std::shared_ptr<std::vector<int32_t>> output;
};

// qforge's operation. Throws std::runtime_error if it cannot be made, chooses another ISA than
// `isa`, or differs from the reference.
SparseParty MakeSparseParty(std::shared_ptr<const SparseProblem> problem, Isa isa,
                            const Context& context, bool accumulate);

// Whether one run of `party`, which has not run before, gives what the reference does.
bool IsExact(const SparseProblem& problem, bool accumulate, const SparseParty& party);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_SPARSE_PROBLEM_H_
