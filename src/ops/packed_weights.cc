#include "qforge/packed_weights.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <limits>
#include <new>
#include <type_traits>

#include "base/arithmetic.h"
#include "ops/narrow_packing.h"
#include "ops/validate.h"
#include "pack/pack_panels.h"
#include "pack/packed_matrix.h"

namespace qforge {
namespace {

// Values per tensor, product or column, as one per column.
template <class T>
void Spread(ArrayView<const T> given, T otherwise, int64_t products, int64_t outputs,
            std::vector<T>* out) {
  out->resize(static_cast<size_t>(products * outputs));
  for (int64_t i = 0; i < products * outputs; ++i) {
    T value = otherwise;
    if (given.size() == 1) {
      value = given[0];
    } else if (given.size() == products * outputs) {
      value = given[i];
    } else if (given.size() == products) {
      value = given[i / outputs];
    }
    (*out)[static_cast<size_t>(i)] = value;
  }
}

Status CheckCount(const char* field, int64_t count, int64_t products, int64_t columns) {
  if (count == 0 || count == 1 || count == products || count == columns) return Status();
  return Status::Error(StatusCode::kInvalidArgument, field,
                       "%" PRId64 " values; 1, groups (%" PRId64 ") or groups * N (%" PRId64
                       ") are possible",
                       count, products, columns);
}

// A sum that does not fit belongs to a column that is refused in the end.
void AppendSums(const std::vector<int64_t>& sums, std::vector<int32_t>* to) {
  for (int64_t sum : sums) to->push_back(static_cast<int32_t>(sum));
}

// The plain matrices that the portable path reads.
Status PackPlain(const std::vector<pack::WeightsSource>& sources, pack::PackedMatrix* matrix) {
  const pack::PanelLayout& layout = matrix->layout;
  const int64_t size = layout.inputs * layout.outputs;
  Result<base::AlignedBuffer> buffer =
      base::AlignedBuffer::Allocate(static_cast<size_t>(size * layout.products), "weights");
  if (!buffer.ok()) return buffer.status();
  matrix->weights = std::move(buffer).value();
  std::vector<int64_t> sums(static_cast<size_t>(layout.outputs));
  int8_t* plain = matrix->weights.As<int8_t>();
  for (const pack::WeightsSource& source : sources) {
    std::fill(sums.begin(), sums.end(), 0);
    pack::AddColumnSums(source, 0, layout.inputs, 0, layout.outputs, sums.data());
    pack::CopyPlain(source, layout.inputs, layout.outputs, 0, layout.outputs, plain);
    AppendSums(sums, &matrix->sums);
    plain += size;
  }
  return Status();
}

// Panels without sections.
Status PackPanels(const std::vector<pack::WeightsSource>& sources, pack::PackedMatrix* matrix) {
  const pack::PanelLayout& layout = matrix->layout;
  Result<base::AlignedBuffer> buffer =
      base::AlignedBuffer::Allocate(static_cast<size_t>(layout.bytes()), "weights");
  if (!buffer.ok()) return buffer.status();
  matrix->weights = std::move(buffer).value();
  std::vector<int64_t> sums(static_cast<size_t>(layout.outputs));
  int8_t* packed = matrix->weights.As<int8_t>();
  for (const pack::WeightsSource& source : sources) {
    std::fill(sums.begin(), sums.end(), 0);
    pack::PackPanels(layout, source, 0, layout.panels, packed, sums.data());
    AppendSums(sums, &matrix->sums);
    packed += layout.product_bytes;
  }
  return Status();
}

// Layout, weights and sums.
Status Pack(Isa isa, const std::vector<pack::WeightsSource>& sources, int64_t inputs,
            int64_t outputs, pack::PackedMatrix* matrix) {
  const int64_t products = static_cast<int64_t>(sources.size());
  if (isa == Isa::kScalar) {
    matrix->layout.inputs = inputs;
    matrix->layout.outputs = outputs;
    matrix->layout.products = products;
    return PackPlain(sources, matrix);
  }
  kernels::Summation summation = kernels::AnySummation(isa);
  if (summation == kernels::Summation::kWidened) {
    if (matrix->accumulation == Accumulation::kSaturating16) {
      summation = kernels::Summation::kSaturating;
    } else {
      const Result<bool> packed =
          PackNarrow(isa, sources, inputs, outputs, matrix->activation_maximum, matrix);
      if (!packed.ok()) return packed.status();
      if (*packed) return Status();
    }
  }
  matrix->layout = pack::MakePanelLayout(isa, summation, inputs, outputs, products);
  return PackPanels(sources, matrix);
}

}  // namespace

Result<PackedWeights> PackedWeights::Create(const MatrixView<const int8_t>& weights,
                                            const PackedWeightsOptions& options) noexcept {
  const bool by_row = options.layout == WeightsLayout::kInputsByOutputs;
  if (!by_row && options.layout != WeightsLayout::kOutputsByInputs) {
    return Status::Error(StatusCode::kInvalidArgument, "options.layout", "%d is no layout",
                         static_cast<int>(options.layout));
  }
  if (options.groups < 1) {
    return Status::Error(StatusCode::kOutOfRange, "options.groups", "%" PRId64 " is below 1",
                         options.groups);
  }
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", InputMatrix(weights), DataType::kS8));
  if (weights.rows % options.groups != 0) {
    return Status::Error(StatusCode::kInvalidArgument, "options.groups",
                         "%" PRId64 " does not divide the weights' %" PRId64 " rows",
                         options.groups, weights.rows);
  }
  const int64_t products = options.groups;
  const int64_t inputs = by_row ? weights.rows / products : weights.cols;
  const int64_t outputs = by_row ? weights.cols : weights.rows / products;
  QFORGE_RETURN_IF_ERROR(CheckProductSizes(inputs, outputs, products));
  const int64_t columns = products * outputs;
  QFORGE_RETURN_IF_ERROR(CheckCount("options.scales", options.scales.size(), products, columns));
  QFORGE_RETURN_IF_ERROR(CheckScales("options.scales", options.scales));
  QFORGE_RETURN_IF_ERROR(
      CheckCount("options.zero_points", options.zero_points.size(), products, columns));
  QFORGE_RETURN_IF_ERROR(
      CheckZeroPoints("options.zero_points", options.zero_points, DataType::kS8));
  QFORGE_RETURN_IF_ERROR(CheckIsa("options.max_isa", options.max_isa));
  if (options.accumulation != Accumulation::kExact &&
      options.accumulation != Accumulation::kSaturating16) {
    return Status::Error(StatusCode::kInvalidArgument, "options.accumulation",
                         "%d is no accumulation", static_cast<int>(options.accumulation));
  }
  if (options.activation_maximum < 1 || options.activation_maximum > 255) {
    return Status::Error(StatusCode::kOutOfRange, "options.activation_maximum",
                         "%d is not in [1, 255]", options.activation_maximum);
  }
  const Result<Isa> isa = BestIsa(options.max_isa);
  if (!isa.ok()) return isa.status();

  try {
    auto matrix = std::make_shared<pack::PackedMatrix>();
    Spread(options.scales, 1.0f, products, outputs, &matrix->scales);
    bool any_zero_point = false;
    for (int64_t i = 0; i < options.zero_points.size(); ++i) {
      any_zero_point = any_zero_point || options.zero_points[i] != 0;
    }
    if (any_zero_point) {
      Spread(options.zero_points, 0, products, outputs, &matrix->zero_points);
    }
    matrix->accumulation = options.accumulation;
    matrix->activation_maximum = options.activation_maximum;

    std::vector<pack::WeightsSource> sources(static_cast<size_t>(products));
    const int64_t block = by_row ? inputs : outputs;
    for (int64_t product = 0; product < products; ++product) {
      pack::WeightsSource& source = sources[static_cast<size_t>(product)];
      source.data = weights.data + product * block * weights.stride;
      source.stride = weights.stride;
      source.order = options.layout;
    }
    QFORGE_RETURN_IF_ERROR(Pack(*isa, sources, inputs, outputs, matrix.get()));
    for (int64_t j = 0; j < columns; ++j) {
      QFORGE_RETURN_IF_ERROR(CheckColumn("weights", *matrix, j, 0));
    }
    return PackedWeights(std::move(matrix));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "weights", "no memory to pack them");
  }
}

