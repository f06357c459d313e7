// The scalar truth of float products, see qforge/types.h, and the portable path.
#ifndef QFORGE_REF_FLOAT_LINEAR_H_
#define QFORGE_REF_FLOAT_LINEAR_H_

#include <cstdint>

#include "qforge/epilogue.h"
#include "qforge/packed_weights.h"
#include "qforge/views.h"
#include "ref/reference.h"

namespace qforge::ref {

// C = epilogue(A x B) in floats.
struct FloatLinearProblem {
  int64_t inputs = 0;   // K, per group
  int64_t outputs = 0;  // N, per group

  InputMatrix input;  // f32, f16 or bf16; M x (G*K), or (G*K) x M if transposed
  bool transposed_input = false;
  InputMatrix weights;  // f32, f16 or bf16; (G*K) x N or (G*N) x K, as `layout` says
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;

  Epilogue epilogue;
  OutputMatrix output;   // M x (G*N), of the epilogue's output type
  InputMatrix residual;  // M x (G*N), of the epilogue's residual type; may be the output
};

// Computes the elements of C in `block` and writes no other. Without the bf16 dot product, kernels
// give the same bits, except for the payload of a NaN.
void FloatLinear(const FloatLinearProblem& problem, const Block& block) noexcept;

// The sums of products of `block` alone: products[(i - row_begin) * stride + (j - output_begin)];
// and what FloatLinear() does with them.
void FloatProducts(const FloatLinearProblem& problem, const Block& block, float* products,
                   int64_t stride) noexcept;
void FinishFloatProducts(const FloatLinearProblem& problem, const Block& block,
                         const float* products, int64_t stride) noexcept;

// Element (row, column) of a matrix of f32, f16 or bf16.
float FloatElement(const InputMatrix& matrix, int64_t row, int64_t column) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_FLOAT_LINEAR_H_
