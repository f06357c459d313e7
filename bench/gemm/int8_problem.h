// u8 activations with a zero-point, s8 weights with a scale per output channel, an s32 bias, ReLU,
// u8 output; or s32 output, without scales and ReLU.
#ifndef QFORGE_BENCH_GEMM_INT8_PROBLEM_H_
#define QFORGE_BENCH_GEMM_INT8_PROBLEM_H_

#include <cstdint>
#include <vector>

#include "base/aligned_buffer.h"
#include "gemm/problem.h"

namespace qforge::bench {

// Where sums can saturate at 16 bits these do, so that a kernel which lets them gives itself away.
// Results spread over most of u8, about half of them cut by the ReLU.
struct Int8Problem : Problem {
  Int8Problem(const Shape& shape, const Operands& operands);

  Result<PackedWeights> Pack(WeightsLayout layout, Isa isa) const override;
  Epilogue EpilogueFor(DataType output) const override;
  InputMatrix Input() const override;
  InputQuantization Quantization() const override { return {input_scale, input_zero_point}; }
  bool IsRight(const void* output, Isa isa) const override;
  bool IsRightUpToRounding(const void* output) const override;
  Work Prepare(Peer& peer, Isa isa, void* output) const override;

  base::AlignedBuffer input;    // m x k, u8
  base::AlignedBuffer weights;  // k x n, s8
  std::vector<float> weight_scales;
  std::vector<int32_t> bias;  // in units of input_scale * weight_scale
  float input_scale = 0.02f;
  int32_t input_zero_point = 0;  // a little below the middle
  float output_scale = 0.05f;
  int32_t output_zero_point = 5;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_INT8_PROBLEM_H_
