// Sum pooling of fp32 embedding rows.
#ifndef QFORGE_BENCH_DLRM_EMBEDDING_H_
#define QFORGE_BENCH_DLRM_EMBEDDING_H_

#include <cstdint>

#include "dlrm/fp32_kernels.h"
#include "dlrm/model.h"
#include "dlrm/requests.h"
#include "qforge/views.h"

namespace dlrm {

// Row i of `output` becomes the sum of the rows of `table` in bag first + i.
void SumPool(const Fp32Kernels& kernels, const EmbeddingTable& table, const Bags& bags,
             int64_t first, const qforge::MatrixView<float>& output);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_EMBEDDING_H_
