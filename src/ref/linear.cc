#include <cmath>
#include <type_traits>

#include "qforge/half.h"
#include "ref/float_linear.h"
#include "ref/reference.h"
#include "ref/rounding.h"

namespace qforge::ref {
namespace {

// The value for `channel` in [0, G*N) of an array that holds 1, G or G*N of them.
template <class T>
T OfChannel(const LinearProblem& problem, ArrayView<const T> values, int64_t channel,
            T otherwise) noexcept {
  if (values.empty()) return otherwise;
  if (values.size() == 1) return values[0];
  if (values.size() == problem.groups) return values[channel / problem.outputs];
  return values[channel];
}

float InputScale(const LinearProblem& problem, int64_t row) noexcept {
  const InputQuantization& quantization = problem.quantization;
  return quantization.row_scales.empty() ? quantization.scale : quantization.row_scales[row];
}

int32_t InputZeroPoint(const LinearProblem& problem, int64_t row) noexcept {
  const InputQuantization& quantization = problem.quantization;
  return quantization.row_zero_points.empty() ? quantization.zero_point
                                              : quantization.row_zero_points[row];
}

// residual - residual_zero_point.
float ResidualValue(const LinearProblem& problem, int64_t row, int64_t column) noexcept {
  const InputMatrix& matrix = problem.residual;
  const int32_t zero_point = problem.epilogue.residual.zero_point;
  const int64_t offset = row * matrix.stride + column;
  switch (problem.epilogue.residual.type) {
    case DataType::kU8:
      return static_cast<float>(static_cast<const uint8_t*>(matrix.data)[offset] - zero_point);
    case DataType::kS8:
      return static_cast<float>(static_cast<const int8_t*>(matrix.data)[offset] - zero_point);
    default:
      return FloatElement(matrix, row, column);
  }
}

// The elements of A and B that an output is made of, with a T being an element of A.
template <class T>
class Operands {
 public:
  Operands(const LinearProblem& problem, int64_t row, int64_t channel) noexcept
      : a_(static_cast<const T*>(problem.input.data)), b_(problem.weights) {
    // Nothing is read then, and strides and addresses may be any.
    if (problem.inputs == 0) return;
    const int64_t group = channel / problem.outputs;
    const int64_t output = channel % problem.outputs;
    if (problem.transposed_input) {
      a_ += group * problem.inputs * problem.input.stride + row;
      a_step_ = problem.input.stride;
    } else {
      a_ += row * problem.input.stride + group * problem.inputs;
    }
    if (problem.layout == WeightsLayout::kInputsByOutputs) {
      b_ += group * problem.inputs * problem.weights_stride + output;
      b_step_ = problem.weights_stride;
    } else {
      b_ += channel * problem.weights_stride;
    }
  }

  int32_t A(int64_t k) const noexcept { return a_[k * a_step_]; }
  int32_t B(int64_t k) const noexcept { return b_[k * b_step_]; }

