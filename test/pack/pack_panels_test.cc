#include "pack/pack_panels.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/random.h"
#include "support/test_matrix.h"

namespace qforge::pack {
namespace {

using test::Guard;
using test::GuardedBuffer;
using test::Random;
using test::TestMatrix;

struct PackCase {
  Isa isa = Isa::kAvx2;
  WeightsLayout order = WeightsLayout::kInputsByOutputs;
  int64_t inputs = 0;
  int64_t outputs = 0;
  int64_t gap = 0;  // between the rows of the source
  Guard guard = Guard::kBehind;

  bool by_row() const { return order == WeightsLayout::kInputsByOutputs; }
  std::string Name() const {
    return std::string(IsaName(isa)) + (by_row() ? ", K x N, K " : ", N x K, K ") +
           std::to_string(inputs) + ", N " + std::to_string(outputs) + ", gap " +
           std::to_string(gap);
  }
};

// The panels as kernels/gemm_kernel.h describes them.
std::vector<int8_t> ExpectedPanels(const PackCase& c, const PanelLayout& layout,
                                   const TestMatrix& weights) {
  std::vector<int8_t> packed(static_cast<size_t>(layout.product_bytes));
  for (int64_t j = 0; j < c.outputs; ++j) {
    const int64_t panel = j / layout.panel_columns();
    const int64_t width = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
    for (int64_t k = 0; k < c.inputs; ++k) {
      const int64_t column_in_group = k / layout.group_size * width + j % layout.panel_columns();
      packed[static_cast<size_t>(layout.PanelOffset(0, panel) +
                                 column_in_group * layout.group_size + k % layout.group_size)] =
          c.by_row() ? weights.at<int8_t>(k, j) : weights.at<int8_t>(j, k);
    }
  }
  return packed;
}

std::vector<int64_t> ExpectedSums(const PackCase& c, const TestMatrix& weights, int64_t before) {
  std::vector<int64_t> sums(static_cast<size_t>(c.outputs), before);
  for (int64_t j = 0; j < c.outputs; ++j) {
    for (int64_t k = 0; k < c.inputs; ++k) {
      sums[static_cast<size_t>(j)] +=
          c.by_row() ? weights.at<int8_t>(k, j) : weights.at<int8_t>(j, k);
    }
  }
  return sums;
}

// Packs in two parts, cut between any two panels, and compares every byte and sum.
void Check(const PackCase& c, TestMatrix& weights, Random& random) {
  SCOPED_TRACE(c.Name());
  weights.Seal();
  const PanelLayout layout =
      MakePanelLayout(c.isa, kernels::AnySummation(c.isa), c.inputs, c.outputs, 1);
  const WeightsSource source{weights.data<int8_t>(), weights.stride(), c.order};
  const GuardedBuffer<int8_t> packed(layout.product_bytes, c.guard);
  constexpr int64_t kBefore = -7;  // sums are added to
  std::vector<int64_t> sums(static_cast<size_t>(c.outputs), kBefore);
  const int64_t cut = random.Integer<int64_t>(0, layout.panels);
  PackPanels(layout, source, 0, cut, packed.data(), sums.data());
  PackPanels(layout, source, cut, layout.panels, packed.data(), sums.data());

  const std::vector<int8_t> expected = ExpectedPanels(c, layout, weights);
  const auto difference = std::mismatch(expected.begin(), expected.end(), packed.begin());
  EXPECT_EQ(difference.first - expected.begin(), layout.product_bytes)
      << "the first byte that differs";
  EXPECT_TRUE(packed.CanariesIntact());
  EXPECT_EQ(sums, ExpectedSums(c, weights, kBefore));
}

TestMatrix MakeWeights(const PackCase& c) {
  return TestMatrix(DataType::kS8, c.by_row() ? c.inputs : c.outputs,
                    c.by_row() ? c.outputs : c.inputs, c.gap, c.guard);
}

class PackPanelsTest : public ::testing::TestWithParam<Isa> {};

TEST_P(PackPanelsTest, RandomShapes) {
  Random random(static_cast<uint64_t>(GetParam()));
  for (int i = 0; i < 500 && !HasFailure(); ++i) {
    PackCase c;
    c.isa = GetParam();
    c.order = i % 2 == 0 ? WeightsLayout::kInputsByOutputs : WeightsLayout::kOutputsByInputs;
    c.inputs = random.Integer<int64_t>(0, i % 5 == 0 ? 700 : 80);
    c.outputs = random.Integer<int64_t>(1, i % 3 == 0 ? 400 : 80);
    c.gap = random.Integer<int64_t>(0, 2) * 9;
    c.guard = i % 4 < 2 ? Guard::kBehind : Guard::kInFront;
    TestMatrix weights = MakeWeights(c);
    weights.SetRandom(random);
    Check(c, weights, random);
  }
}

// Sums are largest here; what they are collected in must not overflow at any K.
TEST_P(PackPanelsTest, ExtremeWeights) {
  Random random(1);
  for (int value : {-128, 127}) {
    for (WeightsLayout order : {WeightsLayout::kInputsByOutputs, WeightsLayout::kOutputsByInputs}) {
      for (int64_t inputs : {127, 128, 129, 256, 1000}) {
        PackCase c;
        c.isa = GetParam();
        c.order = order;
        c.inputs = inputs;
        c.outputs = 200;
        TestMatrix weights = MakeWeights(c);
        weights.Set([&](int64_t, int64_t) { return value; });
        Check(c, weights, random);
      }
    }
  }
}

std::vector<Isa> IsasWithPanels() {
  std::vector<Isa> isas = test::AllIsas();
  isas.erase(std::remove(isas.begin(), isas.end(), Isa::kScalar), isas.end());
  return isas;
}

// Packing needs no more than the baseline, so that panels of every ISA can be made here.
INSTANTIATE_TEST_SUITE_P(Isas, PackPanelsTest, ::testing::ValuesIn(IsasWithPanels()),
                         [](const auto& info) { return std::string(IsaName(info.param)); });

}  // namespace
}  // namespace qforge::pack
