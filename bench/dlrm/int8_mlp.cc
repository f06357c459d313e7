#include "dlrm/int8_mlp.h"

#include <optional>
#include <utility>

#include "dlrm/check.h"
#include "dlrm/fp32_mlp.h"

namespace dlrm {

namespace {

using qforge::ArrayView;
using qforge::MatrixView;

ArrayView<const float> Values(const MatrixView<const float>& matrix) {
  return {matrix.data, matrix.rows * matrix.cols};
}

// u8 over the smallest to the largest value met. Narrower ranges that clip were tried (dlrm
// --report): they lower the error on the calibration set, but not the log loss of other requests.
qforge::QuantizationParameters ChooseActivationParameters(const Samples& samples) {
  const qforge::ValueRange range = Take(qforge::FindRange(Values(samples)));
  return Take(qforge::ChooseParameters(range.min, range.max));
}

}  // namespace

Int8Mlp::Int8Mlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
                 qforge::InputScaling input_scaling, const Samples& samples, int64_t max_rows,
                 MlpChecks* checks) {
  const auto soft_errors = [&]() -> std::optional<qforge::SoftErrorOptions> {
    if (checks == nullptr) return std::nullopt;
    checks->injections.push_back(std::make_unique<qforge::SoftErrorInjection>());
    qforge::SoftErrorOptions options;
    options.policy = checks->policy;
    options.monitor = checks->monitor;
    options.injection = checks->injections.back().get();
    return options;
  };
  Int8Input input = {.type = qforge::DataType::kF32, .scaling = input_scaling, .parameters = {}};
  if (input_scaling == qforge::InputScaling::kPerTensor) {
    input.parameters = ChooseActivationParameters(samples);
  }

  // The fp32 model's activations, layer by layer, give the ranges of the u8 ones.
  Samples activations = samples;
  std::vector<float> storage;
  for (size_t i = 0; i + 1 < layers.size(); ++i) {
    const LinearLayer& layer = layers[i];
    std::vector<float> next(samples.rows * layer.outputs);
    Fp32Linear(context, layer, /*relu=*/true)
        .Run(activations, {next.data(), samples.rows, layer.outputs});
    storage = std::move(next);
    activations = {storage.data(), samples.rows, layer.outputs};

    const auto parameters = ChooseActivationParameters(activations);
    layers_.emplace_back(context, layer, /*relu=*/true, input,
                         qforge::OutputU8{parameters.scale, parameters.zero_point},
                         qforge::RangeMethod::kMinMax, soft_errors());
    hidden_.emplace_back(max_rows * layer.outputs);
    input = {.type = qforge::DataType::kU8,
             .scaling = qforge::InputScaling::kPerTensor,
             .parameters = parameters};
  }
  layers_.emplace_back(context, layers.back(), relu_last, input, qforge::OutputF32{},
                       qforge::RangeMethod::kMinMax, soft_errors());
}

void Int8Mlp::Run(const MatrixView<const float>& input, const MatrixView<float>& output) {
  qforge::InputMatrix x = input;
  for (size_t i = 0; i < hidden_.size(); ++i) {
    const MatrixView<uint8_t> y(hidden_[i].data(), input.rows, layers_[i].outputs());
    layers_[i].Run(x, y);
    x = y;
  }
  layers_.back().Run(x, output);
}

int64_t Int8Mlp::weight_bytes() const {
  int64_t bytes = 0;
  for (const Int8Linear& layer : layers_) bytes += layer.weight_bytes();
  return bytes;
}

}  // namespace dlrm