 private:
  const T* a_;
  const int8_t* b_;
  int64_t a_step_ = 1;
  int64_t b_step_ = 1;
};

// sum_k (A[row][k] - a_zero_point) * (B[k][channel] - b_zero_point), outliers being part of B. No K
// that fits in memory can overflow the 64-bit sum.
template <class T>
int64_t Product(const LinearProblem& problem, int64_t row, int64_t channel) noexcept {
  if (problem.inputs == 0) return 0;  // no operands, and no memory for them
  const Operands<T> operands(problem, row, channel);
  const int32_t a_zero_point = InputZeroPoint(problem, row);
  const int32_t b_zero_point = OfChannel(problem, problem.zero_points, channel, 0);
  int64_t sum = 0;
  for (int64_t k = 0; k < problem.inputs; ++k) {
    sum += (operands.A(k) - a_zero_point) * (operands.B(k) - b_zero_point);
  }
  const SparseWeights& outliers = problem.outliers;
  if (outliers.column_offsets.empty()) return sum;
  for (int64_t e = outliers.column_offsets[channel]; e < outliers.column_offsets[channel + 1];
       ++e) {
    sum += (operands.A(outliers.row_indices[e]) - a_zero_point) * outliers.values[e];
  }
  return sum;
}

int32_t Saturate16(int32_t value) noexcept {
  return value < -32768 ? -32768 : value > 32767 ? 32767 : value;
}

// The same with sum_k A * B as Accumulation::kSaturating16 says, of A as u8, and the corrections
// for zero-points exact.
template <class T>
int64_t SaturatingProduct(const LinearProblem& problem, int64_t row, int64_t channel) noexcept {
  if (problem.inputs == 0) return 0;
  const Operands<T> operands(problem, row, channel);
  constexpr int32_t kShift = std::is_signed_v<T> ? 128 : 0;
  const int64_t a_zero_point = InputZeroPoint(problem, row) + kShift;
  const int64_t b_zero_point = OfChannel(problem, problem.zero_points, channel, 0);
  const int64_t inputs = problem.inputs;
  int64_t sum = 0;
  int64_t a_sum = 0;
  int64_t b_sum = 0;
  int32_t narrow[2] = {0, 0};
  for (int64_t k = 0; k < inputs; k += 2) {
    if (k % 256 == 0 && inputs - k >= 4) {
      sum += narrow[0] + narrow[1];
      narrow[0] = narrow[1] = 0;
    }
    int32_t pair = 0;
    for (int64_t i = k; i < k + 2 && i < inputs; ++i) {
      const int32_t a = operands.A(i) + kShift;
      pair += a * operands.B(i);
      a_sum += a;
      b_sum += operands.B(i);
    }
    int32_t& half = narrow[k / 2 % 2];
    half = Saturate16(half + Saturate16(pair));
  }
  sum += narrow[0] + narrow[1];
  return sum - a_zero_point * b_sum - b_zero_point * a_sum + inputs * a_zero_point * b_zero_point;
}

template <class T>
int64_t AnyProduct(const LinearProblem& problem, int64_t row, int64_t channel) noexcept {
  return problem.accumulation == Accumulation::kSaturating16
             ? SaturatingProduct<T>(problem, row, channel)
             : Product<T>(problem, row, channel);
}

int32_t Accumulator(const LinearProblem& problem, int64_t row, int64_t channel) noexcept {
  int64_t sum = problem.input.type == DataType::kU8 ? AnyProduct<uint8_t>(problem, row, channel)
                                                    : AnyProduct<int8_t>(problem, row, channel);
  const Bias& bias = problem.epilogue.bias;
  if (bias.type() == DataType::kS32) sum += static_cast<const int32_t*>(bias.data())[channel];
  return static_cast<int32_t>(sum);  // modulo 2^32
}

// `r` of qforge/types.h, activation included.
float Scaled(const LinearProblem& problem, int64_t row, int64_t channel,
             int32_t accumulator) noexcept {
  const Epilogue& epilogue = problem.epilogue;
  const float y_scale = epilogue.output.scale;
  const float b_scale = OfChannel(problem, problem.scales, channel, 1.0f);
  const float multiplier = InputScale(problem, row) * (b_scale / y_scale);

  float r;
  if (epilogue.bias.type() == DataType::kF32) {
    const float bias = static_cast<const float*>(epilogue.bias.data())[channel];
    r = std::fma(static_cast<float>(accumulator), multiplier, bias / y_scale);
  } else {
    r = static_cast<float>(accumulator) * multiplier;
  }

  const Residual& residual = epilogue.residual;
  if (residual.type != DataType::kNone) {
    r = std::fma(ResidualValue(problem, row, channel), residual.scale / y_scale, r);
  }

  switch (epilogue.activation) {
    default:  // kNone; the others are for float products
      break;
    case Activation::kRelu:
      r = Max(r, 0.0f);
      break;
    case Activation::kClamp:
      r = Max(r, epilogue.clamp_min / y_scale);
      r = Min(r, epilogue.clamp_max / y_scale);
      break;
  }
  return r;
}

void Store(const LinearProblem& problem, int64_t row, int64_t channel,
           int32_t accumulator) noexcept {
  const Output& output = problem.epilogue.output;
  const int64_t offset = row * problem.output.stride + channel;
  void* const data = problem.output.data;
  switch (output.type) {
    case DataType::kU8:
      static_cast<uint8_t*>(data)[offset] = static_cast<uint8_t>(
          RoundToType(Scaled(problem, row, channel, accumulator), output.zero_point, 0, 255));
      break;
    case DataType::kS8:
      static_cast<int8_t*>(data)[offset] = static_cast<int8_t>(
          RoundToType(Scaled(problem, row, channel, accumulator), output.zero_point, -128, 127));
      break;
    case DataType::kF32:
      static_cast<float*>(data)[offset] = Scaled(problem, row, channel, accumulator);
      break;
    case DataType::kS32: {
      if (problem.epilogue.activation == Activation::kRelu && accumulator < 0) accumulator = 0;
      int32_t& y = static_cast<int32_t*>(data)[offset];
      const int64_t held = output.accumulate ? y : 0;
      y = static_cast<int32_t>(held + accumulator);  // modulo 2^32
      break;
    }
    case DataType::kF16:
      static_cast<Half*>(data)[offset] = ToHalf(Scaled(problem, row, channel, accumulator));
      break;
    case DataType::kBF16:
      static_cast<BFloat16*>(data)[offset] = ToBFloat16(Scaled(problem, row, channel, accumulator));
      break;
    case DataType::kNone:
      break;
  }
}

}  // namespace

void Linear(const LinearProblem& problem, const Block& block) noexcept {
  for (int64_t row = block.row_begin; row < block.row_end; ++row) {
    for (int64_t channel = block.output_begin; channel < block.output_end; ++channel) {
      Store(problem, row, channel, Accumulator(problem, row, channel));
    }
  }
}

void Accumulators(const LinearProblem& problem, const Block& block, int32_t* accumulators,
                  int64_t stride) noexcept {
  for (int64_t row = block.row_begin; row < block.row_end; ++row) {
    for (int64_t channel = block.output_begin; channel < block.output_end; ++channel) {
      accumulators[(row - block.row_begin) * stride + (channel - block.output_begin)] =
          Accumulator(problem, row, channel);
    }
  }
}

void StoreAccumulators(const LinearProblem& problem, const Block& block,
                       const int32_t* accumulators, int64_t stride) noexcept {
  for (int64_t row = block.row_begin; row < block.row_end; ++row) {
    for (int64_t channel = block.output_begin; channel < block.output_end; ++channel) {
      Store(problem, row, channel,
            accumulators[(row - block.row_begin) * stride + (channel - block.output_begin)]);
    }
  }
}

}  // namespace qforge::ref
