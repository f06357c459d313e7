// The data of one product, and what qforge makes of it. int8_problem.h and float_problem.h say
// which products there are; qforge and its peers compute the very same.
#ifndef QFORGE_BENCH_GEMM_PROBLEM_H_
#define QFORGE_BENCH_GEMM_PROBLEM_H_

#include <cstdint>
#include <memory>

#include "gemm/operands.h"
#include "gemm/shapes.h"
#include "qforge/context.h"
#include "qforge/epilogue.h"
#include "qforge/isa.h"
#include "qforge/linear.h"
#include "qforge/packed_weights.h"
#include "qforge/types.h"
#include "qforge/views.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

class Peer;

struct Problem {
  Problem(const Shape& shape_in, const Operands& operands_in)
      : shape(shape_in), operands(operands_in) {}
  virtual ~Problem() = default;

  // The weights, of n x k elements, as the matrix that `layout` says.
  virtual Result<PackedWeights> Pack(WeightsLayout layout, Isa isa) const = 0;
  virtual Epilogue EpilogueFor(DataType output) const = 0;
  virtual InputMatrix Input() const = 0;
  virtual InputQuantization Quantization() const = 0;

  // Whether qforge's results on `isa`, m x n of the family's output type, are what they should be;
  // some rows at either end of a large problem are looked at.
  virtual bool IsRight(const void* output, Isa isa) const = 0;
  // Whether those of a peer are, up to the order and rounding of float stages.
  virtual bool IsRightUpToRounding(const void* output) const = 0;
  // Peer::Prepare() for this kind of problem.
  virtual Work Prepare(Peer& peer, Isa isa, void* output) const = 0;

  const Shape shape;
  const Operands operands;
};

std::shared_ptr<const Problem> MakeProblem(const Shape& shape, const Operands& operands);

// Rows [0, first_end) and [last_begin, m), at most `rows` each: what is compared with a reference
// where all of them would take too long.
struct RowEnds {
  int64_t first_end;
  int64_t last_begin;
};
RowEnds EndsOfRows(const Shape& shape, int64_t rows);

// qforge's packed form of the weights. Throws std::runtime_error if it cannot be made or is for
// another ISA than `isa`.
PackedWeights PackWeights(const Problem& problem, Isa isa);

// qforge's operation on the problem, with output of that type. Where that is the family's, the
// result is compared with the reference first. Throws std::runtime_error if it cannot be made or is
// not right.
Work LinearWork(std::shared_ptr<const Problem> problem, const PackedWeights& weights,
                const Context& context, DataType output);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_PROBLEM_H_
