// Kernels against the scalar reference, bit for bit, on every ISA of this machine.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "embedding/kernel_case.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

using kernels::EmbeddingKernel;

std::string VariantName(const EmbeddingKernel& kernel) {
  std::string name = RowFormatName(kernel.format);
  if (kernel.parameters != DataType::kNone)
    name += std::string("_") + DataTypeName(kernel.parameters);
  if (kernel.exponent_bias != 0) name += "_bias" + std::to_string(kernel.exponent_bias);
  return name;
}

class EmbeddingKernels : public ::testing::TestWithParam<EmbeddingKernel> {};

// All dimensions at which something changes: tails, windows, one block, two, and repeated ones.
TEST_P(EmbeddingKernels, EveryDimension) {
  std::vector<int64_t> dimensions;
  for (int64_t d = 1; d <= 35; ++d) dimensions.push_back(d);
  for (int64_t d : {48, 64, 72, 96, 100, 127, 128, 129, 192, 256, 300, 512, 1024, 1700, 2500}) {
    dimensions.push_back(d);
  }
  const std::vector<EmbeddingKernel> options = OptionVariants(GetParam());
  uint64_t seed = 1;
  for (const int64_t dimension : dimensions) {
    for (const Isa isa : SupportedEmbeddingIsas()) {
      // Every dimension with other options; both guards, and every place of the parameters.
      Random random(seed);
      for (const ParameterPlace place : {ParameterPlace::kLast, ParameterPlace::kFirst}) {
        EmbeddingKernel kernel = options[random.Integer<size_t>(0, options.size() - 1)];
        kernel.isa = isa;
        kernel.dimension = dimension;
        kernel.place = place;
        kernel.fewest_lines = dimension % 2 == 0;  // nothing relies on it
        ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kBehind, ++seed));
        ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kInFront, ++seed));
      }
    }
  }
}

TEST_P(EmbeddingKernels, EveryCombinationOfOptions) {
  uint64_t seed = 1000;
  for (EmbeddingKernel kernel : OptionVariants(GetParam())) {
    for (const Isa isa : SupportedEmbeddingIsas()) {
      // Of each combination one dimension, with and without a part of a vector.
      constexpr int64_t kDimensions[] = {3, 16, 21, 32, 45};
      kernel.isa = isa;
      kernel.dimension = kDimensions[++seed % 5];
      ASSERT_TRUE(
          CheckAgainstReference(kernel, seed % 2 == 0 ? Guard::kBehind : Guard::kInFront, seed));
    }
  }
}

std::vector<Isa> SupportedCheckingIsas() {
  std::vector<Isa> isas;
  for (const Isa isa : CheckingIsas()) {
    if (IsaSupported(isa)) isas.push_back(isa);
  }
  return isas;
}

// Kernels that check: the same, and every row's windows.
TEST_P(EmbeddingKernels, ThatCheckRows) {
  std::vector<int64_t> dimensions;
  for (int64_t d = 1; d <= 80; ++d) dimensions.push_back(d);
  for (int64_t d : {96, 100, 128, 129, 256, 300, 512, 1024, 1700, 5000}) dimensions.push_back(d);
  const std::vector<EmbeddingKernel> options = OptionVariants(GetParam());
  uint64_t seed = 5000;
  for (const int64_t dimension : dimensions) {
    for (const Isa isa : SupportedCheckingIsas()) {
      Random random(seed);
      for (uint64_t choice = 0; choice < 4; ++choice) {
        EmbeddingKernel kernel = options[random.Integer<size_t>(0, options.size() - 1)];
        kernel.isa = isa;
        kernel.dimension = dimension;
        AddCheck(&kernel, choice);
        ++seed;
        ASSERT_TRUE(
            CheckAgainstReference(kernel, seed % 2 == 0 ? Guard::kBehind : Guard::kInFront, seed));
      }
    }
  }
}

