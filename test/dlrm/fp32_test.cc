// The fp32 side: embeddings, interaction, matrix multiplication, on every vector width.
#include <gtest/gtest.h>

#include <algorithm>

#include "dlrm/check.h"
#include "dlrm/fp32_embeddings.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/interaction.h"
#include "dlrm/random.h"
#include "support/isas.h"

namespace dlrm {
namespace {

using qforge::MatrixView;

std::vector<float> RandomFloats(int64_t count, Random& random) {
  std::vector<float> values(count);
  for (float& value : values) value = static_cast<float>(random.Normal());
  return values;
}

TEST(Embedding, SumsBags) {
  const EmbeddingTable table = {3, {1, 2, 10, 20, 100, 200}};
  const Bags bags = {{0, 2, 2, 1}, {0, 0, 3, 4}};
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    const Fp32Kernels& kernels = Fp32KernelsFor(isa);
    std::vector<float> output(6, -1.0f);
    SumPool(kernels, table, bags, /*first=*/0, MatrixView<float>(output.data(), 3, 2));
    EXPECT_EQ(output, (std::vector<float>{0, 0, 201, 402, 10, 20}));
    // From the second request on, into rows with gaps.
    output.assign(5, -1.0f);
    SumPool(kernels, table, bags, /*first=*/1, MatrixView<float>(output.data(), 2, 2, 3));
    EXPECT_EQ(output, (std::vector<float>{201, 402, -1, 10, 20}));
  }
}

TEST(Embedding, AnyDimension) {
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    for (const int64_t dim : {1, 4, 15, 16, 17, 50}) {
      EmbeddingTable table = {4, std::vector<float>(4 * dim)};
      for (int64_t i = 0; i < 4 * dim; ++i) table.values[i] = static_cast<float>(i);
      std::vector<float> output(dim);
      SumPool(Fp32KernelsFor(isa), table, {{3, 1}, {0, 2}}, 0, {output.data(), 1, dim});
      for (int64_t d = 0; d < dim; ++d) {
        EXPECT_EQ(output[d], static_cast<float>(4 * dim + 2 * d)) << qforge::IsaName(isa);
      }
    }
  }
}

TEST(Interaction, OrderOfPairs) {
  // Powers of ten: each product shows which two vectors it is of.
  const std::vector<float> vectors = {1, 0, 10, 0, 100, 0, 1000, 0};
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    std::vector<float> output(8);
    Interact(Fp32KernelsFor(isa), MatrixView<const float>(vectors.data(), 1, 8), 4,
             MatrixView<float>(output.data(), 1, 8));
    EXPECT_EQ(output, (std::vector<float>{1, 0, 10, 100, 1e3f, 1e3f, 1e4f, 1e5f}))
        << qforge::IsaName(isa);
  }
}

TEST(Interaction, AnyNumberOfVectors) {
  Random random(1);
  constexpr int64_t kRows = 3;
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    for (const int64_t count : {1, 2, 5, 16, 17, 18, 27}) {
      for (const int64_t dim : {1, 7, 16}) {
        const std::vector<float> vectors = RandomFloats(kRows * count * dim, random);
        const int64_t outputs = InteractionOutputs(count, dim);
        std::vector<float> output(kRows * outputs);
        Interact(Fp32KernelsFor(isa), MatrixView<const float>(vectors.data(), kRows, count * dim),
                 count, MatrixView<float>(output.data(), kRows, outputs));
        for (int64_t row = 0; row < kRows; ++row) {
          const float* x = &vectors[row * count * dim];
          const float* y = &output[row * outputs];
          for (int64_t d = 0; d < dim; ++d) EXPECT_EQ(*y++, x[d]);
          for (int64_t i = 1; i < count; ++i) {
            for (int64_t j = 0; j < i; ++j) {
              double dot = 0.0;
              for (int64_t d = 0; d < dim; ++d) dot += 1.0 * x[i * dim + d] * x[j * dim + d];
              EXPECT_NEAR(*y++, dot, 1e-5) << qforge::IsaName(isa) << " " << i << "," << j;
            }
          }
        }
      }
    }
  }
}

void CheckLinear(const qforge::Context& context, int64_t rows, int64_t outputs, int64_t inputs) {
  Random random(2);
  const bool relu = outputs % 2 == 0;
  const LinearLayer layer = {inputs, outputs, RandomFloats(inputs * outputs, random),
                             RandomFloats(outputs, random)};
  const std::vector<float> x = RandomFloats(rows * inputs, random);
  const int64_t stride = outputs + 3;
  std::vector<float> y(rows * stride, 77.0f);
  Fp32Linear(context, layer, relu).Run({x.data(), rows, inputs}, {y.data(), rows, outputs, stride});
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < outputs; ++j) {
      double sum = layer.bias[j];
      for (int64_t k = 0; k < inputs; ++k) {
        sum += 1.0 * x[i * inputs + k] * layer.weight[j * inputs + k];
      }
      ASSERT_NEAR(y[i * stride + j], relu ? std::max(sum, 0.0) : sum, 1e-4)
          << qforge::IsaName(context.isa()) << " " << rows << "x" << outputs << "x" << inputs;
    }
    for (int64_t j = outputs; j < stride; ++j) ASSERT_EQ(y[i * stride + j], 77.0f);
  }
}

TEST(Fp32Linear, AnyShape) {
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    qforge::ContextOptions options;
    options.max_isa = isa;
    const qforge::Context context = Take(qforge::Context::Create(options));
    for (const int64_t rows : {0, 1, 2, 5, 6, 7, 20}) {
      for (const int64_t outputs : {1, 15, 16, 17, 64, 65, 200}) {
        for (const int64_t inputs : {1, 9, 33}) CheckLinear(context, rows, outputs, inputs);
      }
    }
  }
}

TEST(Fp32Linear, AnyNumberOfThreads) {
  for (const int threads : {2, 3}) {
    qforge::ContextOptions options;
    options.max_threads = threads;
    const auto context = qforge::Context::Create(options);
    if (context.status().code() == qforge::StatusCode::kUnsupported) {
      GTEST_SKIP() << context.status().message();
    }
    ASSERT_TRUE(context.ok()) << context.status().message();
    for (const int64_t rows : {0, 1, 7, 20}) {
      for (const int64_t outputs : {1, 65, 200}) CheckLinear(*context, rows, outputs, 9);
    }
  }
}

}  // namespace
}  // namespace dlrm
