// The emitted kernels, also for ISAs that this machine lacks: nothing but their instructions.
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "kernels/table_quantize.h"
#include "support/code_inspection.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

using kernels::TableQuantizeKernel;
using kernels::TableQuantizeOperation;

TEST(TableQuantizeKernels, AreEmittedForEveryIsaUnderNamesOfTheirOwn) {
  std::set<std::string> names;
  for (const Isa isa : AllIsas()) {
    if (isa == Isa::kScalar) continue;
    for (int operation = 0; operation < kernels::kTableQuantizeOperationCount; ++operation) {
      const TableQuantizeKernel kernel{isa, static_cast<TableQuantizeOperation>(operation)};
      const Result<jit::CodeBytes> code = kernels::EmitTableQuantizeKernel(kernel);
      ASSERT_TRUE(code.ok()) << code.status().message();
      EXPECT_EQ(code->name, kernel.Name());
      const CodeInspection inspection = InspectCode(code->bytes.data(), code->bytes.size(), isa);
      EXPECT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
      names.insert(code->name);
    }
  }
  EXPECT_EQ(names.size(),
            static_cast<size_t>((kIsaCount - 1) * kernels::kTableQuantizeOperationCount));
}

TEST(TableQuantizeKernels, ThatDoNotExistAreErrors) {
  for (const TableQuantizeKernel& kernel :
       {TableQuantizeKernel{Isa::kScalar, TableQuantizeOperation::kLoadF32},
        TableQuantizeKernel{static_cast<Isa>(kIsaCount), TableQuantizeOperation::kLoadF32},
        TableQuantizeKernel{Isa::kAvx2, static_cast<TableQuantizeOperation>(
                                            kernels::kTableQuantizeOperationCount)}}) {
    EXPECT_TRUE(
        IsError(kernels::EmitTableQuantizeKernel(kernel).status(), StatusCode::kInternal, ""));
    EXPECT_TRUE(
        IsError(kernels::GetTableQuantizeKernel(kernel).status(), StatusCode::kInternal, ""));
  }
}

}  // namespace
}  // namespace qforge::test
