// A layer in float, as a shadow run compares with it.
#ifndef QFORGE_REF_FLOAT_LAYER_H_
#define QFORGE_REF_FLOAT_LAYER_H_

#include <cstdint>

#include "qforge/accuracy.h"

namespace qforge::ref {

// One row: output[j] of G*N, from `input` of G*K. In double precision, k by k.
void FloatLayerRow(const FloatLayer& layer, int64_t inputs, int64_t outputs, const float* input,
                   double* output) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_FLOAT_LAYER_H_
