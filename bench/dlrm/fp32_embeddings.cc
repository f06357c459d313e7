#include "dlrm/fp32_embeddings.h"

#include "dlrm/parallel.h"

namespace dlrm {

void SumPool(const Fp32Kernels& kernels, const EmbeddingTable& table, const Bags& bags,
             int64_t first, const qforge::MatrixView<float>& output) {
  const int64_t* offsets = bags.offsets.data() + first;
  for (int64_t i = 0; i < output.rows; ++i) {
    kernels.sum_rows(table.values.data(), output.cols, bags.indices.data() + offsets[i],
                     offsets[i + 1] - offsets[i], output.data + i * output.stride);
  }
}

Fp32Embeddings::Fp32Embeddings(const qforge::Context& context, const Model& model)
    : context_(context), kernels_(Fp32KernelsFor(context.isa())), model_(model) {}

void Fp32Embeddings::Run(const Requests& requests, int64_t first,
                         const qforge::MatrixView<float>& output) {
  ParallelRanges(context_, output.rows, 1, [&](int64_t begin, int64_t end) {
    float* pooled = output.data + begin * output.stride;
    for (size_t i = 0; i < model_.tables.size(); ++i, pooled += model_.dim) {
      SumPool(kernels_, model_.tables[i], requests.bags[i], first + begin,
              {pooled, end - begin, model_.dim, output.stride});
    }
  });
}

}  // namespace dlrm
