#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>
#include <new>

#include "base/float_environment.h"
#include "ops/validate.h"
#include "qforge/outliers.h"

namespace qforge {
namespace {

constexpr int32_t kMostMain = 127;
constexpr int32_t kMostTotal = 16383;
// The largest sum of |weights| of a column that packing takes, (2^31 - 1) / 255, less what rounding
// the scale and 8421504 quotients adds to it.
constexpr double kMostSum = 8421504 - 2;

// The K weights of an output channel.
struct Channel {
  const float* first = nullptr;  // null only where K is 0
  int64_t step = 1;
  int8_t* quantized = nullptr;
  int64_t quantized_step = 1;
};

Status CheckFinite(const MatrixView<const float>& weights) {
  for (int64_t i = 0; i < weights.rows; ++i) {
    for (int64_t j = 0; j < weights.cols; ++j) {
      const float weight = weights.data[i * weights.stride + j];
      if (std::isfinite(weight)) continue;
      return Status::Error(StatusCode::kOutOfRange, "weights",
                           "element (%" PRId64 ", %" PRId64 ") is %g, not finite", i, j,
                           static_cast<double>(weight));
    }
  }
  return Status();
}

// The scale, for `allowed` outliers. `magnitudes` is reordered.
float ChooseScale(std::vector<float>* magnitudes, int64_t allowed) {
  const auto largest = std::max_element(magnitudes->begin(), magnitudes->end());
  if (largest == magnitudes->end() || *largest == 0.0f) return 1.0f;
  double sum = 0;
  for (const float magnitude : *magnitudes) sum += static_cast<double>(magnitude);
  // Rounding a quotient adds a half at most. Where K is so large that s8 without outliers may be
  // too much, packing has to tell.
  const double most_sum = kMostSum - 0.5 * static_cast<double>(magnitudes->size());
  const float packable = most_sum * *largest > static_cast<double>(kMostMain) * sum
                             ? static_cast<float>(sum / most_sum)
                             : *largest / static_cast<float>(kMostMain);
  const float least = std::max(*largest / static_cast<float>(kMostTotal), packable);
  float main = 0.0f;
  if (allowed < static_cast<int64_t>(magnitudes->size())) {
    const auto place = magnitudes->end() - 1 - allowed;
    std::nth_element(magnitudes->begin(), place, magnitudes->end());
    main = *place;
  }
  const float scale = std::max(main / static_cast<float>(kMostMain), least);
  return std::max(scale, std::numeric_limits<float>::min());
}

void QuantizeChannel(const Channel& channel, int64_t inputs, int64_t allowed,
                     std::vector<float>* magnitudes, OutlierQuantizedWeights* result) {
  magnitudes->resize(static_cast<size_t>(inputs));
  for (int64_t k = 0; k < inputs; ++k) {
    (*magnitudes)[static_cast<size_t>(k)] = std::abs(channel.first[k * channel.step]);
  }
  const float scale = ChooseScale(magnitudes, allowed);
  for (int64_t k = 0; k < inputs; ++k) {
    const int32_t total =
        static_cast<int32_t>(std::nearbyintf(channel.first[k * channel.step] / scale));
    const int32_t main = std::clamp(total, -kMostMain, kMostMain);
    channel.quantized[k * channel.quantized_step] = static_cast<int8_t>(main);
    for (int32_t rest = total - main; rest != 0;) {
      const int32_t part = std::clamp(rest, -kMostMain, kMostMain);
      result->row_indices.push_back(static_cast<int32_t>(k));
      result->values.push_back(static_cast<int8_t>(part));
      rest -= part;
    }
  }
  result->scales.push_back(scale);
  result->column_offsets.push_back(static_cast<int64_t>(result->values.size()));
}

}  // namespace

Result<OutlierQuantizedWeights> QuantizeWeightsWithOutliers(
    const MatrixView<const float>& weights, const OutlierQuantizationOptions& options) noexcept {
  const bool by_row = options.layout == WeightsLayout::kInputsByOutputs;
  if (!(options.density >= 0.0 && options.density <= 1.0)) {  // NaN included
    return Status::Error(StatusCode::kOutOfRange, "options.density", "%g is not in [0, 1]",
                         options.density);
  }
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", InputMatrix(weights), DataType::kF32));
  QFORGE_RETURN_IF_ERROR(CheckBlocks(options.layout, options.groups, weights.rows));
  const int64_t block = weights.rows / options.groups;
  const int64_t inputs = by_row ? block : weights.cols;
  const int64_t outputs = by_row ? weights.cols : block;
  QFORGE_RETURN_IF_ERROR(CheckProductSizes(inputs, outputs, options.groups));
  if (inputs > INT32_MAX) {
    return Status::Error(StatusCode::kOutOfRange, "weights", "K = %" PRId64 " exceeds 2147483647",
                         inputs);
  }
  QFORGE_RETURN_IF_ERROR(CheckFinite(weights));
  const base::FloatEnvironment environment;
  try {
    OutlierQuantizedWeights result;
    result.rows = weights.rows;
    result.cols = weights.cols;
    result.inputs = inputs;
    result.weights.resize(static_cast<size_t>(weights.rows * weights.cols));
    result.column_offsets.push_back(0);
    const int64_t allowed = static_cast<int64_t>(options.density * static_cast<double>(inputs));
    std::vector<float> magnitudes;
    for (int64_t column = 0; column < options.groups * outputs; ++column) {
      const int64_t row = by_row ? column / outputs * block : column;
      const int64_t offset = by_row ? column % outputs : 0;
      Channel channel;
      if (inputs != 0) {
        channel.first = weights.data + row * weights.stride + offset;
        channel.quantized = result.weights.data() + row * weights.cols + offset;
      }
      channel.step = by_row ? weights.stride : 1;
      channel.quantized_step = by_row ? weights.cols : 1;
      QuantizeChannel(channel, inputs, allowed, &magnitudes, &result);
    }
    return result;
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "weights", "no memory to quantise them");
  }
}

}  // namespace qforge
