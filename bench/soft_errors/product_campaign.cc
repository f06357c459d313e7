#include "soft_errors/product_campaign.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>

#include "pack/packed_matrix.h"
#include "pack/weight_ranges.h"
#include "qforge/linear.h"
#include "support/isas.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

using Random = std::mt19937_64;

// What the matrices of a case hold.
enum class Data { kRandom, kExtreme };

int64_t Below(Random& random, int64_t bound) {
  return std::uniform_int_distribution<int64_t>(0, bound - 1)(random);
}

class Layer {
 public:
  Layer(const ProductCase& which, Data data, const CampaignOptions& options)
      : case_(which),
        context_(MakeContext(which.isa, options.threads)),
        input_(static_cast<size_t>(which.rows * which.inputs)),
        output_(static_cast<size_t>(which.rows * which.outputs)),
        clean_(output_.size()),
        bytes_(output_.size()) {
    Random random(options.seed);
    const bool narrow = which.family == "int8_acc16";
    const int most_activation = narrow ? 127 : 255;
    const int most_weight = narrow ? 64 : 127;
    std::normal_distribution<double> normal(0.0, most_weight / 4.0);
    weights_.resize(static_cast<size_t>(which.inputs * which.outputs));
    for (int8_t& weight : weights_) {
      const double value =
          std::clamp(std::round(normal(random)), -1.0 * most_weight, 1.0 * most_weight);
      weight = static_cast<int8_t>(value);
      if (data == Data::kExtreme) {
        weight = static_cast<int8_t>(Below(random, 2) == 0 ? most_weight : -most_weight - !narrow);
      }
    }
    for (uint8_t& activation : input_) {
      const int64_t any = Below(random, most_activation + 1);
      const int64_t end = Below(random, 2) * most_activation;
      activation = static_cast<uint8_t>(data == Data::kExtreme ? end : any);
    }
    PackedWeightsOptions packing;
    packing.max_isa = which.isa;
    packing.activation_maximum = most_activation;
    packing.soft_error_check = true;
    if (which.family == "int8_outlier") packing.outliers = MakeOutliers(random);
    const MatrixView<const int8_t> weights(weights_.data(), which.inputs, which.outputs);
    checked_.emplace(ValueOrThrow(PackedWeights::Create(weights, packing)));
    packing.soft_error_check = false;
    unchecked_.emplace(ValueOrThrow(PackedWeights::Create(weights, packing)));
  }

  // To s32, so that every change of an accumulator shows.
  Linear MakeLinear(const PackedWeights& weights, const SoftErrorOptions& soft_errors) const {
    Epilogue epilogue;
    epilogue.output = OutputS32{};
    LinearOptions options;
    options.soft_errors = soft_errors;
    return ValueOrThrow(Linear::Create(context_, weights, epilogue, options));
  }
  // To u8, as inference does.
  Linear MakeQuantizing(const PackedWeights& weights) const {
    Epilogue epilogue;
    epilogue.activation = Activation::kRelu;
    epilogue.output =
        OutputU8{static_cast<float>(40.0 * std::sqrt(static_cast<double>(case_.inputs))), 3};
    return ValueOrThrow(Linear::Create(context_, weights, epilogue));
  }

  bool Passes(const Linear& linear) {
    return Passed(linear.Run(input(), quantization_,
                             OutputMatrix(output_.data(), case_.rows, case_.outputs)));
  }
  bool Quantizes(const Linear& linear) {
    return Passed(
        linear.Run(input(), quantization_, OutputMatrix(bytes_.data(), case_.rows, case_.outputs)));
  }
  void KeepOutput() { clean_ = output_; }
  bool OutputChanged() const { return output_ != clean_; }

  const PackedWeights& checked() const { return *checked_; }
  const PackedWeights& unchecked() const { return *unchecked_; }

 private:
  static bool Passed(const Status& status) {
    if (!status.ok() && status.code() != StatusCode::kDataCorrupted) {
      throw std::runtime_error(status.message());
    }
    return status.ok();
  }

  InputMatrix input() const { return InputMatrix(input_.data(), case_.rows, case_.inputs); }

  SparseWeights MakeOutliers(Random& random) {
    std::vector<int64_t> by_column(static_cast<size_t>(case_.outputs));
    const int64_t count = std::max<int64_t>(1, case_.inputs * case_.outputs / 1000);
    for (int64_t i = 0; i < count; ++i)
      ++by_column[static_cast<size_t>(Below(random, case_.outputs))];
    outlier_offsets_.assign(1, 0);
    for (const int64_t entries : by_column) {
      std::vector<int64_t> rows;
      for (int64_t i = 0; i < entries; ++i) rows.push_back(Below(random, case_.inputs));
      std::sort(rows.begin(), rows.end());
      for (const int64_t row : rows) {
        outlier_rows_.push_back(row);
        outlier_values_.push_back(static_cast<int8_t>(Below(random, 2) == 0 ? 127 : -127));
      }
      outlier_offsets_.push_back(static_cast<int64_t>(outlier_rows_.size()));
    }
    SparseWeights view;
    view.inputs = case_.inputs;
    view.outputs = case_.outputs;
    view.column_offsets = ArrayView<const int64_t>(outlier_offsets_);
    view.row_indices = IndexView(outlier_rows_);
    view.values = ArrayView<const int8_t>(outlier_values_);
    return view;
  }

