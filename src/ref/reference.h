// The scalar truth: what every operation computes, written so that it can be trusted by eye.
// Kernels must give the same bits. It is also the portable path, which Isa::kScalar takes.
//
// Nothing here validates its arguments, allocates, or sets the float environment (callers do, with
// base::FloatEnvironment). All functions are safe to call from several threads; calls that write
// the same elements are not.
#ifndef QFORGE_REF_REFERENCE_H_
#define QFORGE_REF_REFERENCE_H_

#include <cstdint>

#include "qforge/epilogue.h"
#include "qforge/linear.h"
#include "qforge/packed_weights.h"
#include "qforge/quantization.h"
#include "qforge/views.h"

namespace qforge::ref {

// C = epilogue(A x B), see qforge/types.h, qforge/epilogue.h and qforge/linear.h.
struct LinearProblem {
  int64_t rows = 0;     // M
  int64_t inputs = 0;   // K, per group
  int64_t outputs = 0;  // N, per group
  int64_t groups = 1;   // G

  InputMatrix input;  // u8 or s8; M x (G*K), or (G*K) x M if transposed
  bool transposed_input = false;
  InputQuantization quantization;  // an empty row array means the single value

  const int8_t* weights = nullptr;  // (G*K) x N or (G*N) x K, as `layout` says
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  int64_t weights_stride = 0;            // in elements
  ArrayView<const float> scales;         // 1, G or G*N values; empty: 1
  ArrayView<const int32_t> zero_points;  // 1, G or G*N values; empty: 0
  Accumulation accumulation = Accumulation::kExact;
  SparseWeights outliers;  // K x (G*N), or empty; not with kSaturating16

  Epilogue epilogue;
  OutputMatrix output;   // M x (G*N), of the epilogue's output type
  InputMatrix residual;  // M x (G*N), of the epilogue's residual type; may be the output
};

// A part of C.
struct Block {
  int64_t row_begin = 0;
  int64_t row_end = 0;
  int64_t output_begin = 0;  // within [0, G*N), groups side by side
  int64_t output_end = 0;
};

// Computes the elements of C in `block` and writes no other. Activations and clamps take a NaN to
// their lower bound: max(r, bound) is r > bound ? r : bound, and min(r, bound) r < bound ? r :
// bound.
void Linear(const LinearProblem& problem, const Block& block) noexcept;

// The accumulators of `block` with zero-point corrections and s32 bias, before activation:
// accumulators[(i - row_begin) * stride + (j - output_begin)]. Ignores output and residual.
void Accumulators(const LinearProblem& problem, const Block& block, int32_t* accumulators,
                  int64_t stride) noexcept;

// What Linear() does with them.
void StoreAccumulators(const LinearProblem& problem, const Block& block,
                       const int32_t* accumulators, int64_t stride) noexcept;

// The functions of qforge/quantization.h on plain arrays of `count` elements.
QuantizationParameters ChooseParameters(float min, float max,
                                        const ParameterOptions& options) noexcept;
ValueRange FindRange(const float* values, int64_t count) noexcept;

// FindRange in steps: lowers *min and raises *max to hold all `values` that are not NaN. From +inf
// and -inf, over all parts of an array in any order, and then through FinishRange.
void UpdateRange(const float* values, int64_t count, float* min, float* max) noexcept;
ValueRange FinishRange(float min, float max) noexcept;

// What dynamic quantisation of activations takes, u8 and asymmetric, for the bounds that
// UpdateRange found.
QuantizationParameters ChooseDynamicParameters(float min, float max) noexcept;

// T is uint8_t or int8_t.
template <class T>
void Quantize(const float* input, int64_t count, const QuantizationParameters& parameters,
              T* output) noexcept;
template <class T>
void Dequantize(const T* input, int64_t count, const QuantizationParameters& parameters,
                float* output) noexcept;

// One row. `multipliers` holds one value, or `count` of them if `per_column`; lo and hi, the limits
// of the output, lie within those of T.
template <class T>
void Requantize(const int32_t* input, int64_t count, const float* multipliers, bool per_column,
                int32_t zero_point, int32_t lo, int32_t hi, T* output) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_REFERENCE_H_
