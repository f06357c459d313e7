#include "dlrm/accuracy.h"

#include <map>
#include <memory>
#include <utility>

#include "common/progress.h"
#include "dlrm/check.h"
#include "dlrm/engine.h"
#include "dlrm/fp32_embeddings.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/mixed_mlp.h"

namespace dlrm {
namespace {

using qforge::MatrixView;
using qforge::RangeMethod;
using qforge::bench::Progress;

constexpr RangeMethod kMethods[] = {RangeMethod::kMinMax, RangeMethod::kPercentile,
                                    RangeMethod::kL2Approximate, RangeMethod::kL2,
                                    RangeMethod::kKlDivergence};

constexpr int64_t kBatch = 128;

const char* Description(RangeMethod method) {
  switch (method) {
    case RangeMethod::kMinMax:
      return "inputs of layers in the range from the smallest to the largest value met";
    case RangeMethod::kPercentile:
      return "0.005 % of the values clipped at either end";
    case RangeMethod::kL2Approximate:
      return "a range of little L2 error";
    case RangeMethod::kL2:
      return "the range of least L2 error";
    case RangeMethod::kKlDivergence:
      return "the range of least relative entropy";
  }
  return "";
}

std::map<RangeMethod, qforge::QuantizationParameters> ChooseByAll(
    const std::vector<float>& values) {
  qforge::Histogram histogram = Take(qforge::Histogram::Create());
  Check(histogram.Observe(values));
  std::map<RangeMethod, qforge::QuantizationParameters> parameters;
  for (const RangeMethod method : kMethods) {
    parameters[method] = Take(qforge::ChooseRange(histogram, {.method = method})).parameters;
  }
  return parameters;
}

// A layer of the fp32 model, with what it gets for the calibration requests.
struct ObservedLayer {
  std::string name;
  const LinearLayer& layer;
  bool relu;
  std::vector<float> input;
  std::map<RangeMethod, qforge::QuantizationParameters> parameters;  // of the input

  MatrixView<const float> input_view() const {
    return {input.data(), static_cast<int64_t>(input.size()) / layer.inputs, layer.inputs};
  }
  qforge::FloatLayer float_layer() const {
    qforge::FloatLayer in_float;
    in_float.weights = {layer.weight.data(), layer.outputs, layer.inputs};
    in_float.layout = qforge::WeightsLayout::kOutputsByInputs;
    in_float.bias = layer.bias;
    in_float.activation = relu ? qforge::Activation::kRelu : qforge::Activation::kNone;
    return in_float;
  }
};

void Observe(const qforge::Context& context, const std::string& name, const MlpLayers& layers,
             bool relu_last, std::vector<float> input, std::vector<ObservedLayer>* observed) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool relu = relu_last || i + 1 < layers.size();
    auto parameters = ChooseByAll(input);
    observed->push_back(
        {name + "." + std::to_string(i), layers[i], relu, std::move(input), std::move(parameters)});
    const MatrixView<const float> x = observed->back().input_view();
    std::vector<float> output(x.rows * layers[i].outputs);
    Fp32Linear(context, layers[i], relu).Run(x, {output.data(), x.rows, layers[i].outputs});
    input = std::move(output);
  }
}

Int8Linear Quantized(const qforge::Context& context, const ObservedLayer& observed,
                     RangeMethod inputs, RangeMethod weights) {
  const Int8Input input = {.type = qforge::DataType::kF32,
                           .scaling = qforge::InputScaling::kPerTensor,
                           .parameters = observed.parameters.at(inputs)};
  return Int8Linear(context, observed.layer, observed.relu, input, qforge::OutputF32{}, weights);
}

class Measurement {
 public:
  Measurement(const qforge::Context& context, const SyntheticData& data)
      : context_(context),
        data_(data),
        embeddings_(std::make_shared<Fp32Embeddings>(context, data.model)) {
    Engine fp32 = MakeEngine(
        std::make_shared<Fp32Mlp>(context, data.model.bottom, /*relu_last=*/true, kBatch),
        std::make_shared<Fp32Mlp>(context, data.model.top, /*relu_last=*/false, kBatch));
    Observe(context, "bottom", data.model.bottom, /*relu_last=*/true, data.calibration.dense,
            &layers_);
    Observe(context, "top", data.model.top, /*relu_last=*/false, fp32.TopInputs(data.calibration),
            &layers_);
    logits_ = fp32.Score(data.evaluation);
    losses_ = LogLosses(logits_, data.evaluation.labels);
  }

  const std::vector<ObservedLayer>& layers() const { return layers_; }

  WayAccuracy Fp32() const {
    return {.name = "fp32",
            .description = "all layers in fp32",
            .logloss = Mean(losses_),
            .loss_change = {},
            .logit_difference = {}};
  }

