// What embedding kernels are made of, by the rules of support/code_inspection.h, also on ISAs that
// this machine lacks.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "embedding/kernel_case.h"
#include "jit/kernel_cache.h"
#include "support/code_inspection.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

using kernels::EmbeddingKernel;
using kernels::RowPrefetch;

// Expects the code to keep the rules, under this name and for this ISA.
void Inspect(const Result<jit::CodeBytes>& code, const std::string& name, Isa isa) {
  ASSERT_TRUE(code.ok()) << name << ": " << code.status().message();
  EXPECT_EQ(code->name, name);
  EXPECT_EQ(IsaOfKernel(name), isa) << name;
  const CodeInspection inspection = InspectCode(code->bytes.data(), code->bytes.size(), isa);
  EXPECT_TRUE(inspection.ok()) << name << ":\n" << inspection.Text();
  EXPECT_EQ(inspection.instruction_bytes, code->instruction_bytes) << name;
}

void Inspect(const EmbeddingKernel& kernel) {
  Inspect(kernels::EmitEmbeddingKernel(kernel), kernel.Name(), kernel.isa);
}

class EmittedEmbeddingCode : public ::testing::TestWithParam<Isa> {};

TEST_P(EmittedEmbeddingCode, EveryCombinationOfOptions) {
  uint64_t count = 0;
  for (const EmbeddingKernel& format : FormatVariants()) {
    for (EmbeddingKernel kernel : OptionVariants(format)) {
      constexpr int64_t kDimensions[] = {1, 13, 64, 301, 1700};
      kernel.isa = GetParam();
      kernel.dimension = kDimensions[++count % 5];
      Inspect(kernel);
    }
  }
}

TEST_P(EmittedEmbeddingCode, EveryDimension) {
  for (EmbeddingKernel kernel : FormatVariants()) {
    kernel.isa = GetParam();
    for (kernel.dimension = 1; kernel.dimension <= 40; ++kernel.dimension) {
      kernel.place = kernel.dimension % 2 == 0 ? ParameterPlace::kFirst : ParameterPlace::kLast;
      Inspect(kernel);
    }
    kernel.dimension = int64_t{1} << 20;
    for (const RowPrefetch prefetch : {RowPrefetch::kFromCaches, RowPrefetch::kFromMemoryTwice}) {
      kernel.prefetch = prefetch;
      Inspect(kernel);
    }
  }
}

class CheckingEmbeddingCode : public ::testing::TestWithParam<Isa> {};

TEST_P(CheckingEmbeddingCode, ManyCombinationsOfOptions) {
  uint64_t count = 0;
  for (const EmbeddingKernel& format : FormatVariants()) {
    for (EmbeddingKernel kernel : OptionVariants(format)) {
      constexpr int64_t kDimensions[] = {1, 13, 64, 301, 1700, 20000};
      kernel.isa = GetParam();
      if (++count % 4 != 0) continue;
      kernel.dimension = kDimensions[count / 4 % 6];
      AddCheck(&kernel, count / 24);
      Inspect(kernel);
    }
  }
}

TEST_P(CheckingEmbeddingCode, EveryDimension) {
  for (EmbeddingKernel kernel : FormatVariants()) {
    kernel.isa = GetParam();
    for (kernel.dimension = 1; kernel.dimension <= 40; ++kernel.dimension) {
      AddCheck(&kernel, static_cast<uint64_t>(kernel.dimension));
      Inspect(kernel);
    }
    kernel.dimension = int64_t{1} << 20;
    for (const uint64_t choice : {1, 3}) {
      AddCheck(&kernel, choice);
      Inspect(kernel);
    }
  }
}

