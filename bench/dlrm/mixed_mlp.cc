#include "dlrm/mixed_mlp.h"

#include <utility>

namespace dlrm {
namespace {

using qforge::MatrixView;

int64_t Outputs(const MixedMlp::Layer& layer) {
  return std::visit([](const auto& linear) { return linear.outputs(); }, layer);
}

void RunLayer(const MixedMlp::Layer& layer, const MatrixView<const float>& input,
              const MatrixView<float>& output) {
  std::visit([&](const auto& linear) { linear.Run(input, output); }, layer);
}

}  // namespace

MixedMlp::MixedMlp(std::vector<Layer> layers, int64_t max_rows) : layers_(std::move(layers)) {
  for (size_t i = 0; i + 1 < layers_.size(); ++i) {
    hidden_.emplace_back(max_rows * Outputs(layers_[i]));
  }
}

void MixedMlp::Run(const MatrixView<const float>& input, const MatrixView<float>& output) {
  MatrixView<const float> x = input;
  for (size_t i = 0; i < hidden_.size(); ++i) {
    const MatrixView<float> y(hidden_[i].data(), input.rows, Outputs(layers_[i]));
    RunLayer(layers_[i], x, y);
    x = {y.data, y.rows, y.cols};
  }
  RunLayer(layers_.back(), x, output);
}

int64_t MixedMlp::weight_bytes() const {
  int64_t bytes = 0;
  for (const Layer& layer : layers_) {
    bytes += std::visit([](const auto& linear) { return linear.weight_bytes(); }, layer);
  }
  return bytes;
}

}  // namespace dlrm
