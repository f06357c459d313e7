// A look-up to hold a kernel against the scalar reference with, on guarded memory.
#ifndef QFORGE_TEST_EMBEDDING_KERNEL_CASE_H_
#define QFORGE_TEST_EMBEDDING_KERNEL_CASE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/embedding_kernel.h"
#include "support/guarded_buffer.h"
#include "support/random.h"

namespace qforge::test {

// The ISAs that have embedding kernels of their own, and those of them that this machine can run.
std::vector<Isa> EmbeddingIsas();
std::vector<Isa> SupportedEmbeddingIsas();
// Those that have kernels of their own which check rows.
std::vector<Isa> CheckingIsas();

// Lets a kernel check rows, one way or another.
void AddCheck(kernels::EmbeddingKernel* kernel, uint64_t choice);

// All formats, u8 with both types of parameters, and e4m3 and e5m2 with their usual and with
// another exponent bias. The rest of the descriptor is as it is by default.
std::vector<kernels::EmbeddingKernel> FormatVariants();

// All combinations of pooling, weights, size of indices, mapping, prefetching, place of parameters
// and output that exist; of pooled e4m3 with either way to decode.
std::vector<kernels::EmbeddingKernel> OptionVariants(const kernels::EmbeddingKernel& kernel);

// Runs the kernel on random rows and bags, with the table, indices, weights and output at an
// unmapped page, and the scalar reference on the same, and expects the same bits and nothing
// written elsewhere. A kernel that checks rows is then shown rows in which one bit has flipped, and
// must return the first bag that has one. False after a failure, which names kernel and seed.
bool CheckAgainstReference(const kernels::EmbeddingKernel& kernel, Guard guard, uint64_t seed);

}  // namespace qforge::test

#endif  // QFORGE_TEST_EMBEDDING_KERNEL_CASE_H_
