#include "dlrm/int8_linear.h"

#include <vector>

#include "dlrm/check.h"

namespace dlrm {
namespace {

using qforge::MatrixView;

qforge::PackedWeights Pack(const qforge::Context& context, const LinearLayer& layer,
                           qforge::RangeMethod method, bool checked) {
  std::vector<int8_t> quantized(layer.weight.size());
  std::vector<float> scales(layer.outputs);
  Check(qforge::QuantizeWeights(
      context, MatrixView<const float>(layer.weight.data(), layer.outputs, layer.inputs),
      {.layout = qforge::WeightsLayout::kOutputsByInputs, .method = method},
      MatrixView<int8_t>(quantized.data(), layer.outputs, layer.inputs), scales));

  qforge::PackedWeightsOptions options;
  options.layout = qforge::WeightsLayout::kOutputsByInputs;
  options.scales = scales;
  options.max_isa = context.isa();
  options.soft_error_check = checked;
  return Take(qforge::PackedWeights::Create(
      MatrixView<const int8_t>(quantized.data(), layer.outputs, layer.inputs), options));
}

qforge::Linear MakeLinear(const qforge::Context& context, const qforge::PackedWeights& weights,
                          const LinearLayer& layer, bool relu, const Int8Input& input,
                          const qforge::Output& output,
                          const std::optional<qforge::SoftErrorOptions>& soft_errors) {
  qforge::Epilogue epilogue;
  epilogue.bias = layer.bias;
  epilogue.activation = relu ? qforge::Activation::kRelu : qforge::Activation::kNone;
  epilogue.output = output;
  qforge::LinearOptions options{.input = input.type, .scaling = input.scaling};
  if (soft_errors) options.soft_errors = *soft_errors;
  return Take(qforge::Linear::Create(context, weights, epilogue, options));
}

}  // namespace

Int8Linear::Int8Linear(const qforge::Context& context, const LinearLayer& layer, bool relu,
                       const Int8Input& input, const qforge::Output& output,
                       qforge::RangeMethod weights,
                       const std::optional<qforge::SoftErrorOptions>& soft_errors)
    : Int8Linear(context, Pack(context, layer, weights, soft_errors.has_value()), layer, relu,
                 input, output, soft_errors) {}

Int8Linear::Int8Linear(const qforge::Context& context, const qforge::PackedWeights& weights,
                       const LinearLayer& layer, bool relu, const Int8Input& input,
                       const qforge::Output& output,
                       const std::optional<qforge::SoftErrorOptions>& soft_errors)
    : linear_(MakeLinear(context, weights, layer, relu, input, output, soft_errors)),
      outputs_(layer.outputs),
      weight_bytes_(weights.bytes() + static_cast<int64_t>(layer.bias.size() * sizeof(float))) {
  if (input.scaling == qforge::InputScaling::kPerTensor) {
    input_ = {input.parameters.scale, input.parameters.zero_point};
  }
}

void Int8Linear::Run(const qforge::InputMatrix& input, const qforge::OutputMatrix& output) const {
  Check(linear_.Run(input, input_, output));
}

qforge::ErrorStatistics Int8Linear::CompareWith(const qforge::Context& context,
                                                const qforge::FloatLayer& layer,
                                                const MatrixView<const float>& input) const {
  qforge::ErrorStatistics error;
  Check(qforge::ShadowRun(context, layer, linear_, input, input_, &error));
  return error;
}

}  // namespace dlrm
