#include <algorithm>
#include <cinttypes>
#include <limits>
#include <memory>
#include <new>

#include "base/float_environment.h"
#include "ops/array_functions.h"
#include "ops/parallel.h"
#include "ops/range_choice.h"
#include "ops/validate.h"
#include "qforge/quantization.h"
#include "qforge/range_choice.h"
#include "ref/reference.h"

namespace qforge {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

// Columns whose parameters are found at a time: their ranges stay on the stack.
constexpr int64_t kColumnsAtATime = 256;

// Values of a column that are brought together for a histogram.
constexpr int64_t kGathered = 1024;

RangeOptions RangeOptionsOf(const WeightsQuantizationOptions& options) {
  RangeOptions range_options;
  range_options.method = options.method;
  range_options.parameters = {DataType::kS8, options.symmetric, options.bits,
                              options.power_of_two_scale};
  range_options.percentile = options.percentile;
  return range_options;
}

// What has parameters of its own: a block of whole rows, or a column of a block.
struct Part {
  int64_t row = 0;
  int64_t rows = 0;
  int64_t column = 0;
  int64_t columns = 0;
};

// How the weights fall into parts. Columns of a block follow each other, blocks follow each other.
struct Parts {
  int64_t count = 0;
  int64_t rows = 0;          // of a block
  bool are_columns = false;  // else whole blocks
  int64_t columns = 0;       // of the matrix

