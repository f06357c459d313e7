#include "gemm/problem.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>
#include <stdexcept>
#include <string>
#include <utility>

#include "qforge/linear.h"
#include "ref/reference.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

template <class Draw>
base::AlignedBuffer RandomBytes(int64_t count, const Draw& draw) {
  base::AlignedBuffer buffer =
      ValueOrThrow(base::AlignedBuffer::Allocate(static_cast<size_t>(count)));
  uint8_t* bytes = buffer.As<uint8_t>();
  for (int64_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(draw());
  return buffer;
}

base::AlignedBuffer UniformBytes(int64_t count, int least, int greatest, std::mt19937_64& random) {
  const uint64_t values = static_cast<uint64_t>(greatest - least + 1);
  return RandomBytes(count,
                     [&] { return least + static_cast<int>(((random() >> 32) * values) >> 32); });
}

}  // namespace

base::AlignedBuffer RandomWeights(const Operands& operands, int64_t count,
                                  std::mt19937_64& random) {
  const int maximum = operands.traits().weight_maximum;
  if (operands.weights == WeightDistribution::kUniform) {
    return UniformBytes(count, operands.traits().weight_minimum, maximum, random);
  }
  std::normal_distribution<double> normal(0.0, operands.WeightDeviation());
  std::bernoulli_distribution is_outlier(operands.OutlierShare());
  std::uniform_int_distribution<int> magnitude(maximum + 1, std::max(maximum + 1, 127));
  return RandomBytes(count, [&] {
    const double weight = normal(random);
    if (is_outlier(random)) return weight < 0 ? -magnitude(random) : magnitude(random);
    return std::clamp(static_cast<int>(std::lround(weight)), -maximum, maximum);
  });
}

Problem::Problem(const Shape& shape_in, const Operands& operands_in)
    : shape(shape_in), operands(operands_in) {
  std::mt19937_64 random(1);
  const int activations = operands.traits().activation_maximum + 1;
  input = UniformBytes(shape.m * shape.k, 0, activations - 1, random);
  weights = RandomWeights(operands, shape.k * shape.n, random);
  input_zero_point = activations * 4 / 9;
  const double accumulator = activations / std::sqrt(12.0) * operands.WeightDeviation() *
                             std::sqrt(static_cast<double>(shape.k));
  const double typical = 60.0 * output_scale / input_scale / accumulator;
  for (int64_t j = 0; j < shape.n; ++j) {
    const double unit = static_cast<double>(random() >> 11) * 0x1p-53;
    weight_scales.push_back(static_cast<float>(typical * (0.5 + unit)));
    bias.push_back(static_cast<int32_t>(accumulator * (unit - 0.5)));
  }
}

Deviation CompareWithReference(const Problem& problem, const uint8_t* output) {
  constexpr int64_t kRowsAtEitherEnd = 8;
  const Shape& shape = problem.shape;
  Epilogue epilogue;
  epilogue.bias = problem.bias;
  epilogue.activation = Activation::kRelu;
  epilogue.output = OutputU8{problem.output_scale, problem.output_zero_point};

  int64_t by_one = 0, by_more = 0, compared = 0;
  const auto compare_rows = [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> expected(static_cast<size_t>((end - begin) * shape.n));
    ref::LinearProblem reference;
    reference.rows = end - begin;
    reference.inputs = shape.k;
    reference.outputs = shape.n;
    reference.input = {problem.input.As<uint8_t>() + begin * shape.k, reference.rows, shape.k};
    reference.quantization = {problem.input_scale, problem.input_zero_point};
    reference.weights = problem.weights.As<int8_t>();
    reference.weights_stride = shape.n;
    reference.scales = problem.weight_scales;
    reference.epilogue = epilogue;
    reference.output = {expected.data(), reference.rows, shape.n};
    ref::Linear(reference, {0, reference.rows, 0, shape.n});
    for (size_t i = 0; i < expected.size(); ++i) {
      const int difference =
          std::abs(expected[i] - output[begin * shape.n + static_cast<int64_t>(i)]);
      by_one += difference == 1;
      by_more += difference > 1;
    }
    compared += static_cast<int64_t>(expected.size());
  };
  const int64_t first = std::min(shape.m, kRowsAtEitherEnd);
  compare_rows(0, first);
  if (first < shape.m) compare_rows(std::max(first, shape.m - kRowsAtEitherEnd), shape.m);
  const auto fraction = [&](int64_t count) {
    return static_cast<double>(count) / static_cast<double>(compared);
  };
  return {fraction(by_one), fraction(by_more)};
}

PackedWeights PackWeights(const Problem& problem, Isa isa) {
  PackedWeightsOptions options;
  options.scales = problem.weight_scales;
  options.activation_maximum = problem.operands.traits().activation_maximum;
  options.max_isa = isa;
  PackedWeights weights = ValueOrThrow(PackedWeights::Create(
      MatrixView<const int8_t>(problem.weights.As<int8_t>(), problem.shape.k, problem.shape.n),
      options));
  if (weights.isa() != isa) {
    throw std::runtime_error(std::string("asked for ") + IsaName(isa) + ", got " +
                             IsaName(weights.isa()) + "; is QFORGE_MAX_ISA set?");
  }
  return weights;
}

Work LinearWork(std::shared_ptr<const Problem> problem, const PackedWeights& weights,
                const Context& context, DataType output) {
  const Shape& shape = problem->shape;
  Epilogue epilogue;
  epilogue.bias = problem->bias;
  if (output == DataType::kU8) {
    epilogue.activation = Activation::kRelu;
    epilogue.output = OutputU8{problem->output_scale, problem->output_zero_point};
  } else {
    epilogue.output = OutputS32{};
  }
  const Linear linear = ValueOrThrow(Linear::Create(context, weights, epilogue));

  const auto result =
      std::make_shared<base::AlignedBuffer>(ValueOrThrow(base::AlignedBuffer::Allocate(
          static_cast<size_t>(shape.m * shape.n * DataTypeSize(output)))));
  const OutputMatrix matrix = output == DataType::kU8
                                  ? OutputMatrix(result->As<uint8_t>(), shape.m, shape.n)
                                  : OutputMatrix(result->As<int32_t>(), shape.m, shape.n);
  const InputQuantization quantization(problem->input_scale, problem->input_zero_point);
  const Work work = [problem, linear, result, matrix, quantization](int64_t repetitions) {
    const InputMatrix input(problem->input.As<uint8_t>(), problem->shape.m, problem->shape.k);
    for (int64_t i = 0; i < repetitions; ++i) {
      const Status status = linear.Run(input, quantization, matrix);
      if (!status.ok()) throw std::runtime_error(status.message());
    }
  };

  if (output == DataType::kU8) {
    work(1);
    const Deviation deviation = CompareWithReference(*problem, result->As<uint8_t>());
    if (deviation.by_one + deviation.by_more > 0) {
      throw std::runtime_error("the result of " + shape.Name() + " on " + IsaName(weights.isa()) +
                               " differs from the reference");
    }
  }
  return work;
}

}  // namespace qforge::bench
