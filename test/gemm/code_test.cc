// What kernels are made of. The rules are those of support/code_inspection.h; here is which kernels
// they are held against: all that descriptors can ask for, also on ISAs that this machine lacks,
// and every one that the tests of this program had published.
#include <gtest/gtest.h>

#include <set>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "gemm/linear_case.h"
#include "jit/kernel_cache.h"
#include "kernels/array_kernels.h"
#include "kernels/float_row_check.h"
#include "kernels/gemm_kernel.h"
#include "kernels/row_check.h"
#include "plan/summation.h"
#include "support/code_inspection.h"

namespace qforge::test {
namespace {

using kernels::ArrayKernel;
using kernels::ArrayOperation;
using kernels::GemmKernel;
using kernels::Summation;

// Emits the kernel and expects its code to keep the rules. Returns how many instructions it has.
template <class Descriptor, class Emit>
int Inspect(const Descriptor& kernel, Emit&& emit) {
  const Result<jit::CodeBytes> code = emit(kernel);
  EXPECT_TRUE(code.ok()) << kernel.Name() << ": " << code.status().message();
  if (!code.ok()) return 0;
  EXPECT_EQ(code->name, kernel.Name());
  EXPECT_EQ(IsaOfKernel(code->name), kernel.isa) << code->name;
  const CodeInspection inspection = InspectCode(code->bytes.data(), code->bytes.size(), kernel.isa);
  EXPECT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
  EXPECT_EQ(inspection.instruction_bytes, code->instruction_bytes) << code->name;
  return inspection.instructions;
}

int InspectGemm(const GemmKernel& kernel) { return Inspect(kernel, kernels::EmitGemmKernel); }

constexpr DataType kOutputs[] = {DataType::kU8,  DataType::kS8,  DataType::kS32,
                                 DataType::kF32, DataType::kF16, DataType::kBF16};
constexpr DataType kResiduals[] = {DataType::kNone, DataType::kU8,  DataType::kS8,
                                   DataType::kF32,  DataType::kF16, DataType::kBF16};

class EmittedCode : public ::testing::TestWithParam<Isa> {
 protected:
  // All tiles that fit the registers of this ISA; `depth` is that of kNarrow.
  template <class Visit>
  static void ForEachTileOf(Summation summation, int depth, Visit&& visit) {
    const int most_vectors = kernels::MaxVectors(GetParam(), summation, depth);
    for (int vectors = 1; vectors <= most_vectors; ++vectors) {
      for (int rows = 1; rows <= kernels::MaxRows(GetParam(), summation, vectors); ++rows) {
        GemmKernel kernel;
        kernel.isa = GetParam();
        kernel.summation = summation;
        kernel.depth = depth;
        kernel.rows = rows;
        kernel.vectors = vectors;
        visit(kernel);
      }
    }
  }
  template <class Visit>
  static void ForEachTile(Visit&& visit) {
    ForEachTileOf(kernels::AnySummation(GetParam()), 0, visit);
  }
};

// On ISAs that sum in 16 bits, and on those that have the dot product instead.
class EmittedCodeWithoutVnni : public EmittedCode {};
class EmittedCodeWithVnni : public EmittedCode {};

TEST_P(EmittedCode, EveryTileAndTail) {
  const int columns = kernels::VectorColumns(GetParam());
  // Without a dot product of bytes A is prepared, and no k is left over; see GemmKernel.
  const int k_tails = cpu::Traits(GetParam()).vnni ? 4 : 1;
  ForEachTile([&](GemmKernel kernel) {
    for (const DataType output : kOutputs) {
      kernel.output = output;
      kernel.tail_lanes =
          (kernel.rows * 5 + kernel.vectors * 3 + static_cast<int>(output)) % columns;
      for (kernel.k_tail = 0; kernel.k_tail < k_tails; ++kernel.k_tail) {
        ASSERT_GT(InspectGemm(kernel), 0);
      }
    }
  });
}

TEST_P(EmittedCode, EveryColumnTail) {
  for (int tail = 0; tail < kernels::VectorColumns(GetParam()); ++tail) {
    for (const DataType output : kOutputs) {
      for (const DataType residual : kResiduals) {
        if (output == DataType::kS32 && residual != DataType::kNone) continue;
        const kernels::Summation summation = kernels::AnySummation(GetParam());
        for (int vectors = 1; vectors <= kernels::MaxVectors(GetParam(), summation); ++vectors) {
          GemmKernel kernel;
          kernel.isa = GetParam();
          kernel.summation = summation;
          kernel.rows = 2;
          kernel.vectors = vectors;
          kernel.tail_lanes = tail;
          kernel.output = output;
          kernel.residual = residual;
          ASSERT_GT(InspectGemm(kernel), 0);
        }
      }
    }
  }
}

TEST_P(EmittedCode, EveryEpilogueOnTheLargestTiles) {
  const kernels::Summation summation = kernels::AnySummation(GetParam());
  for (int vectors = 1; vectors <= kernels::MaxVectors(GetParam(), summation); ++vectors) {
    // A third of all choices with each number of vectors.
    for (int choice = vectors % 3; choice < 6 * 6 * 128; choice += 3) {
      GemmKernel kernel;
      kernel.isa = GetParam();
      kernel.summation = summation;
      kernel.vectors = vectors;
      kernel.rows = kernels::MaxRows(GetParam(), summation, vectors);
      kernel.output = kOutputs[choice / 128 % 6];
      kernel.per_row = (choice & 1) != 0;
      kernel.weight_zero_points = (choice & 2) != 0;
      kernel.lower_clamp = (choice & 4) != 0;
      const bool scaled = kernel.output != DataType::kS32;
      kernel.float_bias = scaled && (choice & 8) != 0;
      kernel.accumulate = !scaled && (choice & 8) != 0;
      const bool bytes = DataTypeSize(kernel.output) == 1;
      kernel.bounded = bytes && (choice & 16) != 0;
      kernel.upper_clamp = (kernel.bounded || !bytes) && scaled && (choice & 32) != 0;
      kernel.tail_lanes = (choice & 64) != 0 ? 3 : 0;
      kernel.residual = scaled ? kResiduals[choice / 128 / 6] : DataType::kNone;
      ASSERT_GT(InspectGemm(kernel), 0);
    }
  }
}

TEST_P(EmittedCode, WaysThroughTheWeights) {
  ForEachTile([&](GemmKernel kernel) {
    for (const int groups : {0, 1, 2, 9, kernels::kMostFixedGroups}) {
      kernel.fixed_groups = groups;
      ASSERT_GT(InspectGemm(kernel), 0);
    }
    kernel.fixed_groups = kernels::kCountedGroups;
    kernel.prefetch = true;
    ASSERT_GT(InspectGemm(kernel), 0);
  });
}

// Steps of every depth, of every tile that may have them.
TEST_P(EmittedCodeWithoutVnni, NarrowSteps) {
  for (const int depth : plan::kNarrowDepths) {
    ForEachTileOf(Summation::kNarrow, depth, [&](GemmKernel kernel) {
      for (const DataType output : kOutputs) {
        kernel.output = output;
        kernel.tail_lanes = (kernel.rows * 5 + kernel.vectors * 3 + static_cast<int>(output)) %
                            kernels::VectorColumns(GetParam());
        kernel.prefetch = (kernel.rows + static_cast<int>(output)) % 2 == 0;
        kernel.near_prefetch = !kernel.prefetch && depth % 2 == 0;
        ASSERT_GT(InspectGemm(kernel), 0);
        kernel.per_row = kernel.weight_zero_points = true;
        ASSERT_GT(InspectGemm(kernel), 0);
        kernel.per_row = kernel.weight_zero_points = false;
      }
    });
  }
}

TEST_P(EmittedCodeWithoutVnni, SaturatingSums) {
  ForEachTileOf(Summation::kSaturating, 0, [&](GemmKernel kernel) {
    for (const DataType output : kOutputs) {
      kernel.output = output;
      kernel.tail_lanes = (kernel.rows * 5 + kernel.vectors * 3 + static_cast<int>(output)) %
                          kernels::VectorColumns(GetParam());
      for (kernel.k_tail = 0; kernel.k_tail < 4; ++kernel.k_tail) {
        ASSERT_GT(InspectGemm(kernel), 0);
      }
    }
  });
}

// Wide groups behind the panels of the dot product.
TEST_P(EmittedCodeWithVnni, Outliers) {
  ForEachTileOf(Summation::kDot, 0, [&](GemmKernel kernel) {
    kernel.outliers = true;
    for (const DataType output : kOutputs) {
      kernel.output = output;
      kernel.tail_lanes = (kernel.rows * 5 + kernel.vectors * 3 + static_cast<int>(output)) %
                          kernels::VectorColumns(GetParam());
      for (kernel.k_tail = 0; kernel.k_tail < 4; ++kernel.k_tail) {
        kernel.prefetch = kernel.k_tail % 2 == 0;
        kernel.fixed_groups = kernel.prefetch ? kernels::kCountedGroups : kernel.rows;
        ASSERT_GT(InspectGemm(kernel), 0);
      }
    }
  });
}

// Kernels with different descriptors have different names, and equal ones equal bytes.
// Sums of rows, with and without faults, in every tile; and the kernels that check them.
TEST_P(EmittedCode, RowSums) {
  const auto inspect = [](GemmKernel kernel) {
    kernel.sums_rows = true;
    kernel.output =
        kOutputs[static_cast<size_t>(kernel.rows + kernel.vectors) % std::size(kOutputs)];
    kernel.tail_lanes = kernel.rows * 5 % kernels::VectorColumns(GetParam());
    ASSERT_GT(InspectGemm(kernel), 0);
    kernel.injects = true;
    ASSERT_GT(InspectGemm(kernel), 0);
  };
  ForEachTile(inspect);
  if (!cpu::Traits(GetParam()).vnni) {
    for (const int depth : plan::kNarrowDepths) ForEachTileOf(Summation::kNarrow, depth, inspect);
  }
  for (const bool widened : {false, true}) {
    kernels::RowCheckKernel check;
    check.isa = GetParam();
    check.widened = widened;
    for (check.digits = 1; check.digits <= kernels::MostRowCheckDigits(check); ++check.digits) {
      ASSERT_GT(Inspect(check, kernels::EmitRowCheckKernel), 0);
    }
    ASSERT_GT(Inspect(kernels::FloatRowCheckKernel{GetParam(), widened},
                      kernels::EmitFloatRowCheckKernel),
              0);
  }
}

TEST_P(EmittedCode, NamesTellKernelsApart) {
  GemmKernel plain;
  plain.isa = GetParam();
  plain.summation = kernels::AnySummation(GetParam());
  std::vector<GemmKernel> all(23, plain);
  all[1].rows = 2;
  all[2].vectors = 2;
  all[3].tail_lanes = 1;
  all[4].k_tail = 1;
  all[5].fixed_groups = 4;
  all[6].prefetch = true;
  all[7].output = DataType::kS32;
  all[8].output = DataType::kS32;
  all[8].accumulate = true;
  all[9].float_bias = true;
  all[10].per_row = true;
  all[11].weight_zero_points = true;
  all[12].residual = DataType::kU8;
  all[13].lower_clamp = true;
  all[14].upper_clamp = true;
  all[15].bounded = true;
  all[16].outliers = true;
  all[17].summation = Summation::kSaturating;
  all[18].summation = all[19].summation = all[20].summation = Summation::kNarrow;
  all[18].depth = 4;
  all[19].depth = all[20].depth = 8;
  all[20].near_prefetch = true;
  all[21].sums_rows = all[22].sums_rows = true;
  all[22].injects = true;
  std::set<std::string> names;
  for (const GemmKernel& kernel : all) names.insert(kernel.Name());
  EXPECT_EQ(names.size(), all.size());

  const Result<jit::CodeBytes> once = kernels::EmitGemmKernel(plain);
  const Result<jit::CodeBytes> again = kernels::EmitGemmKernel(plain);
  ASSERT_TRUE(once.ok() && again.ok());
  EXPECT_EQ(once->bytes, again->bytes);
}

TEST_P(EmittedCode, ArrayKernels) {
  for (int operation = 0; operation < kernels::kArrayOperationCount; ++operation) {
    int existing = 0;
    for (const DataType type :
         {DataType::kNone, DataType::kU8, DataType::kS8, DataType::kF16, DataType::kBF16}) {
      ArrayKernel kernel;
      kernel.isa = GetParam();
      kernel.operation = static_cast<ArrayOperation>(operation);
      kernel.type = type;
      if (!kernels::EmitArrayKernel(kernel).ok()) continue;
      ++existing;
      ASSERT_GT(Inspect(kernel, kernels::EmitArrayKernel), 0);
    }
    EXPECT_GT(existing, 0) << "array operation " << operation;
  }
}

std::vector<Isa> IsasWithKernels() {
  std::vector<Isa> isas;
  for (const Isa isa : AllIsas()) {
    if (isa != Isa::kScalar) isas.push_back(isa);
  }
  return isas;
}

std::vector<Isa> IsasWithVnni(bool vnni) {
  std::vector<Isa> isas;
  for (const Isa isa : IsasWithKernels()) {
    if (cpu::Traits(isa).vnni == vnni) isas.push_back(isa);
  }
  return isas;
}

std::string NameOfIsa(const ::testing::TestParamInfo<Isa>& info) { return IsaName(info.param); }

INSTANTIATE_TEST_SUITE_P(Isas, EmittedCode, ::testing::ValuesIn(IsasWithKernels()), NameOfIsa);
INSTANTIATE_TEST_SUITE_P(Isas, EmittedCodeWithoutVnni, ::testing::ValuesIn(IsasWithVnni(false)),
                         NameOfIsa);
INSTANTIATE_TEST_SUITE_P(Isas, EmittedCodeWithVnni, ::testing::ValuesIn(IsasWithVnni(true)),
                         NameOfIsa);

// --- The inspection itself -----------------------------------------------------------------------

struct BadCode {
  const char* name;
  std::vector<uint8_t> bytes;
  Isa isa;
  const char* reason;
};

const BadCode kBadCode[] = {
    {"truncated", {0xC5, 0xF8}, Isa::kAvx2, "does not decode"},
    {"falls_off_the_end", {0x90}, Isa::kAvx2, "leaves the code"},
    {"jumps_outside", {0xEB, 0x10, 0xC3}, Isa::kAvx2, "leaves the code"},
    {"computed_jump", {0xFF, 0xE0}, Isa::kAvx2, "computed"},
    {"vnni_on_avx2", {0x62, 0xF2, 0x75, 0x28, 0x50, 0xC2, 0xC3}, Isa::kAvx2, "AVX512_VNNI_256"},
    {"evex_vnni_on_avx_vnni", {0x62, 0xF2, 0x75, 0x28, 0x50, 0xC2, 0xC3}, Isa::kAvxVnni, "EVEX"},
    {"vex_vnni_on_avx512", {0xC4, 0xE2, 0x75, 0x50, 0xC2, 0xC3}, Isa::kAvx512Vnni, "AVX_VNNI"},
    {"zmm_on_avx512_256", {0x62, 0xF1, 0x75, 0x48, 0xFE, 0xC2, 0xC3}, Isa::kAvx512_256, "wider"},
    {"vbmi_on_avx512", {0x62, 0xF2, 0x75, 0x48, 0x8D, 0xC2, 0xC3}, Isa::kAvx512Vnni, "VBMI"},
    {"sse", {0x66, 0x0F, 0xFE, 0xC1, 0xC3}, Isa::kAvx2, "SSE2"},
    {"bmi2", {0xC4, 0xE2, 0xF9, 0xF7, 0xC1, 0xC3}, Isa::kAvx512Vnni, "BMI2"},
    {"absolute_immediate", {0x48, 0xB8, 1, 2, 3, 4, 5, 6, 7, 8, 0xC3}, Isa::kAvx2, "64-bit"},
    {"absolute_address", {0x8B, 0x04, 0x25, 0, 0, 0, 0x10, 0xC3}, Isa::kAvx2, "absolute address"},
    {"rip_beyond_the_code", {0x8B, 0x05, 0x10, 0, 0, 0, 0xC3}, Isa::kAvx2, "not data"},
    {"rip_into_instructions", {0x8B, 0x05, 0xF9, 0xFF, 0xFF, 0xFF, 0xC3}, Isa::kAvx2, "not data"},
    {"clobbers_rbx", {0x31, 0xDB, 0xC3}, Isa::kAvx2, "not pushed"},
    {"clobbers_low_part_of_r12", {0x41, 0xB4, 0x01, 0xC3}, Isa::kAvx2, "not pushed"},
    {"pops_another_register", {0x53, 0x31, 0xDB, 0x5D, 0xC3}, Isa::kAvx2, "pops what was not"},
    {"forgets_to_pop", {0x53, 0xC3}, Isa::kAvx2, "returns before"},
    {"moves_the_stack_pointer", {0x48, 0x83, 0xEC, 0x08, 0xC3}, Isa::kAvx2, "stack pointer"},
    {"calls", {0xE8, 0, 0, 0, 0, 0xC3}, Isa::kAvx2, "calls"},
    {"dirty_upper_halves", {0xC5, 0xF5, 0xFE, 0xC2, 0xC3}, Isa::kAvx2, "dirty"},
    {"dead_bytes", {0xEB, 0x01, 0x90, 0xC3}, Isa::kAvx2, "no path reaches"},
};

TEST(CodeInspection, FindsEachViolation) {
  for (const BadCode& bad : kBadCode) {
    const CodeInspection found = InspectCode(bad.bytes.data(), bad.bytes.size(), bad.isa);
    EXPECT_FALSE(found.ok()) << bad.name;
    EXPECT_NE(found.Text().find(bad.reason), std::string::npos) << bad.name << ":\n"
                                                                << found.Text();
  }
}

TEST(CodeInspection, AcceptsWhatIsGood) {
  // push rbx; mov ebx, [rip + 10]; vpaddd ymm0, ymm1, ymm2; vzeroupper; pop rbx; ret; 5 data bytes.
  const std::vector<uint8_t> good = {0x53, 0x8B, 0x1D, 0x09, 0,    0,    0, 0xC5, 0xF5, 0xFE,
                                     0xC2, 0xC5, 0xF8, 0x77, 0x5B, 0xC3, 1, 2,    3,    4};
  const CodeInspection found = InspectCode(good.data(), good.size(), Isa::kAvx2);
  EXPECT_TRUE(found.ok()) << found.Text();
  EXPECT_EQ(found.instructions, 6);
  EXPECT_EQ(found.instruction_bytes, 16u);
}

// --- What was published --------------------------------------------------------------------------

// After all tests of this process, so that what they had emitted is inspected as it stands in
// executable memory.
class PublishedCode : public ::testing::Environment {
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
    ::testing::AddGlobalTestEnvironment(new PublishedCode);

}  // namespace
}  // namespace qforge::test
