#include "ref/float_layer.h"

#include <algorithm>

namespace qforge::ref {
namespace {

double Activated(const FloatLayer& layer, double r) {
  switch (layer.activation) {
    default:  // kNone; others are refused
      break;
    case Activation::kRelu:
      return std::max(r, 0.0);
    case Activation::kClamp:
      return std::clamp(r, static_cast<double>(layer.clamp_min),
                        static_cast<double>(layer.clamp_max));
  }
  return r;
}

}  // namespace

void FloatLayerRow(const FloatLayer& layer, int64_t inputs, int64_t outputs, const float* input,
                   double* output) noexcept {
  const MatrixView<const float>& weights = layer.weights;
  // Where there are no weights nothing is stepped through: their address may be null.
  const int64_t stride = inputs == 0 || outputs == 0 ? 0 : weights.stride;
  for (int64_t group = 0; group < layer.groups; ++group) {
    const float* const x = input + group * inputs;
    double* const y = output + group * outputs;
    for (int64_t j = 0; j < outputs; ++j) {
      y[j] = layer.bias.empty() ? 0.0 : static_cast<double>(layer.bias[group * outputs + j]);
    }
    if (layer.layout == WeightsLayout::kInputsByOutputs) {
      for (int64_t k = 0; k < inputs; ++k) {
        const double factor = static_cast<double>(x[k]);
        const float* const row = weights.data + (group * inputs + k) * stride;
        for (int64_t j = 0; j < outputs; ++j) y[j] += factor * static_cast<double>(row[j]);
      }
    } else {
      for (int64_t j = 0; j < outputs; ++j) {
        const float* const row = weights.data + (group * outputs + j) * stride;
        for (int64_t k = 0; k < inputs; ++k) {
          y[j] += static_cast<double>(x[k]) * static_cast<double>(row[k]);
        }
      }
    }
    for (int64_t j = 0; j < outputs; ++j) y[j] = Activated(layer, y[j]);
  }
}

}  // namespace qforge::ref
