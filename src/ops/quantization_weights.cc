#include <algorithm>
#include <cinttypes>
#include <limits>

#include "base/float_environment.h"
#include "ops/array_functions.h"
#include "ops/validate.h"
#include "qforge/quantization.h"
#include "ref/reference.h"

namespace qforge {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Columns whose parameters are found at a time: their ranges stay on the stack.
constexpr int64_t kColumnsAtATime = 256;

class WeightsQuantizer {
 public:
  static Result<WeightsQuantizer> Create(const MatrixView<const float>& weights,
                                         const MatrixView<int8_t>& quantized, bool symmetric,
                                         ArrayView<float> scales, ArrayView<int32_t> zero_points) {
    const Result<Isa> isa = BestIsa();
    if (!isa.ok()) return isa.status();
    const auto update_range = GetUpdateRange(*isa);
    if (!update_range.ok()) return update_range.status();
    const auto update_column_ranges = GetUpdateColumnRanges(*isa);
    if (!update_column_ranges.ok()) return update_column_ranges.status();
    const auto quantize = GetQuantize(*isa, DataType::kS8);
    if (!quantize.ok()) return quantize.status();
    const auto quantize_columns = GetQuantizeColumns(*isa, DataType::kS8);
    if (!quantize_columns.ok()) return quantize_columns.status();
    WeightsQuantizer quantizer;
    quantizer.weights_ = weights;
    quantizer.quantized_ = quantized;
    quantizer.options_ = {DataType::kS8, symmetric};
    quantizer.scales_ = scales;
    quantizer.zero_points_ = zero_points;
    quantizer.update_range_ = *update_range;
    quantizer.update_column_ranges_ = *update_column_ranges;
    quantizer.quantize_ = *quantize;
    quantizer.quantize_columns_ = *quantize_columns;
    return quantizer;
  }

  // `row_count` rows from `row` on share the parameters that go to `index`.
  void QuantizeRows(int64_t row, int64_t row_count, int64_t index) const {
    float min = kInfinity;
    float max = -kInfinity;
    for (int64_t i = row; i < row + row_count; ++i) {
      update_range_(weights_.data + i * weights_.stride, weights_.cols, &min, &max);
    }
    const QuantizationParameters parameters = Choose(min, max, index);
    for (int64_t i = row; i < row + row_count; ++i) {
      quantize_(weights_.data + i * weights_.stride, weights_.cols, weights_.cols, &parameters,
                quantized_.data + i * quantized_.stride);
    }
  }

  // Each column of `row_count` rows from `row` on has parameters of its own, which go to `index`
  // and what follows it.
  void QuantizeColumns(int64_t row, int64_t row_count, int64_t index) const {
    for (int64_t column = 0; column < weights_.cols; column += kColumnsAtATime) {
      QuantizeSomeColumns(row, row_count, column, std::min(kColumnsAtATime, weights_.cols - column),
                          index + column);
    }
  }

 private:
  WeightsQuantizer() = default;

  QuantizationParameters Choose(float min, float max, int64_t index) const {
    const ValueRange range = ref::FinishRange(min, max);
    const QuantizationParameters parameters = ref::ChooseParameters(range.min, range.max, options_);
    scales_[index] = parameters.scale;
    if (!zero_points_.empty()) zero_points_[index] = parameters.zero_point;
    return parameters;
  }

  void QuantizeSomeColumns(int64_t row, int64_t row_count, int64_t column, int64_t column_count,
                           int64_t index) const {
    float min[kColumnsAtATime];
    float max[kColumnsAtATime];
    int32_t zero_points[kColumnsAtATime];
    std::fill_n(min, column_count, kInfinity);
    std::fill_n(max, column_count, -kInfinity);
    for (int64_t i = row; i < row + row_count; ++i) {
      update_column_ranges_(weights_.data + i * weights_.stride + column, column_count, min, max);
    }
    for (int64_t j = 0; j < column_count; ++j) {
      zero_points[j] = Choose(min[j], max[j], index + j).zero_point;
    }
    for (int64_t i = row; i < row + row_count; ++i) {
      quantize_columns_(weights_.data + i * weights_.stride + column, column_count,
                        scales_.data() + index, zero_points,
                        quantized_.data + i * quantized_.stride + column);
    }
  }

