// Which types kernels load and store as floats. Apart from float_columns.h, which emits how, so
// that operations need not see the emitter to ask.
#ifndef QFORGE_KERNELS_FLOAT_TYPES_H_
#define QFORGE_KERNELS_FLOAT_TYPES_H_

#include "qforge/types.h"

namespace qforge::kernels {

// Whether there are loads and stores of `type`: f32, f16 and bf16.
constexpr bool IsFloat(DataType type) {
  return type == DataType::kF32 || type == DataType::kF16 || type == DataType::kBF16;
}

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_FLOAT_TYPES_H_
