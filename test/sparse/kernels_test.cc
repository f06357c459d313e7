// Each kernel by itself, whatever the plan would have chosen, and the code of all of them.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <set>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "jit/kernel_cache.h"
#include "kernels/sparse_kernel.h"
#include "pack/sparse_form.h"
#include "pack/sparse_rows.h"
#include "sparse/sparse_case.h"
#include "support/code_inspection.h"

namespace qforge::test {
namespace {

using kernels::SparseKernel;

std::vector<Isa> IsasWithKernels() {
  std::vector<Isa> isas;
  for (const Isa isa : AllIsas()) {
    if (isa != Isa::kScalar) isas.push_back(isa);
  }
  return isas;
}

template <class Visit>
void ForEachKernel(Isa isa, Visit&& visit) {
  for (int rows = 16; rows <= kernels::SparseMostRows(isa); rows *= 2) {
    for (const bool accumulate : {false, true}) {
      SparseKernel kernel;
      kernel.isa = isa;
      kernel.rows = rows;
      kernel.accumulate = accumulate;
      visit(kernel);
    }
  }
}

// Takes the block of all rows through all parts with this kernel, the first of which overwrites.
void RunBlock(const SparseKernel& kernel, const SparseData& data, const TestMatrix& output) {
  const pack::SparseForm form = pack::MakeSparseForm(data.weights(), kernel.isa);
  for (const pack::SparsePart& part : form.parts) {
    SparseKernel actual = kernel;
    actual.accumulate = kernel.accumulate || &part != &form.parts.front();
    auto* const function = kernels::GetSparseKernel(actual).value()->As<kernels::SparseFunction>();
    GuardedBuffer<uint8_t> block(
        static_cast<int64_t>(part.strips.size()) * kernels::kSparseStripInputs * kernel.rows,
        Guard::kBehind);
    GuardedBuffer<int32_t> sums(
        int64_t{kernels::kSparsePanelTiles} * kernels::kSparseTileColumns * kernel.rows,
        Guard::kBehind);
    pack::TransposeRows(data.input.view<const uint8_t>(), part, kernel.rows, block.data());
    block.Seal();
    kernels::SparseArguments arguments;
    arguments.block = block.data();
    arguments.quads = part.quads.data();
    arguments.tiles = part.tiles.data();
    arguments.tiles_end = part.tiles.data() + part.tiles.size();
    arguments.row_count = data.c.rows;
    arguments.output = output.data<int32_t>();
    arguments.output_stride = output.stride() * int64_t{sizeof(int32_t)};
    arguments.outputs = data.c.outputs;
    arguments.sums = sums.data();
    function(&arguments);
    EXPECT_TRUE(block.CanariesIntact() && sums.CanariesIntact());
  }
}

class SparseKernels : public ::testing::TestWithParam<Isa> {
 protected:
  void SetUp() override {
    if (!IsaSupported(GetParam())) GTEST_SKIP() << "this machine cannot run it";
  }
};

TEST_P(SparseKernels, EveryRowCountAndTail) {
  uint64_t seed = 1;
  ForEachKernel(GetParam(), [&](const SparseKernel& kernel) {
    for (int64_t rows = 1; rows <= kernel.rows; ++rows) {
      SparseCase c;
      c.rows = rows;
      c.outputs = 1 + (++seed * 7) % 150;  // beyond a panel
      c.inputs = 1 + (seed * 5) % 70;
      c.density = 0.3;
      c.accumulate = kernel.accumulate;
      c.gap = static_cast<int64_t>(seed % 3);
      c.guard = seed % 2 == 0 ? Guard::kBehind : Guard::kInFront;
      c.seed = seed;
      SparseData data(c);
      data.Seal();
      const TestMatrix output = data.MakeOutput(c.guard);
      if (!kernel.accumulate && !pack::MakeSparseForm(data.weights(), kernel.isa).has_all_tiles) {
        continue;
      }
      RunBlock(kernel, data, output);
      ASSERT_TRUE(SameBits(data.Expected(), output)) << kernel.Name() << ": " << c;
      ASSERT_TRUE(output.CanariesIntact()) << kernel.Name() << ": " << c;
    }
  });
}

TEST_P(SparseKernels, OneRowAtATime) {
  uint64_t seed = 1000;
  for (const double density : {0.01, 0.1, 0.6}) {
    for (const int64_t inputs : {1, 30, 500, 5000}) {
      SparseCase c;
      c.outputs = 300;
      c.inputs = inputs;
      c.density = density;
      c.accumulate = true;
      c.seed = ++seed;
      SparseData data(c);
      data.Seal();
      const TestMatrix output = data.MakeOutput(Guard::kBehind);
      for (const pack::SparsePart& part : pack::MakeSparseForm(data.weights(), GetParam()).parts) {
        GuardedBuffer<uint8_t> slots(
            static_cast<int64_t>(part.strips.size()) * kernels::kSparseStripInputs, Guard::kBehind);
        pack::GatherRow(data.input.data<uint8_t>(), inputs, part, slots.data());
        int32_t* const row = output.data<int32_t>();
        kernels::AddSparseRow(part.Row(0, 256), slots.data(), row, row);
        kernels::AddSparseRow(part.Row(256, 300), slots.data(), row, row);
      }
      ASSERT_TRUE(SameBits(data.Expected(), output)) << c;
    }
  }
}

// Without VNNI no two weights whose products could leave s16 share half of a quad.
TEST_P(SparseKernels, PairsFitIn16Bits) {
  for (const Values values :
       {Values::kAny, Values::kPositive, Values::kNegative, Values::kExtreme}) {
    SparseCase c;
    c.outputs = 40;
    c.inputs = 100;
    c.density = 0.5;
    c.values = values;
    const SparseData data(c);
    int64_t weights = 0;
    for (const pack::SparsePart& part : pack::MakeSparseForm(data.weights(), GetParam()).parts) {
      for (const kernels::SparseQuad& quad : part.quads) {
        for (int half = 0; half < 4; half += 2) {
          const int a = quad.weights[half], b = quad.weights[half + 1];
          weights += (a != 0) + (b != 0);
          if (cpu::Traits(GetParam()).vnni) continue;
          EXPECT_LE(255 * (std::max(a, 0) + std::max(b, 0)), 32767) << a << ", " << b;
          EXPECT_GE(255 * (std::min(a, 0) + std::min(b, 0)), -32768) << a << ", " << b;
        }
      }
    }
    int64_t expected = 0;
    for (int8_t value : data.values) expected += value != 0;
    EXPECT_EQ(weights, expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Isas, SparseKernels, ::testing::ValuesIn(IsasWithKernels()),
                         [](const auto& info) { return IsaName(info.param); });

class SparseCode : public ::testing::TestWithParam<Isa> {};

TEST_P(SparseCode, KeepsTheRules) {
  std::set<std::string> names;
  int kernels_seen = 0;
  ForEachKernel(GetParam(), [&](const SparseKernel& kernel) {
    const Result<jit::CodeBytes> code = kernels::EmitSparseKernel(kernel);
    ASSERT_TRUE(code.ok()) << code.status().message();
    EXPECT_EQ(code->name, kernel.Name());
    EXPECT_EQ(IsaOfKernel(code->name), kernel.isa) << code->name;
    const CodeInspection inspection =
        InspectCode(code->bytes.data(), code->bytes.size(), kernel.isa);
    EXPECT_TRUE(inspection.ok()) << code->name << ":\n" << inspection.Text();
    EXPECT_EQ(inspection.instruction_bytes, code->instruction_bytes) << code->name;
    names.insert(kernel.Name());
    ++kernels_seen;
  });
  EXPECT_EQ(names.size(), static_cast<size_t>(kernels_seen));
  EXPECT_GE(kernels_seen, 4);
}

INSTANTIATE_TEST_SUITE_P(Isas, SparseCode, ::testing::ValuesIn(IsasWithKernels()),
                         [](const auto& info) { return IsaName(info.param); });

}  // namespace
}  // namespace qforge::test