  Part operator[](int64_t index) const {
    if (!are_columns) return {index * rows, rows, 0, columns};
    return {index / columns * rows, rows, index % columns, 1};
  }
};

Status CheckOptions(const WeightsQuantizationOptions& options, int64_t rows) {
  QFORGE_RETURN_IF_ERROR(CheckBlocks(options.layout, options.groups, rows));
  if (options.granularity > Granularity::kPerChannel) {
    return Status::Error(StatusCode::kInvalidArgument, "options.granularity",
                         "%d is no granularity", static_cast<int>(options.granularity));
  }
  return CheckRangeOptions(RangeOptionsOf(options), "options.type", "options.bits");
}

Result<Parts> PartsOf(const MatrixView<const float>& weights,
                      const WeightsQuantizationOptions& options) {
  const bool columns_are_channels = options.layout == WeightsLayout::kInputsByOutputs;
  const int64_t rows_of_group = weights.rows / options.groups;
  Parts parts;
  parts.columns = weights.cols;
  parts.count = options.granularity == Granularity::kPerTensor ? 1 : options.groups;
  if (options.granularity == Granularity::kPerChannel) {
    const int64_t outputs = columns_are_channels ? weights.cols : rows_of_group;
    QFORGE_RETURN_IF_ERROR(CheckProductSizes(columns_are_channels ? rows_of_group : weights.cols,
                                             outputs, options.groups));
    parts.count = options.groups * outputs;
    parts.are_columns = columns_are_channels;
  }
  const int64_t blocks = parts.are_columns ? options.groups : parts.count;
  parts.rows = weights.cols == 0 || blocks == 0 ? 0 : weights.rows / blocks;
  return parts;
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

Result<QuantizationParameters> Search(const MatrixView<const float>& weights, const Part& part,
                                      const RangeOptions& options) {
  Result<Histogram> histogram = Histogram::Create();
  if (!histogram.ok()) return histogram.status();
  if (part.columns != 1) {
    QFORGE_RETURN_IF_ERROR(histogram->Observe(
        MatrixView<const float>(weights.data + part.row * weights.stride + part.column, part.rows,
                                part.columns, weights.stride)));
  } else {
    float gathered[kGathered];
    const float* const column = weights.data + part.row * weights.stride + part.column;
    for (int64_t i = 0; i < part.rows; i += kGathered) {
      const int64_t count = std::min(kGathered, part.rows - i);
      for (int64_t k = 0; k < count; ++k) gathered[k] = column[(i + k) * weights.stride];
      QFORGE_RETURN_IF_ERROR(histogram->Observe({gathered, count}));
    }
  }
  if (histogram->finite_count() == 0) return ref::ChooseParameters(0.0f, 0.0f, options.parameters);
  const Result<ChosenRange> chosen = ChooseRange(*histogram, options);
  if (!chosen.ok()) return chosen.status();
  return chosen->parameters;
}

// Fills `scales` and `zero_points`, if there are any, once all searches have succeeded.
Status SearchAll(ThreadPool* pool, const MatrixView<const float>& weights,
                 const WeightsQuantizationOptions& options, const Parts& parts,
                 ArrayView<float> scales, ArrayView<int32_t> zero_points) {
  const size_t count = static_cast<size_t>(parts.count);
  const std::unique_ptr<QuantizationParameters[]> found(new (std::nothrow)
                                                            QuantizationParameters[count]);
  const std::unique_ptr<bool[]> failed(new (std::nothrow) bool[count]());
  if (found == nullptr || failed == nullptr) {
    return Status::Error(StatusCode::kResourceExhausted, "scales",
                         "no memory for %" PRId64 " parameters", parts.count);
  }
  const RangeOptions range_options = RangeOptionsOf(options);
  const auto search = [&](int64_t index) {
    const Result<QuantizationParameters> parameters = Search(weights, parts[index], range_options);
    failed[static_cast<size_t>(index)] = !parameters.ok();
    if (parameters.ok()) found[static_cast<size_t>(index)] = *parameters;
    return parameters.status();
  };
  ParallelFor(pool, parts.count, [&](int64_t index) { (void)search(index); });
  // Once more, for what is wrong: a Status for each part would be too much memory.
  for (int64_t index = 0; index < parts.count; ++index) {
    if (failed[static_cast<size_t>(index)]) QFORGE_RETURN_IF_ERROR(search(index));
  }
  for (int64_t index = 0; index < parts.count; ++index) {
    scales[index] = found[static_cast<size_t>(index)].scale;
    if (!zero_points.empty()) zero_points[index] = found[static_cast<size_t>(index)].zero_point;
  }
  return Status();
}

class WeightsQuantizer {
 public:
  static Result<WeightsQuantizer> Create(Isa isa, const MatrixView<const float>& weights,
                                         const WeightsQuantizationOptions& options,
                                         const MatrixView<int8_t>& quantized,
                                         ArrayView<float> scales, ArrayView<int32_t> zero_points) {
    const auto update_range = GetUpdateRange(isa);
    if (!update_range.ok()) return update_range.status();
    const auto update_column_ranges = GetUpdateColumnRanges(isa);
    if (!update_column_ranges.ok()) return update_column_ranges.status();
    const auto quantize = GetQuantize(isa, DataType::kS8);
    if (!quantize.ok()) return quantize.status();
    const auto quantize_columns = GetQuantizeColumns(isa, DataType::kS8);
    if (!quantize_columns.ok()) return quantize_columns.status();
    WeightsQuantizer quantizer;
    quantizer.weights_ = weights;
    quantizer.quantized_ = quantized;
    quantizer.options_ = RangeOptionsOf(options);
    quantizer.scales_ = scales;
    quantizer.zero_points_ = zero_points;
    quantizer.update_range_ = *update_range;
    quantizer.update_column_ranges_ = *update_column_ranges;
    quantizer.quantize_ = *quantize;
    quantizer.quantize_columns_ = *quantize_columns;
    return quantizer;
  }

  // `row_count` rows from `row` on share the parameters that stand at, or go to, `index`.
  void QuantizeRows(int64_t row, int64_t row_count, int64_t index) const {
    float min = kInfinity;
    float max = -kInfinity;
    for (int64_t i = row; i < row + row_count && FindsRanges(); ++i) {
      update_range_(weights_.data + i * weights_.stride, weights_.cols, &min, &max);
    }
    const QuantizationParameters parameters = Parameters(min, max, index);
    for (int64_t i = row; i < row + row_count; ++i) {
      int8_t* const quantized = quantized_.data + i * quantized_.stride;
      quantize_(weights_.data + i * weights_.stride, weights_.cols, weights_.cols, &parameters,
                quantized);
      Narrow(quantized, weights_.cols);
    }
  }

  // Each of the columns, kColumnsAtATime at most, of `row_count` rows from `row` on has parameters
  // of its own, which stand at, or go to, `index` and what follows it.
  void QuantizeColumns(int64_t row, int64_t row_count, int64_t column, int64_t column_count,
                       int64_t index) const {
    float min[kColumnsAtATime];
    float max[kColumnsAtATime];
    int32_t zero_points[kColumnsAtATime];
    std::fill_n(min, column_count, kInfinity);
    std::fill_n(max, column_count, -kInfinity);
    for (int64_t i = row; i < row + row_count && FindsRanges(); ++i) {
      update_column_ranges_(weights_.data + i * weights_.stride + column, column_count, min, max);
    }
    for (int64_t j = 0; j < column_count; ++j) {
      zero_points[j] = Parameters(min[j], max[j], index + j).zero_point;
    }
    for (int64_t i = row; i < row + row_count; ++i) {
      int8_t* const quantized = quantized_.data + i * quantized_.stride + column;
      quantize_columns_(weights_.data + i * weights_.stride + column, column_count,
                        scales_.data() + index, zero_points, quantized);
      Narrow(quantized, column_count);
    }
  }

 private:
  WeightsQuantizer() = default;

  // Whether parameters come from the smallest and largest value; else they have been found before.
  bool FindsRanges() const { return options_.method == RangeMethod::kMinMax; }

  QuantizationParameters Parameters(float min, float max, int64_t index) const {
    if (!FindsRanges()) {
      return {scales_[index], zero_points_.empty() ? 0 : zero_points_[index]};
    }
    const ValueRange range = ref::FinishRange(min, max);
    const QuantizationParameters parameters =
        ref::ChooseParameters(range.min, range.max, options_.parameters);
    scales_[index] = parameters.scale;
    if (!zero_points_.empty()) zero_points_[index] = parameters.zero_point;
    return parameters;
  }

  // Takes back what Quantize(), which knows the type alone, put beyond the values that are used:
  // clipped weights, infinities and NaN.
  void Narrow(int8_t* quantized, int64_t count) const {
    const ParameterOptions& parameters = options_.parameters;
    if (parameters.bits == 8 && !parameters.symmetric) return;
    const int8_t lowest =
        static_cast<int8_t>(LowestOf(parameters) + (parameters.symmetric ? 1 : 0));
    const int8_t highest = static_cast<int8_t>(HighestOf(parameters));
    for (int64_t i = 0; i < count; ++i) quantized[i] = std::clamp(quantized[i], lowest, highest);
  }

  MatrixView<const float> weights_;
  MatrixView<int8_t> quantized_;
  RangeOptions options_;
  ArrayView<float> scales_;
  ArrayView<int32_t> zero_points_;
  kernels::UpdateRangeFunction* update_range_ = nullptr;
  kernels::UpdateRangeFunction* update_column_ranges_ = nullptr;
  kernels::QuantizeFunction* quantize_ = nullptr;
  kernels::QuantizeColumnsFunction* quantize_columns_ = nullptr;
};

Status QuantizeOn(ThreadPool* pool, Isa isa, const MatrixView<const float>& weights,
                  const WeightsQuantizationOptions& options, const MatrixView<int8_t>& quantized,
                  ArrayView<float> scales, ArrayView<int32_t> zero_points) {
  const InputMatrix in(weights);
  const InputMatrix out(static_cast<const int8_t*>(quantized.data), quantized.rows, quantized.cols,
                        quantized.stride);
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", in, DataType::kF32));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("quantized", out, DataType::kS8, weights.rows, weights.cols));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("quantized", out, "weights", in));
  QFORGE_RETURN_IF_ERROR(CheckOptions(options, weights.rows));
  const Result<Parts> found = PartsOf(weights, options);
  if (!found.ok()) return found.status();
  const Parts& parts = *found;
  QFORGE_RETURN_IF_ERROR(CheckCount("scales", scales, parts.count));
  if (!(options.symmetric && zero_points.empty())) {
    QFORGE_RETURN_IF_ERROR(CheckCount("zero_points", zero_points, parts.count));
  }

  const Result<WeightsQuantizer> quantizer =
      WeightsQuantizer::Create(isa, weights, options, quantized, scales, zero_points);
  if (!quantizer.ok()) return quantizer.status();
  if (options.method != RangeMethod::kMinMax) {
    QFORGE_RETURN_IF_ERROR(SearchAll(pool, weights, options, parts, scales, zero_points));
  }
  if (!parts.are_columns) {
    ParallelFor(pool, parts.count, [&](int64_t index) {
      const base::FloatEnvironment environment;
      quantizer->QuantizeRows(index * parts.rows, parts.rows, index);
    });
    return Status();
  }
  const int64_t chunks = (weights.cols + kColumnsAtATime - 1) / kColumnsAtATime;
  ParallelFor(pool, options.groups * chunks, [&](int64_t task) {
    const base::FloatEnvironment environment;
    const int64_t group = task / chunks;
    const int64_t column = task % chunks * kColumnsAtATime;
    quantizer->QuantizeColumns(group * parts.rows, parts.rows, column,
                               std::min(kColumnsAtATime, weights.cols - column),
                               group * weights.cols + column);
  });
  return Status();
}

}  // namespace

Status QuantizeWeights(const MatrixView<const float>& weights,
                       const WeightsQuantizationOptions& options,
                       const MatrixView<int8_t>& quantized, ArrayView<float> scales,
                       ArrayView<int32_t> zero_points) noexcept {
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  return QuantizeOn(nullptr, *isa, weights, options, quantized, scales, zero_points);
}

Status QuantizeWeights(const Context& context, const MatrixView<const float>& weights,
                       const WeightsQuantizationOptions& options,
                       const MatrixView<int8_t>& quantized, ArrayView<float> scales,
                       ArrayView<int32_t> zero_points) noexcept {
  return QuantizeOn(context.pool(), context.isa(), weights, options, quantized, scales,
                    zero_points);
}

}  // namespace qforge
