// What float kernels are made of, on ISAs that this machine lacks as well.
#include <gtest/gtest.h>

#include <string>

#include "cpu/isa_table.h"
#include "jit/kernel_cache.h"
#include "kernels/float_gemm_kernel.h"
#include "support/code_inspection.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

using kernels::FloatGemmKernel;

void Inspect(const FloatGemmKernel& kernel) {
  const Result<jit::CodeBytes> code = kernels::EmitFloatGemmKernel(kernel);
  ASSERT_TRUE(code.ok()) << kernel.Name() << ": " << code.status().message();
  EXPECT_EQ(code->name, kernel.Name());
  EXPECT_EQ(IsaOfKernel(code->name), kernel.isa) << code->name;
  const CodeInspection inspection = InspectCode(code->bytes.data(), code->bytes.size(), kernel.isa);
  ASSERT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
}

class EmittedFloatCode : public ::testing::TestWithParam<Isa> {};

TEST_P(EmittedFloatCode, KeepsTheRules) {
  for (const DataType weights : {DataType::kF32, DataType::kF16, DataType::kBF16}) {
    for (int vectors = 1; vectors <= kernels::kMostFloatVectors; ++vectors) {
      for (int rows = 1; rows <= kernels::MaxFloatRows(GetParam(), vectors); ++rows) {
        for (const int parts : {1, 2, 4}) {
          FloatGemmKernel kernel;
          kernel.isa = GetParam();
          kernel.weights = weights;
          kernel.vectors = vectors;
          kernel.rows = rows;
          kernel.parts = parts;
          kernel.streams = kernels::FloatStreams(kernel.isa, rows, vectors, parts);
          kernel.odd = weights == DataType::kBF16;
          ASSERT_NO_FATAL_FAILURE(Inspect(kernel));
          kernel.prefetch_bytes = 2048;
          kernel.scaled = kernel.accumulate = kernel.bias = true;
          kernel.prefetch_rows = parts == 1;
          kernel.residual = DataType::kF16;
          kernel.output = DataType::kBF16;
          kernel.activation = rows % 2 == 0 ? Activation::kClamp : Activation::kGeluErf;
          if (kernel.streams == 1 || parts > 1) kernel.tail_lanes = 3;
          ASSERT_NO_FATAL_FAILURE(Inspect(kernel));
          kernel.dot = cpu::Traits(kernel.isa).bf16 && weights == DataType::kBF16;
          ASSERT_NO_FATAL_FAILURE(Inspect(kernel));
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, EmittedFloatCode, ::testing::ValuesIn([] {
                           std::vector<Isa> isas;
                           for (const Isa isa : AllIsas()) {
                             if (isa != Isa::kScalar) isas.push_back(isa);
                           }
                           return isas;
                         }()),
                         [](const auto& info) { return IsaName(info.param); });

}  // namespace
}  // namespace qforge::test
