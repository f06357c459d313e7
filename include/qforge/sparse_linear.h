// C = A x B or C = C + A x B with u8 activations and sparse s8 weights, summed exactly in s32.
#ifndef QFORGE_SPARSE_LINEAR_H_
#define QFORGE_SPARSE_LINEAR_H_

#include <cstdint>
#include <memory>
#include <string>

#include "qforge/context.h"
#include "qforge/export.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct SparseLinearOptions {
  // Add to C, modulo 2^32, instead of overwriting it.
  bool accumulate = false;
};

// C[i][j] = sum_k A[i][k] * B[k][j], for any share of entries from none to all. Which way is taken
// follows from the weights and, at each Run, from the number of rows: Describe() lists the ways.
// All give the same bits, whatever the ISA and the number of threads.
//
// Creation validates the weights and lays them out for the kernels of the context's ISA. Files hold
// the weights as they were before that, for any ISA (qforge/packed_sparse_weights.h). Immutable; a
// handle whose copies share the data: any number of threads may Run one at the same time. Run takes
// no lock and, once a thread has run a call of the size, allocates nothing, besides what the pool
// does.
class SparseLinear {
 public:
  // Nothing is kept of `weights`. kInvalidArgument where the arrays do not describe a matrix;
  // kOutOfRange where 255 times the sum of a column's |values| exceeds 2^31 - 1, so that no sum can
  // leave int32, in whatever order it is taken.
  static Result<SparseLinear> Create(const Context& context, const SparseWeights& weights,
                                     const SparseLinearOptions& options = {}) noexcept;

  // `input` is M x K, `output` M x N, and they do not overlap. Any M >= 0. On an error nothing is
  // written.
  Status Run(const MatrixView<const uint8_t>& input,
             const MatrixView<int32_t>& output) const noexcept;

  int64_t inputs() const noexcept;   // K
  int64_t outputs() const noexcept;  // N
  Isa isa() const noexcept;
  int64_t bytes() const noexcept;  // of all forms that are kept of the weights
  // What was chosen and why: ISA, density, the way taken by number of rows, kernels. Empty when
  // memory runs out.
  std::string Describe() const noexcept;

 private:
  struct State;
  explicit SparseLinear(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_SPARSE_LINEAR_H_
