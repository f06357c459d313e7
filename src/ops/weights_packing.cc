#include "ops/weights_packing.h"

#include <algorithm>
#include <bit>
#include <cstdlib>
#include <cstring>

#include "base/arithmetic.h"
#include "kernels/gemm_kernel.h"
#include "ops/narrow_packing.h"
#include "pack/outliers.h"

namespace qforge {
namespace {

using pack::PanelLayout;
using pack::WeightsSource;

// A sum that does not fit belongs to a column that is refused in the end.
void AppendSums(const std::vector<int64_t>& sums, std::vector<int32_t>* to) {
  for (int64_t sum : sums) to->push_back(static_cast<int32_t>(sum));
}

Status Allocate(int64_t bytes, base::AlignedBuffer* buffer) {
  Result<base::AlignedBuffer> allocated =
      base::AlignedBuffer::Allocate(static_cast<size_t>(bytes), "weights");
  if (!allocated.ok()) return allocated.status();
  *buffer = std::move(allocated).value();
  return Status();
}

// The plain matrices that the portable path reads, and outliers beside them.
Status PackPlain(const PackingRequest& request, pack::PackedMatrix* matrix) {
  const int64_t size = request.inputs * request.outputs;
  matrix->layout.inputs = request.inputs;
  matrix->layout.outputs = request.outputs;
  matrix->layout.products = request.products();
  base::AlignedBuffer weights;
  QFORGE_RETURN_IF_ERROR(Allocate(size * request.products(), &weights));
  std::vector<int64_t> sums(static_cast<size_t>(request.outputs));
  int8_t* plain = weights.As<int8_t>();
  for (const WeightsSource& source : request.sources) {
    std::fill(sums.begin(), sums.end(), 0);
    pack::AddColumnSums(source, 0, request.inputs, 0, request.outputs, sums.data());
    pack::CopyPlain(source, request.inputs, request.outputs, 0, request.outputs, plain);
    AppendSums(sums, &matrix->sums);
    plain += size;
  }
  matrix->weights = std::move(weights);
  const SparseWeights& outliers = request.outliers;
  for (int64_t i = 0; i < outliers.column_offsets.size(); ++i) {
    matrix->outlier_offsets.push_back(outliers.column_offsets[i]);
  }
  for (int64_t e = 0; e < outliers.values.size(); ++e) {
    matrix->outlier_rows.push_back(outliers.row_indices[e]);
    matrix->outlier_values.push_back(outliers.values[e]);
  }
  return Status();
}

// Panels without sections, in `weights`, which the matrix does not have yet.
Status FillPanels(const PackingRequest& request, kernels::Summation summation,
                  pack::PackedMatrix* matrix, base::AlignedBuffer* weights) {
  matrix->layout = pack::MakePanelLayout(request.isa, summation, request.inputs, request.outputs,
                                         request.products());
  const PanelLayout& layout = matrix->layout;
  QFORGE_RETURN_IF_ERROR(Allocate(layout.bytes(), weights));
  std::vector<int64_t> sums(static_cast<size_t>(layout.outputs));
  int8_t* packed = weights->As<int8_t>();
  for (const WeightsSource& source : request.sources) {
    std::fill(sums.begin(), sums.end(), 0);
    pack::PackPanels(layout, source, 0, layout.panels, packed, sums.data());
    AppendSums(sums, &matrix->sums);
    packed += layout.product_bytes;
  }
  return Status();
}

// Puts outliers into panels of kDot: what s8 can hold is added there, the rest becomes sections.
Status AddOutliersToPanels(const PackingRequest& request, pack::PackedMatrix* matrix,
                           base::AlignedBuffer* panels) {
  const PanelLayout dense = matrix->layout;
  const int64_t position = base::AlignDown<int64_t>(dense.inputs, dense.group_size);
  std::vector<std::vector<std::byte>> sections;
  int64_t most_bytes = 0;
  for (int64_t i = 0; i < dense.products * dense.panels; ++i) {
    const int64_t product = i / dense.panels;
    const int64_t panel = i % dense.panels;
    pack::ColumnRange range;
    range.begin = product * dense.outputs + panel * dense.panel_columns();
    range.columns = dense.VectorsOf(panel) * dense.vector_columns;
    range.end = (product + 1) * dense.outputs;
    const std::vector<pack::WideGroup> groups =
        pack::TakeOutliers(request.outliers, range, dense.inputs, 8,
                           panels->As<int8_t>() + dense.PanelOffset(product, panel));
    matrix->shares.wide_groups += static_cast<int64_t>(groups.size());
    pack::PackOutlierSections(range.columns, dense.vector_columns, position, groups,
                              &sections.emplace_back());
    most_bytes = std::max(most_bytes, static_cast<int64_t>(sections.back().size()));
  }
  if (matrix->shares.wide_groups == 0) return Status();

  PanelLayout layout = dense;
  layout.outliers = true;
  layout.panel_bytes = base::AlignUp<int64_t>(dense.panel_bytes + most_bytes, 64);
  layout.product_bytes = layout.panel_bytes * layout.panels;
  base::AlignedBuffer weights;
  QFORGE_RETURN_IF_ERROR(Allocate(layout.bytes(), &weights));
  for (int64_t i = 0; i < dense.products * dense.panels; ++i) {
    const int64_t product = i / dense.panels;
    const int64_t panel = i % dense.panels;
    const size_t bytes = static_cast<size_t>(dense.k_groups * dense.VectorsOf(panel) *
                                             dense.vector_columns * dense.group_size);
    std::byte* to = weights.data() + layout.PanelOffset(product, panel);
    std::memcpy(to, panels->data() + dense.PanelOffset(product, panel), bytes);
    const std::vector<std::byte>& section = sections[static_cast<size_t>(i)];
    std::memcpy(to + bytes, section.data(), section.size());
    std::memset(to + bytes + section.size(), 0,
                static_cast<size_t>(layout.panel_bytes) - bytes - section.size());
  }
  matrix->layout = layout;
  *panels = std::move(weights);
  return Status();
}

Status PackPanels(const PackingRequest& request, kernels::Summation summation,
                  pack::PackedMatrix* matrix) {
  base::AlignedBuffer weights;
  QFORGE_RETURN_IF_ERROR(FillPanels(request, summation, matrix, &weights));
  if (request.has_outliers() && summation == kernels::Summation::kDot) {
    QFORGE_RETURN_IF_ERROR(AddOutliersToPanels(request, matrix, &weights));
  }
  matrix->weights = std::move(weights);
  return Status();
}

// sum_k |B - zero_point| of all columns, outliers included; and outliers added to the sums.
void AddOutlierSums(const PackingRequest& request, pack::PackedMatrix* matrix) {
  const bool known = !matrix->magnitudes.empty();  // without outliers
  matrix->magnitudes.resize(matrix->sums.size());
  const SparseWeights& outliers = request.outliers;
  for (int64_t column = 0; column < request.products() * request.outputs; ++column) {
    const WeightsSource& source = request.sources[static_cast<size_t>(column / request.outputs)];
    const int64_t j = column % request.outputs;
    const size_t at = static_cast<size_t>(column);
    const int64_t zero_point = matrix->zero_points.empty() ? 0 : matrix->zero_points[at];
    int64_t magnitude =
        known ? matrix->magnitudes[at]
              : pack::SumMagnitude(source, request.inputs, j, static_cast<int32_t>(zero_point));
    int64_t sum = matrix->sums[at];
    const int64_t end = outliers.column_offsets[column + 1];
    for (int64_t e = outliers.column_offsets[column]; e < end;) {
      const int64_t k = outliers.row_indices[e];
      int64_t added = 0;
      for (; e < end && outliers.row_indices[e] == k; ++e) added += outliers.values[e];
      const int64_t weight = source.At(k, j) - zero_point;
      magnitude += std::abs(weight + added) - std::abs(weight);
      sum += added;
    }
    matrix->magnitudes[at] = magnitude;
    matrix->sums[at] = static_cast<int32_t>(sum);
  }
}

}  // namespace

int NarrowestMainBits(const PackingRequest& request, double density) {
  int64_t beyond[9] = {};  // weights that need so many bits
  for (const WeightsSource& source : request.sources) {
    for (int64_t k = 0; k < request.inputs; ++k) {
      for (int64_t j = 0; j < request.outputs; ++j) {
        const int weight = source.At(k, j);
        const unsigned magnitude = static_cast<unsigned>(weight < 0 ? ~weight : weight);
        ++beyond[std::bit_width(magnitude) + 1];
      }
    }
  }
  const double most =
      density * static_cast<double>(request.inputs * request.outputs * request.products());
  int bits = 8;
  for (int64_t count = 0; bits > kFewestMainBits; --bits) {
    count += beyond[bits];
    if (static_cast<double>(count) > most) break;
  }
  return bits;
}

Status PackWeights(const PackingRequest& request, pack::PackedMatrix* matrix) {
  using kernels::Summation;
  matrix->has_outliers = request.has_outliers();
  matrix->requested_main_bits = request.main_bits;
  if (request.isa == Isa::kScalar) {
    QFORGE_RETURN_IF_ERROR(PackPlain(request, matrix));
  } else if (kernels::AnySummation(request.isa) == Summation::kDot) {
    QFORGE_RETURN_IF_ERROR(PackPanels(request, Summation::kDot, matrix));
  } else if (matrix->accumulation == Accumulation::kSaturating16) {
    QFORGE_RETURN_IF_ERROR(PackPanels(request, Summation::kSaturating, matrix));
  } else {
    const Result<bool> packed = PackNarrow(request, matrix);
    if (!packed.ok()) return packed.status();
    if (!*packed) QFORGE_RETURN_IF_ERROR(PackPanels(request, Summation::kWidened, matrix));
  }
  if (request.has_outliers()) AddOutlierSums(request, matrix);
  return Status();
}

}  // namespace qforge