// Where windows are left to a loop.
TEST_P(EmbeddingKernels, ThatCheckLongRows) {
  for (const Isa isa : SupportedCheckingIsas()) {
    for (const kernels::RowCheck check : {kernels::RowCheck::kInRow, kernels::RowCheck::kBeside}) {
      EmbeddingKernel kernel = GetParam();
      kernel.isa = isa;
      kernel.dimension = 100'000;
      kernel.check = check;
      ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kBehind, 78));
    }
  }
}

TEST_P(EmbeddingKernels, TheLargestDimension) {
  for (const Isa isa : SupportedEmbeddingIsas()) {
    EmbeddingKernel kernel = GetParam();
    kernel.isa = isa;
    kernel.dimension = int64_t{1} << 20;
    kernel.prefetch = kernels::RowPrefetch::kFromMemoryTwice;
    ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kBehind, 77));
  }
}

// Rows from memory, whose vectors are decoded in groups: all ways to divide a row into groups and
// other vectors, in one block and more.
TEST(EmbeddingKernelGroups, EveryDimension) {
  if (!IsaSupported(Isa::kAvx512)) GTEST_SKIP() << "vectors of 64 bytes only";
  std::vector<int64_t> dimensions;
  for (int64_t d = 120; d <= 400; ++d) dimensions.push_back(d);
  for (int64_t d : {511, 512, 640, 770, 1024, 1700, 2500}) dimensions.push_back(d);
  uint64_t seed = 5000;
  for (const EmbeddingKernel& format : FormatVariants()) {
    if (format.format < RowFormat::kU4 || format.format > RowFormat::kTwoTier4) continue;
    std::vector<EmbeddingKernel> options;
    for (const EmbeddingKernel& kernel : OptionVariants(format)) {
      if (kernel.pooling != Pooling::kNone) options.push_back(kernel);
    }
    Random random(seed);
    for (const int64_t dimension : dimensions) {
      for (const ParameterPlace place : {ParameterPlace::kLast, ParameterPlace::kFirst}) {
        EmbeddingKernel kernel = options[random.Integer<size_t>(0, options.size() - 1)];
        kernel.isa = Isa::kAvx512;
        kernel.dimension = dimension;
        kernel.place = place;
        kernel.prefetch = dimension % 2 == 0 ? kernels::RowPrefetch::kFromMemory
                                             : kernels::RowPrefetch::kFromMemoryTwice;
        ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kBehind, ++seed));
        ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kInFront, ++seed));
      }
    }
  }
}

// Kernels that check take whole groups from registers, also from the caches.
TEST(EmbeddingKernelGroups, ThatCheckRows) {
  if (!IsaSupported(Isa::kAvx512)) GTEST_SKIP() << "vectors of 64 bytes only";
  std::vector<int64_t> dimensions;
  for (int64_t d = 60; d <= 280; ++d) dimensions.push_back(d);
  for (int64_t d : {384, 400, 512, 640, 1024, 1700}) dimensions.push_back(d);
  uint64_t seed = 9000;
  for (const EmbeddingKernel& format : FormatVariants()) {
    std::vector<EmbeddingKernel> options;
    for (const EmbeddingKernel& kernel : OptionVariants(format)) {
      if (kernel.pooling != Pooling::kNone) options.push_back(kernel);
    }
    Random random(seed);
    for (const int64_t dimension : dimensions) {
      EmbeddingKernel kernel = options[random.Integer<size_t>(0, options.size() - 1)];
      kernel.isa =
          dimension % 3 != 0 && IsaSupported(Isa::kAvx512Vnni) ? Isa::kAvx512Vnni : Isa::kAvx512;
      kernel.dimension = dimension;
      AddCheck(&kernel, static_cast<uint64_t>(dimension));
      ++seed;
      ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kBehind, seed));
      ASSERT_TRUE(CheckAgainstReference(kernel, Guard::kInFront, seed));
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Formats, EmbeddingKernels, ::testing::ValuesIn(FormatVariants()),
                         [](const auto& info) { return VariantName(info.param); });

}  // namespace
}  // namespace qforge::test