  const ProductCase case_;
  const Context context_;
  const InputQuantization quantization_{0.02f, 7};
  std::vector<int8_t> weights_;
  std::vector<uint8_t> input_;
  std::vector<int32_t> output_;
  std::vector<int32_t> clean_;
  std::vector<uint8_t> bytes_;
  std::vector<int64_t> outlier_offsets_;
  std::vector<int64_t> outlier_rows_;
  std::vector<int8_t> outlier_values_;
  std::optional<PackedWeights> checked_;
  std::optional<PackedWeights> unchecked_;
};

// A bit of a packed weight flips, and back.
PlaceResult InjectIntoWeights(Layer& layer, const CampaignOptions& options) {
  PlaceResult result;
  result.place = "weights";
  Random random(options.seed + 1);
  const Linear linear = layer.MakeLinear(layer.checked(), {});
  const pack::PackedMatrix& matrix = layer.checked().matrix();
  // The memory is the library's own, and writable.
  auto* const bytes = const_cast<uint8_t*>(matrix.weights.As<uint8_t>());
  const std::vector<pack::ByteRange> ranges = pack::WeightRanges(matrix);
  int64_t total = 0;
  for (const pack::ByteRange& range : ranges) total += range.end - range.begin;
  for (int64_t i = 0; i < options.injections; ++i) {
    int64_t at = Below(random, total);
    for (const pack::ByteRange& range : ranges) {
      if (at < range.end - range.begin) {
        at += range.begin;
        break;
      }
      at -= range.end - range.begin;
    }
    const int bit = static_cast<int>(Below(random, 8));
    const auto flip = static_cast<uint8_t>(1u << bit);
    bytes[at] ^= flip;
    const bool passes = layer.Passes(linear);
    bytes[at] ^= flip;
    result.Count(layer.OutputChanged(), !passes, bit);
  }
  return result;
}

PlaceResult InjectIntoAccumulators(Layer& layer, const ProductCase& which,
                                   const CampaignOptions& options) {
  PlaceResult result;
  result.place = "accumulators";
  Random random(options.seed + 2);
  SoftErrorInjection injection;
  SoftErrorOptions soft_errors;
  soft_errors.injection = &injection;
  const Linear linear = layer.MakeLinear(layer.checked(), soft_errors);
  for (int64_t i = 0; i < options.injections; ++i) {
    injection.row = Below(random, which.rows);
    injection.column = Below(random, which.outputs);
    injection.bit = static_cast<int>(Below(random, 32));
    injection.times = 1;
    const bool passes = layer.Passes(linear);
    result.Count(layer.OutputChanged(), !passes, injection.bit);
  }
  return result;
}

}  // namespace

std::vector<std::string> ProductFamilies() { return {"int8", "int8_acc16", "int8_outlier"}; }

std::vector<ProductCase> PublishedLayers() {
  constexpr int kLayers[][3] = {
      {1, 128, 512},    {1, 1024, 256},   {1, 2048, 512},   {1, 4096, 1024},  {1, 800, 3200},
      {1, 800, 8000},   {1, 128, 2876},   {1, 128, 2722},   {6, 256, 1024},   {6, 256, 2048},
      {6, 512, 512},    {6, 1024, 256},   {6, 2048, 256},   {6, 2048, 512},   {6, 4096, 256},
      {6, 4096, 1024},  {6, 4096, 2048},  {10, 2048, 256},  {10, 4096, 1024}, {20, 2048, 256},
      {20, 4096, 1024}, {102, 1024, 512}, {102, 2323, 256}, {102, 512, 256},  {16, 256, 1500},
      {16, 256, 1567},  {16, 128, 1567},  {16, 256, 512}};
  std::vector<ProductCase> cases;
  for (const auto& layer : kLayers) {
    ProductCase& which = cases.emplace_back();
    which.rows = layer[0];
    which.outputs = layer[1];
    which.inputs = layer[2];
  }
  return cases;
}

std::string NameOf(const ProductCase& which, const CampaignOptions& options) {
  return which.family + "/" + std::to_string(which.rows) + "x" + std::to_string(which.outputs) +
         "x" + std::to_string(which.inputs) + "/isa:" + IsaName(which.isa) +
         "/threads:" + std::to_string(options.threads);
}

CaseResult RunProductCampaign(const ProductCase& which, const CampaignOptions& options) {
  CaseResult result;
  result.name = NameOf(which, options);
  const int64_t clean_calls = (options.clean_rows / 2 + which.rows - 1) / which.rows;
  for (const Data data : {Data::kExtreme, Data::kRandom}) {
    Layer layer(which, data, options);
    SoftErrorMonitor monitor;
    SoftErrorOptions soft_errors;
    soft_errors.policy = SoftErrorPolicy::kReport;
    soft_errors.monitor = &monitor;
    const Linear linear = layer.MakeLinear(layer.checked(), soft_errors);
    for (int64_t call = 0; call < std::max<int64_t>(1, clean_calls); ++call) layer.Passes(linear);
    result.clean_rows += static_cast<int64_t>(monitor.counts().checked);
    result.false_positives += static_cast<int64_t>(monitor.counts().detected);
    if (data == Data::kExtreme) continue;

    layer.KeepOutput();
    result.places.push_back(InjectIntoWeights(layer, options));
    result.places.push_back(InjectIntoAccumulators(layer, which, options));

    const Linear with = layer.MakeQuantizing(layer.checked());
    const Linear without = layer.MakeQuantizing(layer.unchecked());
    result.overhead = MeasureOverhead([&] { return layer.Quantizes(with); },
                                      [&] { return layer.Quantizes(without); }, options);
  }
  return result;
}

}  // namespace qforge::bench