int64_t PackedWeights::inputs() const noexcept { return matrix_->layout.inputs; }
int64_t PackedWeights::outputs() const noexcept { return matrix_->layout.outputs; }
int64_t PackedWeights::groups() const noexcept { return matrix_->layout.products; }
Isa PackedWeights::isa() const noexcept { return matrix_->layout.isa; }
int64_t PackedWeights::bytes() const noexcept {
  return static_cast<int64_t>(matrix_->weights.size());
}

std::string PackedWeights::Describe() const noexcept {
  using kernels::Summation;
  const pack::PanelLayout& layout = matrix_->layout;
  const pack::NarrowShares& shares = matrix_->shares;
  char text[512];
  int length = std::snprintf(text, sizeof(text),
                             "%" PRId64 " x %" PRId64 " s8 weights, %" PRId64 " group(s), isa %s, ",
                             layout.inputs, layout.outputs, layout.products, IsaName(layout.isa));
  const auto add = [&](const char* format, auto... values) {
    length +=
        std::snprintf(text + length, sizeof(text) - static_cast<size_t>(length), format, values...);
  };
  if (layout.isa == Isa::kScalar) {
    add("plain");
  } else {
    add("panels of %" PRId64 " columns x %d k", layout.panel_columns(), layout.group_size);
  }
  add(", %" PRId64 " bytes", bytes());
  if (layout.summation == Summation::kNarrow) {
    const double groups = static_cast<double>(shares.groups);
    add(", %d k summed in 16 bits: %.1f %% of groups split, %.1f %% summed in 32 bits",
        layout.depth * layout.group_size, 100.0 * static_cast<double>(shares.split) / groups,
        100.0 * static_cast<double>(shares.wide_groups) / groups);
  } else if (layout.summation == Summation::kSaturating) {
    add(", %d k summed in 16 bits with saturation", kernels::kSaturatingGroups * layout.group_size);
  } else if (matrix_->accumulation == Accumulation::kSaturating16 && layout.isa != Isa::kScalar) {
    add(", summed in 32 bits, as the ISA does so faster than with saturation in 16");
  }
  try {
    return text;
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
