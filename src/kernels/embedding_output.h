// Brings sums into the order of columns, rounds them to the output's type and stores them.
#ifndef QFORGE_KERNELS_EMBEDDING_OUTPUT_H_
#define QFORGE_KERNELS_EMBEDDING_OUTPUT_H_

#include <vector>

#include "jit/emitter.h"
#include "kernels/embedding_columns.h"
#include "kernels/embedding_decoder.h"
#include "kernels/embedding_kernel.h"

namespace qforge::kernels {

// Before the first use of EmitStore(), once per kernel.
void EmitPrepareStore(jit::Emitter& emitter, const EmbeddingKernel& kernel);

// sums = sums * (1 / float(count)), and with a count of 0 unchanged. Clobbers `count` and two
// scratches.
void EmitMean(jit::Emitter& emitter, const std::vector<jit::Vec>& sums, const jit::Register& count,
              const jit::Vec* scratch);

// Stores the columns of a block behind `output` plus `offset` bytes. Clobbers sums and scratches.
void EmitStore(jit::Emitter& emitter, const EmbeddingKernel& kernel, const RowDecoder& decoder,
               const ColumnBlock& block, const std::vector<jit::Vec>& sums,
               const jit::Register& output, int64_t offset, const jit::Vec* scratch);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_OUTPUT_H_
