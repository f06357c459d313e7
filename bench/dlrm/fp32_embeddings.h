// Sum pooling of fp32 embedding rows through this program's own code.
#ifndef QFORGE_BENCH_DLRM_FP32_EMBEDDINGS_H_
#define QFORGE_BENCH_DLRM_FP32_EMBEDDINGS_H_

#include <cstdint>

#include "dlrm/embeddings.h"
#include "dlrm/fp32_kernels.h"
#include "dlrm/model.h"
#include "qforge/context.h"

namespace dlrm {

// Row i of `output` becomes the sum of the rows of `table` in bag first + i.
void SumPool(const Fp32Kernels& kernels, const EmbeddingTable& table, const Bags& bags,
             int64_t first, const qforge::MatrixView<float>& output);

class Fp32Embeddings : public Embeddings {
 public:
  // `model` is borrowed.
  Fp32Embeddings(const qforge::Context& context, const Model& model);

  void Run(const Requests& requests, int64_t first,
           const qforge::MatrixView<float>& output) override;
  int64_t bytes() const override { return model_.table_bytes(); }

 private:
  const qforge::Context context_;
  const Fp32Kernels& kernels_;
  const Model& model_;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_FP32_EMBEDDINGS_H_
