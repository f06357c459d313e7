// The data of one product: u8 activations with a zero-point, s8 weights with a scale per output
// channel, an s32 bias, ReLU, u8 output. qforge and its peers compute the very same.
#ifndef QFORGE_BENCH_GEMM_PROBLEM_H_
#define QFORGE_BENCH_GEMM_PROBLEM_H_

#include <cstdint>
#include <memory>
#include <random>
#include <vector>

#include "base/aligned_buffer.h"
#include "gemm/operands.h"
#include "gemm/shapes.h"
#include "qforge/context.h"
#include "qforge/isa.h"
#include "qforge/packed_weights.h"
#include "qforge/types.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// `count` of them.
base::AlignedBuffer RandomWeights(const Operands& operands, int64_t count, std::mt19937_64& random);

// Where sums can saturate at 16 bits these do, so that a kernel which lets them gives itself away.
// Results spread over most of u8, about half of them cut by the ReLU.
struct Problem {
  Problem(const Shape& shape, const Operands& operands);

  Shape shape;
  Operands operands;
  base::AlignedBuffer input;    // m x k, u8
  base::AlignedBuffer weights;  // k x n, s8
  std::vector<float> weight_scales;
  std::vector<int32_t> bias;  // in units of input_scale * weight_scale
  float input_scale = 0.02f;
  int32_t input_zero_point = 0;  // a little below the middle
  float output_scale = 0.05f;
  int32_t output_zero_point = 5;
};

// Fractions of the output elements that were looked at (some rows at either end of a large problem)
// which differ from the scalar reference.
struct Deviation {
  double by_one = 0;
  double by_more = 0;
};
Deviation CompareWithReference(const Problem& problem, const uint8_t* output);

// qforge's packed form of the weights, for the family's activations. Throws std::runtime_error if
// it cannot be made or is for another ISA than `isa`.
PackedWeights PackWeights(const Problem& problem, Isa isa);

// qforge's operation on the problem, with u8 or s32 output (s32 without scales and ReLU). Where the
// output is u8 it is compared with the reference first. Throws std::runtime_error if it cannot be
// made or is not exact.
Work LinearWork(std::shared_ptr<const Problem> problem, const PackedWeights& weights,
                const Context& context, DataType output);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_PROBLEM_H_