  // `in_fp32` names the layers that are not quantised, by their number.
  WayAccuracy Run(const std::string& name, const std::string& description, RangeMethod inputs,
                  RangeMethod weights, const std::vector<bool>& in_fp32) const {
    std::vector<MixedMlp::Layer> bottom, top;
    for (size_t i = 0; i < layers_.size(); ++i) {
      const ObservedLayer& observed = layers_[i];
      std::vector<MixedMlp::Layer>& mlp = i < data_.model.bottom.size() ? bottom : top;
      if (in_fp32[i]) {
        mlp.emplace_back(Fp32Linear(context_, observed.layer, observed.relu));
      } else {
        mlp.emplace_back(Quantized(context_, observed, inputs, weights));
      }
    }
    Engine engine = MakeEngine(std::make_shared<MixedMlp>(std::move(bottom), kBatch),
                               std::make_shared<MixedMlp>(std::move(top), kBatch));
    const std::vector<float> logits = engine.Score(data_.evaluation);
    const std::vector<double> losses = LogLosses(logits, data_.evaluation.labels);
    return {.name = name,
            .description = description,
            .logloss = Mean(losses),
            .loss_change = CompareLosses(losses, losses_),
            .logit_difference = CompareLogits(logits, logits_)};
  }

 private:
  Engine MakeEngine(std::shared_ptr<Mlp> bottom, std::shared_ptr<Mlp> top) const {
    return Engine(context_, data_.model, embeddings_, std::move(bottom), std::move(top), kBatch);
  }

  const qforge::Context context_;
  const SyntheticData& data_;
  const std::shared_ptr<Embeddings> embeddings_;
  std::vector<ObservedLayer> layers_;
  std::vector<float> logits_;  // of the evaluation requests in fp32
  std::vector<double> losses_;
};

void ChooseLayers(AccuracyResult* result) {
  std::vector<qforge::LayerError> errors;
  for (const LayerAccuracy& layer : result->layers) {
    errors.push_back(
        {.error = layer.errors.front(), .cost = static_cast<double>(layer.inputs * layer.outputs)});
  }
  std::vector<qforge::LayerPrecision> precisions(errors.size());
  result->choice = Take(qforge::ChoosePrecisions(
      errors, {.min_signal_to_noise = result->min_signal_to_noise}, precisions));
  for (size_t i = 0; i < precisions.size(); ++i) {
    result->layers[i].in_fp32 = precisions[i] == qforge::LayerPrecision::kHigher;
  }
}

}  // namespace

AccuracyResult MeasureAccuracy(const AccuracyOptions& options) {
  qforge::ContextOptions context_options;
  context_options.max_threads = options.experiment.threads;
  context_options.max_isa = options.experiment.max_isa;
  const qforge::Context context = Take(qforge::Context::Create(context_options));
  const SyntheticData data = LoadData(context, options.experiment);
  const Progress progress("measuring layers");
  const Measurement measurement(context, data);

  AccuracyResult result;
  result.model_name = ModelName(options.experiment);
  result.model_text = ModelText(data.model);
  result.calibration_requests = data.calibration.rows;
  result.evaluation_requests = data.evaluation.rows;
  result.isa = qforge::IsaName(context.isa());
  result.threads = context.thread_count();
  result.min_signal_to_noise = options.min_signal_to_noise;
  for (const RangeMethod method : kMethods) {
    result.methods.push_back(qforge::RangeMethodName(method));
  }
  for (const ObservedLayer& observed : measurement.layers()) {
    LayerAccuracy& layer = result.layers.emplace_back();
    layer.name = observed.name;
    layer.inputs = observed.layer.inputs;
    layer.outputs = observed.layer.outputs;
    for (const RangeMethod method : kMethods) {
      layer.errors.push_back(
          Quantized(context, observed, method, RangeMethod::kMinMax)
              .CompareWith(context, observed.float_layer(), observed.input_view()));
    }
  }
  ChooseLayers(&result);

  std::vector<bool> none(result.layers.size(), false);
  std::vector<bool> chosen(result.layers.size());
  for (size_t i = 0; i < chosen.size(); ++i) chosen[i] = result.layers[i].in_fp32;
  result.ways.push_back(measurement.Fp32());
  for (const RangeMethod method : kMethods) {
    result.ways.push_back(measurement.Run(qforge::RangeMethodName(method), Description(method),
                                          method, RangeMethod::kMinMax, none));
  }
  result.ways.push_back(measurement.Run("l2_weights", "l2, and for each channel of weights, too",
                                        RangeMethod::kL2, RangeMethod::kL2, none));
  result.ways.push_back(measurement.Run("minmax_mixed",
                                        "minmax, with the layers that the budget keeps in fp32",
                                        RangeMethod::kMinMax, RangeMethod::kMinMax, chosen));
  return result;
}

}  // namespace dlrm
