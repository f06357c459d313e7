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
  const Result<Isa> isa = BestIsa(options.max_isa);
  if (!isa.ok()) return isa.status();

  try {
    auto matrix = std::make_shared<pack::PackedMatrix>();
    pack::PanelLayout& layout = matrix->layout;
    if (*isa == Isa::kScalar) {
      layout.inputs = inputs;
      layout.outputs = outputs;
      layout.products = products;
    } else {
      layout = pack::MakePanelLayout(*isa, inputs, outputs, products);
    }
    const size_t bytes =
        static_cast<size_t>(*isa == Isa::kScalar ? inputs * outputs * products : layout.bytes());
    Result<base::AlignedBuffer> buffer = base::AlignedBuffer::Allocate(bytes, "weights");
    if (!buffer.ok()) return buffer.status();
    matrix->weights = std::move(buffer).value();

    Spread(options.scales, 1.0f, products, outputs, &matrix->scales);
    bool any_zero_point = false;
    for (int64_t i = 0; i < options.zero_points.size(); ++i) {
      any_zero_point = any_zero_point || options.zero_points[i] != 0;
    }
    if (any_zero_point) {
      Spread(options.zero_points, 0, products, outputs, &matrix->zero_points);
    }

    matrix->sums.resize(static_cast<size_t>(columns));
    std::vector<int64_t> sums(static_cast<size_t>(outputs));
    const int64_t block = by_row ? inputs : outputs;
    for (int64_t product = 0; product < products; ++product) {
      pack::WeightsSource source;
      source.data = weights.data + product * block * weights.stride;
      source.stride = weights.stride;
      source.order = options.layout;
      std::fill(sums.begin(), sums.end(), 0);
      if (*isa == Isa::kScalar) {
        pack::AddColumnSums(source, 0, inputs, 0, outputs, sums.data());
        pack::CopyPlain(source, inputs, outputs, 0, outputs,
                        matrix->weights.As<int8_t>() + product * inputs * outputs);
      } else {
        pack::PackPanels(layout, source, 0, layout.panels,
                         matrix->weights.As<int8_t>() + product * layout.product_bytes,
                         sums.data());
      }
      // A sum that does not fit belongs to a column that is refused below.
      for (int64_t j = 0; j < outputs; ++j) {
        matrix->sums[static_cast<size_t>(product * outputs + j)] =
            static_cast<int32_t>(sums[static_cast<size_t>(j)]);
      }
    }
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
  const pack::PanelLayout& layout = matrix_->layout;
  char text[256];
  if (layout.isa == Isa::kScalar) {
    std::snprintf(text, sizeof(text),
                  "%" PRId64 " x %" PRId64 " s8 weights, %" PRId64
                  " group(s), isa scalar, plain, %" PRId64 " bytes",
                  layout.inputs, layout.outputs, layout.products, bytes());
  } else {
    std::snprintf(text, sizeof(text),
                  "%" PRId64 " x %" PRId64 " s8 weights, %" PRId64
                  " group(s), isa %s, panels of %" PRId64 " columns x %d k, %" PRId64 " bytes",
                  layout.inputs, layout.outputs, layout.products, IsaName(layout.isa),
                  layout.panel_columns(), layout.group_size, bytes());
  }
  try {
    return text;
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
