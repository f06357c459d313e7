// Activations of f32 or bf16, weights of f32, f16 or bf16, f32 output and nothing besides: what all
// peers have.
#ifndef QFORGE_BENCH_GEMM_FLOAT_PROBLEM_H_
#define QFORGE_BENCH_GEMM_FLOAT_PROBLEM_H_

#include <vector>

#include "base/aligned_buffer.h"
#include "gemm/problem.h"

namespace qforge::bench {

struct FloatProblem : Problem {
  FloatProblem(const Shape& shape, const Operands& operands);

  Result<PackedWeights> Pack(WeightsLayout layout, Isa isa) const override;
  Epilogue EpilogueFor(DataType output) const override;
  InputMatrix Input() const override;
  InputQuantization Quantization() const override { return {}; }
  // The reference's bits; those of the bf16 dot product as below.
  bool IsRight(const void* output, Isa isa) const override;
  // Within the bound of qforge/types.h for one part of K, which no order of additions exceeds.
  bool IsRightUpToRounding(const void* output) const override;
  Work Prepare(Peer& peer, Isa isa, void* output) const override;

  // k x n, of the family's type.
  InputMatrix Weights() const;
  std::vector<float> WeightsAsF32() const;

  base::AlignedBuffer input;
  base::AlignedBuffer weights;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_FLOAT_PROBLEM_H_
