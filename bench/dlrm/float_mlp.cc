#include "dlrm/float_mlp.h"

#include "dlrm/check.h"

namespace dlrm {

using qforge::DataType;
using qforge::MatrixView;

FloatMlp::FloatMlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
                   DataType weights, int64_t max_rows)
    : activations_(weights == DataType::kBF16 ? DataType::kBF16 : DataType::kF32) {
  const bool bf16 = activations_ == DataType::kBF16;
  if (bf16) input_.resize(static_cast<size_t>(max_rows * layers.front().inputs));
  for (size_t i = 0; i < layers.size(); ++i) {
    const LinearLayer& layer = layers[i];
    const bool last = i + 1 == layers.size();
    const qforge::PackedWeights packed = Take(qforge::PackedWeights::Create(
        MatrixView<const float>(layer.weight.data(), layer.outputs, layer.inputs),
        {.layout = qforge::WeightsLayout::kOutputsByInputs,
         .type = weights,
         .max_isa = context.isa()}));
    qforge::Epilogue epilogue;
    epilogue.bias = layer.bias;
    if (!last || relu_last) epilogue.activation = qforge::Activation::kRelu;
    if (bf16 && !last) {
      epilogue.output = qforge::OutputBF16{};
    } else {
      epilogue.output = qforge::OutputF32{};
    }
    layers_.push_back(
        {Take(qforge::Linear::Create(context, packed, epilogue, {.input = activations_})),
         layer.outputs});
    if (!last) {
      hidden_.emplace_back(
          static_cast<size_t>(max_rows * layer.outputs * qforge::DataTypeSize(activations_)));
    }
    weight_bytes_ += packed.bytes() + static_cast<int64_t>(layer.bias.size() * sizeof(float));
  }
}

void FloatMlp::Run(const MatrixView<const float>& input, const MatrixView<float>& output) {
  qforge::InputMatrix x = input;
  if (activations_ == DataType::kBF16) {
    for (int64_t i = 0; i < input.rows; ++i) {
      Check(qforge::Convert({input.data + i * input.stride, input.cols},
                            {input_.data() + i * input.cols, input.cols}));
    }
    x = qforge::InputMatrix(input_.data(), input.rows, input.cols);
  }
  for (size_t i = 0; i < hidden_.size(); ++i) {
    std::byte* const hidden = hidden_[i].data();
    const int64_t outputs = layers_[i].outputs;
    if (activations_ == DataType::kBF16) {
      const MatrixView<qforge::BFloat16> y(reinterpret_cast<qforge::BFloat16*>(hidden), input.rows,
                                           outputs);
      Check(layers_[i].linear.Run(x, y));
      x = y;
    } else {
      const MatrixView<float> y(reinterpret_cast<float*>(hidden), input.rows, outputs);
      Check(layers_[i].linear.Run(x, y));
      x = y;
    }
  }
  Check(layers_.back().linear.Run(x, output));
}

}  // namespace dlrm
