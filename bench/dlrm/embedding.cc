#include "dlrm/embedding.h"

namespace dlrm {

void SumPool(const Fp32Kernels& kernels, const EmbeddingTable& table, const Bags& bags,
             int64_t first, const qforge::MatrixView<float>& output) {
  const int64_t* offsets = bags.offsets.data() + first;
  for (int64_t i = 0; i < output.rows; ++i) {
    kernels.sum_rows(table.values.data(), output.cols, bags.indices.data() + offsets[i],
                     offsets[i + 1] - offsets[i], output.data + i * output.stride);
  }
}

}  // namespace dlrm
