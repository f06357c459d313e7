// Loads and stores of floats of any width: a vector of columns of a row, in binary32 in registers.
#ifndef QFORGE_KERNELS_FLOAT_COLUMNS_H_
#define QFORGE_KERNELS_FLOAT_COLUMNS_H_

#include <cstdint>

#include "jit/emitter.h"
#include "kernels/float_types.h"
#include "qforge/types.h"

namespace qforge::kernels {

// Once per kernel, before the others: columns of a partial vector, or the number of lanes.
void PrepareFloatColumns(jit::Emitter& emitter, int tail_lanes);

// Loads `lanes` elements of `type` at base + offset bytes; the other lanes become 0. `lanes` is all
// of a vector or what was prepared.
void LoadFloatColumns(jit::Emitter& emitter, DataType type, jit::Vec to, const jit::Register& base,
                      int64_t offset, int lanes);

// Rounds to `type` and stores. Clobbers `value` and both scratches.
void StoreFloatColumns(jit::Emitter& emitter, DataType type, const jit::Register& base,
                       int64_t offset, jit::Vec value, int lanes, const jit::Vec (&scratch)[2]);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_FLOAT_COLUMNS_H_
