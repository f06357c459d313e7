// What array_kernels.cc chooses from. Each emits a whole function; a generator throws
// jit::EmissionError where the emitter runs out of registers.
#ifndef QFORGE_KERNELS_ARRAY_GENERATORS_H_
#define QFORGE_KERNELS_ARRAY_GENERATORS_H_

#include "jit/emitter.h"
#include "kernels/array_kernels.h"

namespace qforge::kernels {

// array_range.cc
void GenerateUpdateRange(jit::Emitter& emitter);
void GenerateUpdateColumnRanges(jit::Emitter& emitter);

// array_convert.cc
void GenerateQuantize(jit::Emitter& emitter, DataType type);
void GenerateQuantizeColumns(jit::Emitter& emitter, DataType type);
void GenerateDequantize(jit::Emitter& emitter, DataType type);
void GenerateRequantize(jit::Emitter& emitter, DataType type, bool per_column);

// array_histogram.cc
void GenerateBinIndices(jit::Emitter& emitter);

// array_half.cc
void GenerateToF32(jit::Emitter& emitter, DataType type);
void GenerateFromF32(jit::Emitter& emitter, DataType type, bool clipped);

// array_bytes.cc
void GenerateRowSums(jit::Emitter& emitter, DataType type);
void GenerateWiden(jit::Emitter& emitter, DataType type);
void GenerateFlipSign(jit::Emitter& emitter);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_ARRAY_GENERATORS_H_
