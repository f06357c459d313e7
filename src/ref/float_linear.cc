#include "ref/float_linear.h"

#include <cmath>

#include "base/float_product.h"
#include "qforge/half.h"
#include "ref/activation.h"

namespace qforge::ref {
namespace {

float Sum(const FloatLinearProblem& problem, int64_t row, int64_t channel, int64_t k_begin,
          int64_t k_end) noexcept {
  const int64_t group = channel / problem.outputs;
  const int64_t column = channel % problem.outputs;
  const bool by_row = problem.layout == WeightsLayout::kInputsByOutputs;
  float sum = 0.0f;
  for (int64_t k = k_begin; k < k_end; ++k) {
    const int64_t input_column = group * problem.inputs + k;
    const float a = problem.transposed_input ? FloatElement(problem.input, input_column, row)
                                             : FloatElement(problem.input, row, input_column);
    const float b = by_row ? FloatElement(problem.weights, group * problem.inputs + k, column)
                           : FloatElement(problem.weights, group * problem.outputs + column, k);
    sum = std::fma(a, b, sum);
  }
  return sum;
}

float Product(const FloatLinearProblem& problem, int64_t row, int64_t channel) noexcept {
  const int parts = base::PartsOfFloatProduct(problem.inputs, problem.outputs);
  const int64_t length = base::InputsOfPart(problem.inputs, parts);
  float sum = 0.0f;
  for (int part = 0; part < parts; ++part) {
    const int64_t end = part == parts - 1 ? problem.inputs : (part + 1) * length;
    const float of_part = Sum(problem, row, channel, part * length, end);
    sum = part == 0 ? of_part : sum + of_part;
  }
  return sum;
}

float Activate(const Epilogue& epilogue, float r) noexcept {
  switch (epilogue.activation) {
    case Activation::kNone:
      break;
    case Activation::kRelu:
      return r < 0.0f ? 0.0f : r;
    case Activation::kClamp:
      r = r < epilogue.clamp_min ? epilogue.clamp_min : r;
      return r > epilogue.clamp_max ? epilogue.clamp_max : r;
    case Activation::kGeluErf:
      return GeluErf(r);
    case Activation::kGeluTanh:
      return GeluTanh(r);
    case Activation::kSigmoid:
      return Sigmoid(r);
    case Activation::kSilu:
      return Silu(r);
  }
  return r;
}

float Finish(const FloatLinearProblem& problem, int64_t row, int64_t channel, float sum) noexcept {
  const Epilogue& epilogue = problem.epilogue;
  float r = sum;
  if (epilogue.bias.type() != DataType::kNone) {
    const float bias = static_cast<const float*>(epilogue.bias.data())[channel];
    r = std::fma(r, epilogue.alpha, bias);
  } else {
    r = r * epilogue.alpha;
  }
  if (epilogue.beta != 0.0f) {
    InputMatrix held;
    held.data = problem.output.data;
    held.stride = problem.output.stride;
    held.type = problem.output.type;
    r = std::fma(FloatElement(held, row, channel), epilogue.beta, r);
  }
  if (epilogue.residual.type != DataType::kNone) {
    r = std::fma(FloatElement(problem.residual, row, channel), epilogue.residual.scale, r);
  }
  return Activate(epilogue, r);
}

void Store(const FloatLinearProblem& problem, int64_t row, int64_t channel, float sum) noexcept {
  const OutputMatrix& output = problem.output;
  const float r = Finish(problem, row, channel, sum);
  const int64_t offset = row * output.stride + channel;
  if (output.type == DataType::kF16) {
    static_cast<Half*>(output.data)[offset] = ToHalf(r);
  } else if (output.type == DataType::kBF16) {
    static_cast<BFloat16*>(output.data)[offset] = ToBFloat16(r);
  } else {
    static_cast<float*>(output.data)[offset] = r;
  }
}

}  // namespace

float FloatElement(const InputMatrix& matrix, int64_t row, int64_t column) noexcept {
  const int64_t offset = row * matrix.stride + column;
  switch (matrix.type) {
    case DataType::kF16:
      return ToFloat(static_cast<const Half*>(matrix.data)[offset]);
    case DataType::kBF16:
      return ToFloat(static_cast<const BFloat16*>(matrix.data)[offset]);
    default:
      return static_cast<const float*>(matrix.data)[offset];
  }
}

void FloatLinear(const FloatLinearProblem& problem, const Block& block) noexcept {
  for (int64_t row = block.row_begin; row < block.row_end; ++row) {
    for (int64_t channel = block.output_begin; channel < block.output_end; ++channel) {
      Store(problem, row, channel, Product(problem, row, channel));
    }
  }
}

void FloatProducts(const FloatLinearProblem& problem, const Block& block, float* products,
                   int64_t stride) noexcept {
  for (int64_t row = block.row_begin; row < block.row_end; ++row) {
    for (int64_t channel = block.output_begin; channel < block.output_end; ++channel) {
      products[(row - block.row_begin) * stride + (channel - block.output_begin)] =
          Product(problem, row, channel);
    }
  }
}

void FinishFloatProducts(const FloatLinearProblem& problem, const Block& block,
                         const float* products, int64_t stride) noexcept {
  for (int64_t row = block.row_begin; row < block.row_end; ++row) {
    for (int64_t channel = block.output_begin; channel < block.output_end; ++channel) {
      Store(problem, row, channel,
            products[(row - block.row_begin) * stride + (channel - block.output_begin)]);
    }
  }
}

}  // namespace qforge::ref
