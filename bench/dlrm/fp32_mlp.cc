#include "dlrm/fp32_mlp.h"

#include <algorithm>
#include <limits>

#include "dlrm/parallel.h"

namespace dlrm {

using qforge::MatrixView;

Fp32Linear::Fp32Linear(const qforge::Context& context, const LinearLayer& layer, bool relu)
    : context_(context),
      kernels_(Fp32KernelsFor(context.isa())),
      inputs_(layer.inputs),
      outputs_(layer.outputs),
      floor_(relu ? 0.0f : -std::numeric_limits<float>::infinity()),
      panel_columns_(kernels_.lanes * Fp32Kernels::kMaxVectors) {
  const int64_t lanes = kernels_.lanes;
  const int64_t padded = (outputs_ + lanes - 1) / lanes * lanes;
  bias_.assign(padded, 0.0f);
  std::copy(layer.bias.begin(), layer.bias.end(), bias_.begin());
  panels_.assign(padded * inputs_, 0.0f);
  for (int64_t j = 0; j < outputs_; ++j) {
    const int64_t first = j / panel_columns_ * panel_columns_;
    const int64_t width = std::min(panel_columns_, padded - first);
    for (int64_t k = 0; k < inputs_; ++k) {
      panels_[first * inputs_ + k * width + j - first] = layer.weight[j * inputs_ + k];
    }
  }
}

int64_t Fp32Linear::weight_bytes() const {
  return static_cast<int64_t>((panels_.size() + bias_.size()) * sizeof(float));
}

void Fp32Linear::Run(const MatrixView<const float>& input, const MatrixView<float>& output) const {
  const int64_t panels = (outputs_ + panel_columns_ - 1) / panel_columns_;
  const int64_t row_tiles = (input.rows + kernels_.max_rows - 1) / kernels_.max_rows;
  if (row_tiles < context_.thread_count() && row_tiles < panels) {
    ParallelRanges(context_, panels, 1,
                   [&](int64_t first, int64_t last) { RunPart(input, output, first, last); });
    return;
  }
  ParallelRanges(context_, input.rows, kernels_.max_rows, [&](int64_t first, int64_t last) {
    RunPart({input.data + first * input.stride, last - first, input.cols, input.stride},
            {output.data + first * output.stride, last - first, output.cols, output.stride}, 0,
            panels);
  });
}

void Fp32Linear::RunPart(const MatrixView<const float>& input, const MatrixView<float>& output,
                         int64_t first_panel, int64_t last_panel) const {
  for (int64_t panel = first_panel; panel < last_panel; ++panel) {
    const int64_t column = panel * panel_columns_;
    const int64_t columns = std::min(panel_columns_, outputs_ - column);
    const int64_t vectors = (columns + kernels_.lanes - 1) / kernels_.lanes;
    for (int64_t row = 0; row < input.rows; row += kernels_.max_rows) {
      const int64_t rows = std::min(kernels_.max_rows, input.rows - row);
      kernels_.tile[rows - 1][vectors - 1]({
          .input = input.data + row * input.stride,
          .input_stride = input.stride,
          .depth = inputs_,
          .panel = panels_.data() + column * inputs_,
          .bias = bias_.data() + column,
          .floor = floor_,
          .output = output.data + row * output.stride + column,
          .output_stride = output.stride,
          .columns = columns,
      });
    }
  }
}

Fp32Mlp::Fp32Mlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
                 int64_t max_rows) {
  for (size_t i = 0; i < layers.size(); ++i) {
    const bool last = i + 1 == layers.size();
    layers_.emplace_back(context, layers[i], !last || relu_last);
    if (!last) hidden_.emplace_back(max_rows * layers[i].outputs);
  }
}

void Fp32Mlp::Run(const MatrixView<const float>& input, const MatrixView<float>& output) {
  MatrixView<const float> x = input;
  for (size_t i = 0; i < hidden_.size(); ++i) {
    const MatrixView<float> y(hidden_[i].data(), input.rows, layers_[i].outputs());
    layers_[i].Run(x, y);
    x = {y.data, y.rows, y.cols};
  }
  layers_.back().Run(x, output);
}

int64_t Fp32Mlp::weight_bytes() const {
  int64_t bytes = 0;
  for (const Fp32Linear& layer : layers_) bytes += layer.weight_bytes();
  return bytes;
}

}  // namespace dlrm