  MatrixView<const float> weights_;
  MatrixView<int8_t> quantized_;
  ParameterOptions options_;
  ArrayView<float> scales_;
  ArrayView<int32_t> zero_points_;
  kernels::UpdateRangeFunction* update_range_ = nullptr;
  kernels::UpdateRangeFunction* update_column_ranges_ = nullptr;
  kernels::QuantizeFunction* quantize_ = nullptr;
  kernels::QuantizeColumnsFunction* quantize_columns_ = nullptr;
};

Status CheckOptions(const WeightsQuantizationOptions& options, int64_t rows) {
  if (options.layout != WeightsLayout::kInputsByOutputs &&
      options.layout != WeightsLayout::kOutputsByInputs) {
    return Status::Error(StatusCode::kInvalidArgument, "options.layout", "%d is no layout",
                         static_cast<int>(options.layout));
  }
  if (options.granularity > Granularity::kPerChannel) {
    return Status::Error(StatusCode::kInvalidArgument, "options.granularity",
                         "%d is no granularity", static_cast<int>(options.granularity));
  }
  if (options.groups < 1) {
    return Status::Error(StatusCode::kOutOfRange, "options.groups", "%" PRId64 " is below 1",
                         options.groups);
  }
  if (rows % options.groups != 0) {
    return Status::Error(StatusCode::kInvalidArgument, "options.groups",
                         "%" PRId64 " does not divide the weights' %" PRId64 " rows",
                         options.groups, rows);
  }
  return Status();
}

// The array is there, and `count` long.
template <class T>
Status CheckCount(const char* field, ArrayView<T> array, int64_t count) {
  if (array.size() != count) {
    return Status::Error(StatusCode::kInvalidArgument, field,
                         "has %" PRId64 " elements; %" PRId64 " are needed", array.size(), count);
  }
  const InputMatrix row(static_cast<const T*>(array.data()), 1, count);
  return CheckMatrix(field, row, row.type);
}

}  // namespace

Status QuantizeWeights(const MatrixView<const float>& weights,
                       const WeightsQuantizationOptions& options,
                       const MatrixView<int8_t>& quantized, ArrayView<float> scales,
                       ArrayView<int32_t> zero_points) noexcept {
  const InputMatrix in(weights);
  const InputMatrix out(static_cast<const int8_t*>(quantized.data), quantized.rows, quantized.cols,
                        quantized.stride);
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", in, DataType::kF32));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("quantized", out, DataType::kS8, weights.rows, weights.cols));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("quantized", out, "weights", in));
  QFORGE_RETURN_IF_ERROR(CheckOptions(options, weights.rows));

  const bool columns_are_channels = options.layout == WeightsLayout::kInputsByOutputs;
  const int64_t rows_of_group = weights.rows / options.groups;
  int64_t count = 1;
  if (options.granularity == Granularity::kPerGroup) count = options.groups;
  if (options.granularity == Granularity::kPerChannel) {
    const int64_t outputs = columns_are_channels ? weights.cols : rows_of_group;
    QFORGE_RETURN_IF_ERROR(CheckProductSizes(columns_are_channels ? rows_of_group : weights.cols,
                                             outputs, options.groups));
    count = options.groups * outputs;
  }
  QFORGE_RETURN_IF_ERROR(CheckCount("scales", scales, count));
  if (!(options.symmetric && zero_points.empty())) {
    QFORGE_RETURN_IF_ERROR(CheckCount("zero_points", zero_points, count));
  }

  const Result<WeightsQuantizer> quantizer =
      WeightsQuantizer::Create(weights, quantized, options.symmetric, scales, zero_points);
  if (!quantizer.ok()) return quantizer.status();
  const base::FloatEnvironment environment;
  if (options.granularity == Granularity::kPerChannel && columns_are_channels) {
    for (int64_t group = 0; group < options.groups; ++group) {
      quantizer->QuantizeColumns(group * rows_of_group, rows_of_group, group * weights.cols);
    }
  } else {
    // Tensor, group, or channel: a block of whole rows each.
    const int64_t rows = weights.cols == 0 || count == 0 ? 0 : weights.rows / count;
    for (int64_t block = 0; block < count; ++block) {
      quantizer->QuantizeRows(block * rows, rows, block);
    }
  }
  return Status();
}

}  // namespace qforge
