#include "dlrm/interaction.h"

#include <algorithm>

#include "dlrm/aligned_vector.h"

namespace dlrm {

void Interact(const Fp32Kernels& kernels, const qforge::MatrixView<const float>& vectors,
              int64_t count, const qforge::MatrixView<float>& output) {
  const int64_t dim = vectors.cols / count;
  const int64_t pairs = count * (count - 1) / 2;
  // The vectors of one request side by side, so that the products of vector i with all j < i run
  // along j: no horizontal sums. Kept per thread: once warm, a call allocates nothing.
  const int64_t stride = (count + kernels.lanes - 1) / kernels.lanes * kernels.lanes;
  thread_local AlignedVector<float> transposed;
  thread_local AlignedVector<float> products;
  transposed.resize(dim * stride);
  products.resize(pairs + kernels.lanes);
  for (int64_t row = 0; row < vectors.rows; ++row) {
    const float* x = vectors.data + row * vectors.stride;
    for (int64_t i = 0; i < count; ++i) {
      for (int64_t d = 0; d < dim; ++d) transposed[d * stride + i] = x[i * dim + d];
    }
    kernels.dot_pairs(x, transposed.data(), count, dim, stride, products.data());
    float* y = std::copy(x, x + dim, output.data + row * output.stride);
    std::copy(products.data(), products.data() + pairs, y);
  }
}

}  // namespace dlrm
