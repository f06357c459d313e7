#include "gemm/int8_problem.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <random>

#include "peers/peer.h"
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

// Fractions of the output elements that were looked at which differ from the scalar reference.
struct Deviation {
  double by_one = 0;
  double by_more = 0;
};

Deviation CompareWithReference(const Int8Problem& problem, const uint8_t* output) {
  constexpr int64_t kRowsAtEitherEnd = 8;
  const Shape& shape = problem.shape;
  int64_t by_one = 0, by_more = 0, compared = 0;
  const auto compare_rows = [&](int64_t begin, int64_t end) {
    std::vector<uint8_t> expected(static_cast<size_t>((end - begin) * shape.n));
    ref::LinearProblem reference;
    reference.rows = end - begin;
    reference.inputs = shape.k;
    reference.outputs = shape.n;
    reference.input = {problem.input.As<uint8_t>() + begin * shape.k, reference.rows, shape.k};
    reference.quantization = problem.Quantization();
    reference.weights = problem.weights.As<int8_t>();
    reference.weights_stride = shape.n;
    reference.scales = problem.weight_scales;
    reference.epilogue = problem.EpilogueFor(DataType::kU8);
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
  const RowEnds ends = EndsOfRows(shape, kRowsAtEitherEnd);
  compare_rows(0, ends.first_end);
  compare_rows(ends.last_begin, shape.m);
  const auto fraction = [&](int64_t count) {
    return static_cast<double>(count) / static_cast<double>(compared);
  };
  return {fraction(by_one), fraction(by_more)};
}

}  // namespace

Int8Problem::Int8Problem(const Shape& shape_in, const Operands& operands_in)
    : Problem(shape_in, operands_in) {
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

Result<PackedWeights> Int8Problem::Pack(WeightsLayout layout, Isa isa) const {
  PackedWeightsOptions options;
  options.layout = layout;
  options.scales = weight_scales;
  options.activation_maximum = operands.traits().activation_maximum;
  options.max_isa = isa;
  const bool transposed = layout == WeightsLayout::kOutputsByInputs;
  return PackedWeights::Create(
      MatrixView<const int8_t>(weights.As<int8_t>(), transposed ? shape.n : shape.k,
                               transposed ? shape.k : shape.n),
      options);
}

Epilogue Int8Problem::EpilogueFor(DataType output) const {
  Epilogue epilogue;
  epilogue.bias = bias;
  if (output == DataType::kU8) {
    epilogue.activation = Activation::kRelu;
    epilogue.output = OutputU8{output_scale, output_zero_point};
  } else {
    epilogue.output = OutputS32{};
  }
  return epilogue;
}

InputMatrix Int8Problem::Input() const { return {input.As<uint8_t>(), shape.m, shape.k}; }

bool Int8Problem::IsRight(const void* output, Isa) const {
  const Deviation deviation = CompareWithReference(*this, static_cast<const uint8_t*>(output));
  return deviation.by_one + deviation.by_more == 0;
}

bool Int8Problem::IsRightUpToRounding(const void* output) const {
  // The float stages of peers round differently: a result next to a tie may be off by one.
  constexpr double kOffByOneAllowed = 1e-3;
  const Deviation deviation = CompareWithReference(*this, static_cast<const uint8_t*>(output));
  return deviation.by_more == 0 && deviation.by_one <= kOffByOneAllowed;
}

Work Int8Problem::Prepare(Peer& peer, Isa isa, void* output) const {
  return peer.Prepare(*this, isa, static_cast<uint8_t*>(output));
}

}  // namespace qforge::bench
