#include "soft_errors/float_campaign.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <random>
#include <stdexcept>

#include "pack/packed_matrix.h"
#include "qforge/conversion.h"
#include "qforge/linear.h"
#include "support/isas.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

using Random = std::mt19937_64;

int64_t Below(Random& random, int64_t bound) {
  return std::uniform_int_distribution<int64_t>(0, bound - 1)(random);
}

DataType TypeOf(const std::string& family) {
  if (family == "fp16") return DataType::kF16;
  return family == "bf16" ? DataType::kBF16 : DataType::kF32;
}

// Of values over many powers of two, or of normal ones.
enum class Data { kNormal, kWide };

class Layer {
 public:
  Layer(const ProductCase& which, Data data, const CampaignOptions& options)
      : case_(which),
        type_(TypeOf(which.family)),
        context_(MakeContext(which.isa, options.threads)),
        output_(static_cast<size_t>(which.rows * which.outputs)),
        clean_(output_.size()) {
    Random random(options.seed);
    std::normal_distribution<float> normal;
    const auto draw = [&] {
      const float value = normal(random);
      return data == Data::kNormal ? value
                                   : std::ldexp(value, static_cast<int>(Below(random, 21)) - 16);
    };
    std::vector<float> weights(static_cast<size_t>(which.inputs * which.outputs));
    for (float& weight : weights) weight = draw();
    input_.resize(static_cast<size_t>(which.rows * which.inputs));
    for (float& activation : input_) activation = draw();
    if (type_ == DataType::kBF16) {
      narrow_input_.resize(input_.size());
      const Status status =
          Convert(ArrayView<const float>(input_),
                  ArrayView<BFloat16>(narrow_input_.data(), static_cast<int64_t>(input_.size())));
      if (!status.ok()) throw std::runtime_error(status.message());
    }
    FloatWeightsOptions packing;
    packing.type = type_;
    packing.max_isa = which.isa;
    const MatrixView<const float> view(weights.data(), which.inputs, which.outputs);
    unchecked_.emplace(ValueOrThrow(PackedWeights::Create(view, packing)));
    packing.soft_error_check = true;
    checked_.emplace(ValueOrThrow(PackedWeights::Create(view, packing)));
  }

  Linear MakeLinear(const PackedWeights& weights, const SoftErrorOptions& soft_errors) const {
    LinearOptions options;
    options.input = type_ == DataType::kBF16 ? DataType::kBF16 : DataType::kF32;
    options.soft_errors = soft_errors;
    return ValueOrThrow(Linear::Create(context_, weights, Epilogue(), options));
  }

  bool Passes(const Linear& linear) {
    InputMatrix input(input_.data(), case_.rows, case_.inputs);
    if (type_ == DataType::kBF16) {
      input = InputMatrix(narrow_input_.data(), case_.rows, case_.inputs);
    }
    const Status status =
        linear.Run(input, OutputMatrix(output_.data(), case_.rows, case_.outputs));
    if (!status.ok() && status.code() != StatusCode::kDataCorrupted) {
      throw std::runtime_error(status.message());
    }
    return status.ok();
  }
  void KeepOutput() { clean_ = output_; }
  bool OutputChanged() const {
    return std::memcmp(output_.data(), clean_.data(), output_.size() * sizeof(float)) != 0;
  }

  const PackedWeights& checked() const { return *checked_; }
  const PackedWeights& unchecked() const { return *unchecked_; }
  int weight_bits() const { return 8 * DataTypeSize(type_); }

 private:
  const ProductCase case_;
  const DataType type_;
  const Context context_;
  std::vector<float> input_;
  std::vector<BFloat16> narrow_input_;
  std::vector<float> output_;
  std::vector<float> clean_;
  std::optional<PackedWeights> checked_;
  std::optional<PackedWeights> unchecked_;
};

PlaceResult InjectIntoWeights(Layer& layer, const CampaignOptions& options) {
  PlaceResult result;
  result.place = "weights";
  Random random(options.seed + 1);
  const Linear linear = layer.MakeLinear(layer.checked(), {});
  const pack::PackedMatrix& matrix = layer.checked().matrix();
  // The memory is the library's own, and writable.
  auto* const bytes = const_cast<uint8_t*>(matrix.weights.As<uint8_t>());
  const int64_t element_bits = layer.weight_bits();
  const int64_t elements = static_cast<int64_t>(matrix.weights.size()) * 8 / element_bits;
  for (int64_t i = 0; i < options.injections; ++i) {
    const int64_t bit = Below(random, element_bits);
    const int64_t at = Below(random, elements) * element_bits / 8 + bit / 8;
    const auto flip = static_cast<uint8_t>(1u << (bit % 8));
    bytes[at] ^= flip;
    const bool passes = layer.Passes(linear);
    bytes[at] ^= flip;
    result.Count(layer.OutputChanged(), !passes, static_cast<int>(bit));
  }
  return result;
}

PlaceResult InjectIntoSums(Layer& layer, const ProductCase& which, const CampaignOptions& options) {
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

std::vector<std::string> FloatFamilies() { return {"fp32", "fp16", "bf16"}; }

CaseResult RunFloatCampaign(const ProductCase& which, const CampaignOptions& options) {
  CaseResult result;
  result.name = NameOf(which, options);
  result.finds_all = false;
  const int64_t clean_calls = (options.clean_rows / 2 + which.rows - 1) / which.rows;
  for (const Data data : {Data::kWide, Data::kNormal}) {
    Layer layer(which, data, options);
    SoftErrorMonitor monitor;
    SoftErrorOptions soft_errors;
    soft_errors.policy = SoftErrorPolicy::kReport;
    soft_errors.monitor = &monitor;
    const Linear linear = layer.MakeLinear(layer.checked(), soft_errors);
    for (int64_t call = 0; call < std::max<int64_t>(1, clean_calls); ++call) layer.Passes(linear);
    result.clean_rows += static_cast<int64_t>(monitor.counts().checked);
    result.false_positives += static_cast<int64_t>(monitor.counts().detected);
    if (data == Data::kWide) continue;

    layer.KeepOutput();
    result.places.push_back(InjectIntoWeights(layer, options));
    result.places.push_back(InjectIntoSums(layer, which, options));
    const Linear with = layer.MakeLinear(layer.checked(), {});
    const Linear without = layer.MakeLinear(layer.unchecked(), {});
    result.overhead = MeasureOverhead([&] { return layer.Passes(with); },
                                      [&] { return layer.Passes(without); }, options);
  }
  return result;
}

}  // namespace qforge::bench
