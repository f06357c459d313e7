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
#include "ops/sparse_validate.h"
#include "ops/validate.h"
#include "ops/weights_packing.h"
#include "ops/weights_scrub.h"
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

// Quantisation that finds no outliers gives column offsets nevertheless.
bool HasOutliers(const PackedWeightsOptions& options) {
  return !options.outliers.column_offsets.empty() && !options.outliers.values.empty();
}

Status CheckOutliers(const PackedWeightsOptions& options, int64_t inputs, int64_t columns) {
  if (options.main_bits != 0 && (options.main_bits < kFewestMainBits || options.main_bits > 8)) {
    return Status::Error(StatusCode::kOutOfRange, "options.main_bits",
                         "%d is neither 0 nor in [%d, 8]", options.main_bits, kFewestMainBits);
  }
  if (!(options.outlier_density >= 0.0 && options.outlier_density <= 1.0)) {  // NaN included
    return Status::Error(StatusCode::kOutOfRange, "options.outlier_density", "%g is not in [0, 1]",
                         options.outlier_density);
  }
  if (options.outlier_density > 0.0 && options.main_bits != 8) {
    return Status::Error(StatusCode::kInvalidArgument, "options.main_bits",
                         "is %d, but options.outlier_density chooses it", options.main_bits);
  }
  const SparseWeights& outliers = options.outliers;
  if (!outliers.column_offsets.empty()) {
    if (outliers.inputs != inputs || outliers.outputs != columns) {
      return Status::Error(StatusCode::kInvalidArgument, "options.outliers",
                           "%" PRId64 " x %" PRId64 "; K x groups * N = %" PRId64 " x %" PRId64
                           " is needed",
                           outliers.inputs, outliers.outputs, inputs, columns);
    }
    QFORGE_RETURN_IF_ERROR(ValidateSparseWeights("options.outliers", outliers));
  }
  const bool any = HasOutliers(options);
  if ((any || options.main_bits != 8 || options.outlier_density > 0.0) &&
      options.accumulation == Accumulation::kSaturating16) {
    return Status::Error(StatusCode::kUnsupported, "options.accumulation",
                         "outliers are not for sums that saturate");
  }
  if (!any) return Status();
  if (inputs < kFewestOutlierInputs) {
    return Status::Error(StatusCode::kUnsupported, "options.outliers",
                         "K = %" PRId64 "; at least %" PRId64 " is needed", inputs,
                         kFewestOutlierInputs);
  }
  if (inputs > kMostSectionInputs) {
    return Status::Error(StatusCode::kUnsupported, "options.outliers",
                         "K = %" PRId64 "; at most %" PRId64 " is possible", inputs,
                         kMostSectionInputs);
  }
  return Status();
}

}  // namespace

Result<PackedWeights> PackedWeights::Create(const MatrixView<const int8_t>& weights,
                                            const PackedWeightsOptions& options) noexcept {
  const bool by_row = options.layout == WeightsLayout::kInputsByOutputs;
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", InputMatrix(weights), DataType::kS8));
  QFORGE_RETURN_IF_ERROR(CheckBlocks(options.layout, options.groups, weights.rows));
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
  if (options.soft_error_check && options.accumulation == Accumulation::kSaturating16) {
    return Status::Error(StatusCode::kUnsupported, "options.soft_error_check",
                         "sums that saturate cannot be checked");
  }
  QFORGE_RETURN_IF_ERROR(CheckOutliers(options, inputs, columns));
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

    PackingRequest request;
    request.isa = *isa;
    request.inputs = inputs;
    request.outputs = outputs;
    const int64_t block = by_row ? inputs : outputs;
    const int64_t stride = UsedStride(weights);
    for (int64_t product = 0; product < products; ++product) {
      pack::WeightsSource source;
      source.data = weights.data + product * block * stride;
      source.stride = stride;
      source.order = options.layout;
      request.sources.push_back(source);
    }
    if (HasOutliers(options)) request.outliers = options.outliers;
    request.main_bits = options.main_bits;
    if (options.outlier_density > 0.0) {
      request.main_bits = NarrowestMainBits(request, options.outlier_density);
    }
    QFORGE_RETURN_IF_ERROR(PackWeights(request, matrix.get()));
    for (int64_t j = 0; j < columns; ++j) {
      QFORGE_RETURN_IF_ERROR(CheckColumn("weights", *matrix, j, 0));
    }
    if (options.soft_error_check) {
      Result<pack::RowSums> sums =
          pack::MakeRowSums(matrix->layout, request.sources, request.outliers);
      if (!sums.ok()) return sums.status();
      matrix->row_sums = std::move(sums).value();
      AddChecksums(matrix.get());
    }
    return PackedWeights(std::move(matrix));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "weights", "no memory to pack them");
  }
}

DataType PackedWeights::type() const noexcept { return matrix_->layout.type; }
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
                             "%" PRId64 " x %" PRId64 " %s weights, %" PRId64 " group(s), isa %s, ",
                             layout.inputs, layout.outputs, DataTypeName(layout.type),
                             layout.products, IsaName(layout.isa));
  const auto add = [&](const char* format, auto... values) {
    length +=
        std::snprintf(text + length, sizeof(text) - static_cast<size_t>(length), format, values...);
  };
  if (layout.isa == Isa::kScalar) {
    add("%s", "plain");
  } else {
    add("panels of %" PRId64 " columns x %d k", layout.panel_columns(), layout.group_size);
  }
  add(", %" PRId64 " bytes", bytes());
  if (layout.summation == Summation::kNarrow) {
    const double groups = static_cast<double>(shares.groups);
    add(", %d k summed in 16 bits: %.1f %% of groups split, %.1f %% summed in 32 bits",
        layout.depth * layout.group_size, 100.0 * static_cast<double>(shares.split) / groups,
        100.0 * static_cast<double>(shares.wide_groups) / groups);
    if (matrix_->main_bits < 8) add(", weights beyond %d bits apart", matrix_->main_bits);
  } else if (layout.summation == Summation::kSaturating) {
    add(", %d k summed in 16 bits with saturation", kernels::kSaturatingGroups * layout.group_size);
  } else if (matrix_->accumulation == Accumulation::kSaturating16 && layout.isa != Isa::kScalar) {
    add("%s", ", summed in 32 bits, as the ISA does so faster than with saturation in 16");
  }
  if (matrix_->row_sums || matrix_->float_row_sums) {
    add("%s", ", with row sums to check products");
  }
  if (matrix_->owner == pack::WeightsOwner::kMapping) add("%s", ", mapped from a file");
  if (matrix_->owner == pack::WeightsOwner::kCaller) add("%s", ", borrowed");
  try {
    return text;
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
