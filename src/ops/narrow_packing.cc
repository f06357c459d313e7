#include "ops/narrow_packing.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <limits>

#include "base/arithmetic.h"
#include "kernels/gemm_kernel.h"
#include "plan/summation.h"

namespace qforge {
namespace {

using pack::NarrowPanel;
using pack::NarrowRules;
using pack::NarrowShares;
using pack::PanelLayout;

// Panels, and the inputs of each, that are packed with each width and depth, to choose one. Deep
// weights that are not worth it would take long to show that to the end.
constexpr int64_t kSampledPanels = 4;
constexpr int64_t kSampledInputs = 4096;

// One product, in groups of 4 k.
struct DenseProduct {
  base::AlignedBuffer panels;
  std::vector<int64_t> sums;
};

Result<DenseProduct> Allocate(const PanelLayout& layout) {
  DenseProduct dense;
  Result<base::AlignedBuffer> buffer =
      base::AlignedBuffer::Allocate(static_cast<size_t>(layout.product_bytes), "weights");
  if (!buffer.ok()) return buffer.status();
  dense.panels = std::move(buffer).value();
  dense.sums.assign(static_cast<size_t>(layout.outputs), 0);
  return dense;
}

void PackDense(const PanelLayout& layout, const pack::WeightsSource& source, int64_t panel_begin,
               int64_t panel_end, DenseProduct* dense) {
  pack::PackPanels(layout, source, panel_begin, panel_end, dense->panels.As<int8_t>(),
                   dense->sums.data());
}

// How a matrix is packed: the layout before there are sections, and what holds for all panels.
struct NarrowPlan {
  PanelLayout layout;
  NarrowRules rules;
  int main_bits = 8;
};

NarrowPlan MakePlan(const PackingRequest& request, int32_t activation_maximum, int main_bits,
                    int depth) {
  NarrowPlan plan;
  plan.main_bits = main_bits;
  plan.layout = pack::MakePanelLayout(request.isa, kernels::Summation::kNarrow, request.inputs,
                                      request.outputs, request.products(), depth);
  plan.rules.vector_columns = plan.layout.vector_columns;
  plan.rules.depth = depth;
  plan.rules.largest_sum = plan::LargestNarrowSum(activation_maximum);
  return plan;
}

// Takes outliers out of `dense`.
NarrowPanel PackPanel(const PackingRequest& request, const NarrowPlan& plan, int64_t product,
                      int64_t panel, DenseProduct* dense) {
  const PanelLayout& layout = plan.layout;
  const int vectors = layout.VectorsOf(panel);
  NarrowRules rules = plan.rules;
  rules.columns = vectors * rules.vector_columns;
  rules.step_cost = vectors * plan::NarrowStepCost(rules.depth);
  rules.wide_group_cost = vectors * plan::kWideGroupCost;
  int8_t* groups = dense->panels.As<int8_t>() + layout.PanelOffset(0, panel);
  std::vector<pack::WideGroup> outliers;
  if (request.has_outliers() || plan.main_bits < 8) {
    pack::ColumnRange range;
    range.begin = product * layout.outputs + panel * layout.panel_columns();
    range.columns = rules.columns;
    range.end = (product + 1) * layout.outputs;
    outliers = pack::TakeOutliers(request.outliers, range, layout.inputs, plan.main_bits, groups);
  }
  return pack::PackNarrowPanel(rules, groups, layout.inputs, outliers);
}

// What packing some of the panels shows.
Result<NarrowShares> Sample(const PackingRequest& request, const NarrowPlan& plan) {
  Result<DenseProduct> dense = Allocate(plan.layout);
  if (!dense.ok()) return dense.status();
  NarrowShares shares;
  const int64_t samples = std::min(kSampledPanels, plan.layout.panels);
  for (int64_t i = 0; i < samples; ++i) {
    const int64_t panel = i * plan.layout.panels / samples;
    PackDense(plan.layout, request.sources[0], panel, panel + 1, &*dense);
    shares.Add(PackPanel(request, plan, 0, panel, &*dense).shares);
  }
  return shares;
}

// What a group of one vector costs.
double CostPerGroup(const NarrowShares& shares) {
  return shares.cost / static_cast<double>(shares.groups);
}

// The most bytes that one product's panels take.
int64_t LargestProduct(const std::vector<NarrowPanel>& panels, int64_t panels_each) {
  int64_t most = 0;
  int64_t bytes = 0;
  for (size_t i = 0; i < panels.size(); ++i) {
    if (static_cast<int64_t>(i) % panels_each == 0) bytes = 0;
    bytes += static_cast<int64_t>(panels[i].bytes.size());
    most = std::max(most, bytes);
  }
  return most;
}

// sum_k |B - zero_point| of each column.
void FindMagnitudes(const PanelLayout& layout, const DenseProduct& dense,
                    const int32_t* zero_points, int64_t* magnitudes) {
  std::fill_n(magnitudes, layout.outputs, 0);
  for (int64_t panel = 0; panel < layout.panels; ++panel) {
    const int64_t begin = panel * layout.panel_columns();
    const int64_t width = int64_t{layout.VectorsOf(panel)} * layout.vector_columns;
    const int64_t columns = std::min(width, layout.outputs - begin);
    const int8_t* weights = dense.panels.As<int8_t>() + layout.PanelOffset(0, panel);
    for (int64_t k = 0; k < layout.inputs; k += layout.group_size) {
      const int64_t there = std::min<int64_t>(layout.group_size, layout.inputs - k);
      for (int64_t j = 0; j < columns; ++j) {
        const int32_t zero_point = zero_points == nullptr ? 0 : zero_points[begin + j];
        int32_t sum = 0;
        for (int64_t i = 0; i < there; ++i) {
          sum += std::abs(weights[j * layout.group_size + i] - zero_point);
        }
        magnitudes[begin + j] += sum;
      }
      weights += width * layout.group_size;
    }
  }
}

}  // namespace

Result<bool> PackNarrow(const PackingRequest& request, pack::PackedMatrix* matrix) {
  const bool has_outliers = request.has_outliers();
  const int64_t fewest = has_outliers ? kFewestOutlierInputs : plan::kFewestNarrowInputs;
  if (request.inputs < fewest || request.inputs > kMostSectionInputs || request.outputs == 0)
    return false;
  PackingRequest sampled = request;
  sampled.inputs = std::min(request.inputs, kSampledInputs);
  NarrowPlan chosen;
  double least_cost =
      has_outliers ? std::numeric_limits<double>::infinity() : plan::kWidenedGroupCost;
  // The widest first, which stays where none is cheaper.
  const bool any_width = request.main_bits == 0;
  const int narrowest = any_width ? kFewestMainBits : request.main_bits;
  for (int bits = any_width ? 8 : request.main_bits; bits >= narrowest; --bits) {
    for (int depth : plan::kNarrowDepths) {
      const NarrowPlan plan = MakePlan(sampled, matrix->activation_maximum, bits, depth);
      const Result<NarrowShares> shares = Sample(sampled, plan);
      if (!shares.ok()) return shares.status();
      if (CostPerGroup(*shares) >= least_cost) continue;
      least_cost = CostPerGroup(*shares);
      chosen = MakePlan(request, matrix->activation_maximum, bits, depth);
    }
  }
  if (chosen.rules.depth == 0) return false;

  std::vector<NarrowPanel> panels;
  std::vector<int64_t> magnitudes(static_cast<size_t>(request.products() * request.outputs));
  std::vector<int32_t> sums(magnitudes.size());
  NarrowShares shares;
  size_t most_bytes = 0;
  for (int64_t product = 0; product < request.products(); ++product) {
    Result<DenseProduct> dense = Allocate(chosen.layout);
    if (!dense.ok()) return dense.status();
    PackDense(chosen.layout, request.sources[static_cast<size_t>(product)], 0, chosen.layout.panels,
              &*dense);
    const int64_t column = product * request.outputs;
    FindMagnitudes(chosen.layout, *dense,
                   matrix->zero_points.empty() ? nullptr : matrix->zero_points.data() + column,
                   magnitudes.data() + column);
    for (int64_t panel = 0; panel < chosen.layout.panels; ++panel) {
      panels.push_back(PackPanel(request, chosen, product, panel, &*dense));
      shares.Add(panels.back().shares);
      most_bytes = std::max(most_bytes, panels.back().bytes.size());
    }
    // A sum that does not fit belongs to a column whose magnitude is refused.
    std::transform(dense->sums.begin(), dense->sums.end(), sums.begin() + column,
                   [](int64_t sum) { return static_cast<int32_t>(sum); });
  }
  if (!has_outliers && CostPerGroup(shares) >= plan::kWidenedGroupCost) return false;

  PanelLayout layout = chosen.layout;
  layout.panel_bytes = static_cast<int64_t>(most_bytes);
  layout.product_bytes = base::AlignUp<int64_t>(LargestProduct(panels, layout.panels), 64);
  Result<base::AlignedBuffer> buffer =
      base::AlignedBuffer::Allocate(static_cast<size_t>(layout.bytes()), "weights");
  if (!buffer.ok()) return buffer.status();
  std::vector<int64_t> offsets;
  int64_t offset = 0;
  for (size_t i = 0; i < panels.size(); ++i) {
    const int64_t number = static_cast<int64_t>(i);
    if (number % layout.panels == 0) offset = number / layout.panels * layout.product_bytes;
    const std::vector<std::byte>& bytes = panels[i].bytes;
    std::memcpy(buffer->data() + offset, bytes.data(), bytes.size());
    offsets.push_back(offset);
    offset += static_cast<int64_t>(bytes.size());
    if ((number + 1) % layout.panels == 0) {  // products differ in size
      const int64_t end = (number / layout.panels + 1) * layout.product_bytes;
      std::memset(buffer->data() + offset, 0, static_cast<size_t>(end - offset));
    }
  }
  matrix->layout = layout;
  matrix->weights = std::move(buffer).value();
  matrix->panel_offsets = std::move(offsets);
  matrix->sums = std::move(sums);
  matrix->magnitudes = std::move(magnitudes);
  matrix->shares = shares;
  matrix->main_bits = chosen.main_bits;
  return true;
}

}  // namespace qforge
