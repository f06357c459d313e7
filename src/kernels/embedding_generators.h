// What embedding_kernel.cc chooses from. Each emits a whole function and throws jit::EmissionError
// where the emitter runs out of registers.
#ifndef QFORGE_KERNELS_EMBEDDING_GENERATORS_H_
#define QFORGE_KERNELS_EMBEDDING_GENERATORS_H_

#include "jit/emitter.h"
#include "kernels/embedding_kernel.h"

namespace qforge::kernels {

// embedding_walk.cc; EmbeddingFunction
void GenerateEmbedding(jit::Emitter& emitter, const EmbeddingKernel& kernel);

// embedding_scrub.cc; ScrubFunction and RowSumFunction
void GenerateScrub(jit::Emitter& emitter, int64_t bytes, RowCheck check);
void GenerateRowSum(jit::Emitter& emitter, int64_t bytes, RowCheck check);

// embedding_check.cc; CheckIndicesFunction
void GenerateCheckIndices(jit::Emitter& emitter, int index_bytes);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_GENERATORS_H_