TEST_P(CheckingEmbeddingCode, ScrubAndRowSum) {
  for (const int64_t bytes : {1, 2, 3, 5, 13, 20, 40, 64, 100, 300, 5000, 1 << 22}) {
    for (const kernels::RowCheck check : {kernels::RowCheck::kInRow, kernels::RowCheck::kBeside}) {
      for (const auto emit : {kernels::EmitScrub, kernels::EmitRowSum}) {
        const Result<jit::CodeBytes> code = emit(GetParam(), bytes, check);
        ASSERT_TRUE(code.ok()) << code.status().message();
        Inspect(code, code->name, GetParam());
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, CheckingEmbeddingCode, ::testing::ValuesIn(CheckingIsas()),
                         [](const auto& info) { return IsaName(info.param); });

TEST_P(EmittedEmbeddingCode, CheckIndices) {
  for (const int index_bytes : {4, 8}) {
    const Result<jit::CodeBytes> code = kernels::EmitCheckIndices(GetParam(), index_bytes);
    ASSERT_TRUE(code.ok()) << code.status().message();
    Inspect(code, code->name, GetParam());
  }
  EXPECT_NE(kernels::EmitCheckIndices(GetParam(), 4)->name,
            kernels::EmitCheckIndices(GetParam(), 8)->name);
}

// Kernels with different descriptors have different names and bytes, and equal ones equal bytes.
TEST_P(EmittedEmbeddingCode, NamesTellKernelsApart) {
  EmbeddingKernel plain;
  plain.isa = GetParam();
  std::vector<EmbeddingKernel> all = {plain};
  const auto add = [&](auto&& change) {
    all.push_back(plain);
    change(all.back());
  };
  add([](EmbeddingKernel& kernel) { kernel.dimension = 2; });
  add([](EmbeddingKernel& kernel) { kernel.pooling = Pooling::kMean; });
  add([](EmbeddingKernel& kernel) { kernel.pooling = Pooling::kNone; });
  add([](EmbeddingKernel& kernel) { kernel.weights = BagWeights::kPerPosition; });
  add([](EmbeddingKernel& kernel) { kernel.weights = BagWeights::kPerBagPosition; });
  add([](EmbeddingKernel& kernel) { kernel.index_bytes = 4; });
  add([](EmbeddingKernel& kernel) { kernel.mapped = true; });
  add([](EmbeddingKernel& kernel) { kernel.prefetch = RowPrefetch::kFromCaches; });
  add([](EmbeddingKernel& kernel) { kernel.prefetch = RowPrefetch::kFromMemory; });
  add([](EmbeddingKernel& kernel) { kernel.prefetch = RowPrefetch::kFromMemoryTwice; });
  for (const bool fewest_lines : {false, true}) {
    add([&](EmbeddingKernel& kernel) {
      kernel.dimension = 16;
      kernel.prefetch = RowPrefetch::kFromMemory;
      kernel.fewest_lines = fewest_lines;
    });
  }
  add([](EmbeddingKernel& kernel) { kernel.output = DataType::kF16; });
  add([](EmbeddingKernel& kernel) { kernel.output = DataType::kBF16; });
  for (EmbeddingKernel kernel : FormatVariants()) {
    if (kernel.format == RowFormat::kF32) continue;
    kernel.isa = GetParam();
    all.push_back(kernel);
    if (kernel.format == RowFormat::kE4M3) {
      kernel.fast_subnormals = true;
      all.push_back(kernel);
    }
    if (kernel.format < RowFormat::kU8 || kernel.format > RowFormat::kTwoTier4) continue;
    kernel.place = ParameterPlace::kFirst;
    all.push_back(kernel);
  }
  for (const uint64_t choice : {0, 1, 2, 3}) {
    all.push_back(plain);
    AddCheck(&all.back(), choice);
  }
  std::set<std::string> names;
  std::set<std::string> codes;
  for (const EmbeddingKernel& kernel : all) {
    const Result<jit::CodeBytes> code = kernels::EmitEmbeddingKernel(kernel);
    ASSERT_TRUE(code.ok()) << code.status().message();
    EXPECT_TRUE(names.insert(code->name).second) << code->name;
    const std::string as_text(code->bytes.begin(), code->bytes.end());
    EXPECT_TRUE(codes.insert(as_text).second) << code->name << " has the code of another";
    EXPECT_EQ(kernels::EmitEmbeddingKernel(kernel)->bytes, code->bytes);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, EmittedEmbeddingCode, ::testing::ValuesIn(EmbeddingIsas()),
                         [](const auto& info) { return IsaName(info.param); });

// The dot product of bytes is of no use without a check: an ISA with it has the kernels of the one
// without.
TEST(EmbeddingCode, IsThatOfTheIsaWithoutVnni) {
  const struct {
    Isa with;
    Isa without;
  } pairs[] = {{Isa::kAvxVnni, Isa::kAvx2},
               {Isa::kAvx512Vnni256, Isa::kAvx512_256},
               {Isa::kAvx512Vnni, Isa::kAvx512},
               {Isa::kAvx512Bf16, Isa::kAvx512}};
  for (const auto& pair : pairs) {
    EmbeddingKernel with, without;
    with.isa = pair.with;
    without.isa = pair.without;
    EXPECT_EQ(with.Name(), without.Name());
    EXPECT_EQ(kernels::EmitEmbeddingKernel(with)->bytes,
              kernels::EmitEmbeddingKernel(without)->bytes);
  }
}

TEST(EmbeddingCode, IsRefusedWhereThereIsNone) {
  std::vector<EmbeddingKernel> refused(11);
  refused[0].isa = Isa::kScalar;
  refused[1].dimension = 0;
  refused[2].dimension = (int64_t{1} << 20) + 1;
  refused[3].format = RowFormat::kU8;    // without a type of its parameters
  refused[4].format = RowFormat::kE4M3;  // without an exponent bias
  refused[5].pooling = Pooling::kNone;
  refused[5].weights = BagWeights::kPerBagPosition;
  refused[6].index_bytes = 2;
  refused[7].output = DataType::kU8;
  refused[8].fast_subnormals = true;  // not e4m3
  refused[9].fast_subnormals = true;  // not pooled
  refused[9].format = RowFormat::kE4M3;
  refused[9].exponent_bias = 7;
  refused[9].pooling = Pooling::kNone;
  refused[10].sampled = true;  // without a check
  for (size_t i = 0; i < refused.size(); ++i) {
    EXPECT_TRUE(
        IsError(kernels::GetEmbeddingKernel(refused[i]).status(), StatusCode::kInternal, ""))
        << i;
  }
}

// After all tests of this process, so that what they had emitted is inspected as it stands in
// executable memory.
class PublishedEmbeddingCode : public ::testing::Environment {
 public:
  void TearDown() override {
    for (const jit::Kernel* kernel : jit::PublishedKernels()) {
      const std::optional<Isa> isa = IsaOfKernel(kernel->name());
      ASSERT_TRUE(isa.has_value()) << kernel->name();
      EXPECT_TRUE(IsaSupported(*isa)) << kernel->name() << " cannot run here";
      const CodeInspection inspection =
          InspectCode(static_cast<const uint8_t*>(kernel->entry()), kernel->code_size(), *isa);
      EXPECT_TRUE(inspection.ok()) << kernel->name() << ":\n" << inspection.Text();
    }
  }
};

[[maybe_unused]] const ::testing::Environment* const published_code =
    ::testing::AddGlobalTestEnvironment(new PublishedEmbeddingCode);

}  // namespace
}  // namespace qforge::test
