#include "gemm/float_problem.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>

#include "cpu/isa_table.h"
#include "peers/peer.h"
#include "qforge/half.h"
#include "ref/float_linear.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

// `count` values that draw() gives, rounded to `type`.
template <class Draw>
base::AlignedBuffer RandomFloats(DataType type, int64_t count, const Draw& draw) {
  base::AlignedBuffer buffer =
      ValueOrThrow(base::AlignedBuffer::Allocate(static_cast<size_t>(count * DataTypeSize(type))));
  for (int64_t i = 0; i < count; ++i) {
    const float value = static_cast<float>(draw());
    if (type == DataType::kF16) {
      buffer.As<Half>()[i] = ToHalf(value);
    } else if (type == DataType::kBF16) {
      buffer.As<BFloat16>()[i] = ToBFloat16(value);
    } else {
      buffer.As<float>()[i] = value;
    }
  }
  return buffer;
}

InputMatrix View(const base::AlignedBuffer& buffer, DataType type, int64_t rows, int64_t columns) {
  InputMatrix matrix;
  matrix.data = buffer.data();
  matrix.rows = rows;
  matrix.cols = columns;
  matrix.stride = columns;
  matrix.type = type;
  return matrix;
}

// Calls compare(row) for rows at either end, few where each takes many multiplications; whether it
// was true for all of them.
template <class Compare>
bool AllCompare(const Shape& shape, const Compare& compare) {
  constexpr int64_t kMostRows = 8;
  constexpr int64_t kMostProducts = 1 << 24;
  const RowEnds ends =
      EndsOfRows(shape, std::clamp<int64_t>(kMostProducts / (shape.n * shape.k), 1, kMostRows));
  for (int64_t row = 0; row < shape.m; ++row) {
    const bool looked_at = row < ends.first_end || row >= ends.last_begin;
    if (looked_at && !compare(row)) return false;
  }
  return true;
}

}  // namespace

FloatProblem::FloatProblem(const Shape& shape_in, const Operands& operands_in)
    : Problem(shape_in, operands_in) {
  const FamilyTraits& traits = operands.traits();
  std::mt19937_64 random(1);
  std::uniform_real_distribution<float> activation(traits.activation_minimum,
                                                   traits.activation_maximum);
  input = RandomFloats(operands.input, shape.m * shape.k, [&] { return activation(random); });
  const int64_t count = shape.k * shape.n;
  if (operands.weights == WeightDistribution::kUniform) {
    std::uniform_real_distribution<float> weight(traits.weight_minimum, traits.weight_maximum);
    weights = RandomFloats(traits.weights, count, [&] { return weight(random); });
  } else {
    const double maximum = traits.weight_maximum;
    std::normal_distribution<double> weight(0.0, operands.WeightDeviation());
    weights = RandomFloats(traits.weights, count,
                           [&] { return std::clamp(weight(random), -maximum, maximum); });
  }
}

InputMatrix FloatProblem::Input() const { return View(input, operands.input, shape.m, shape.k); }

InputMatrix FloatProblem::Weights() const {
  return View(weights, operands.traits().weights, shape.k, shape.n);
}

std::vector<float> FloatProblem::WeightsAsF32() const {
  const InputMatrix matrix = Weights();
  std::vector<float> values;
  values.reserve(static_cast<size_t>(shape.k * shape.n));
  for (int64_t k = 0; k < shape.k; ++k) {
    for (int64_t j = 0; j < shape.n; ++j) values.push_back(ref::FloatElement(matrix, k, j));
  }
  return values;
}

Result<PackedWeights> FloatProblem::Pack(WeightsLayout layout, Isa isa) const {
  FloatWeightsOptions options;
  options.layout = layout;
  options.max_isa = isa;
  const bool transposed = layout == WeightsLayout::kOutputsByInputs;
  const auto create = [&](const auto* values) {
    return PackedWeights::Create(
        MatrixView(values, transposed ? shape.n : shape.k, transposed ? shape.k : shape.n),
        options);
  };
  switch (operands.traits().weights) {
    case DataType::kF16:
      return create(weights.As<Half>());
    case DataType::kBF16:
      return create(weights.As<BFloat16>());
    default:
      return create(weights.As<float>());
  }
}

Epilogue FloatProblem::EpilogueFor(DataType output) const {
  Epilogue epilogue;
  epilogue.output.type = output;
  return epilogue;
}

bool FloatProblem::IsRight(const void* output, Isa isa) const {
  if (operands.input == DataType::kBF16 && cpu::Traits(isa).bf16) {
    return IsRightUpToRounding(output);
  }
  std::vector<float> expected(static_cast<size_t>(shape.m * shape.n));
  ref::FloatLinearProblem reference;
  reference.inputs = shape.k;
  reference.outputs = shape.n;
  reference.input = Input();
  reference.weights = Weights();
  reference.epilogue = EpilogueFor(DataType::kF32);
  reference.output = {expected.data(), shape.m, shape.n};
  return AllCompare(shape, [&](int64_t row) {
    ref::FloatLinear(reference, {row, row + 1, 0, shape.n});
    return std::memcmp(expected.data() + row * shape.n,
                       static_cast<const float*>(output) + row * shape.n,
                       static_cast<size_t>(shape.n) * sizeof(float)) == 0;
  });
}

bool FloatProblem::IsRightUpToRounding(const void* output) const {
  const double roundings = static_cast<double>(shape.k) * 0x1p-24;
  const InputMatrix a = Input(), b = Weights();
  return AllCompare(shape, [&](int64_t row) {
    struct Sums {
      double exact = 0, magnitude = 0, flushed = 0;
    };
    std::vector<Sums> sums(static_cast<size_t>(shape.n));
    for (int64_t k = 0; k < shape.k; ++k) {
      const double activation = ref::FloatElement(a, row, k);
      for (int64_t j = 0; j < shape.n; ++j) {
        const double weight = ref::FloatElement(b, k, j);
        Sums& sum = sums[static_cast<size_t>(j)];
        sum.exact += activation * weight;
        sum.magnitude += std::abs(activation * weight);
        sum.flushed += 2.0 + std::abs(activation) + std::abs(weight);
      }
    }
    for (int64_t j = 0; j < shape.n; ++j) {
      const Sums& sum = sums[static_cast<size_t>(j)];
      const double bound = roundings / (1.0 - roundings) * sum.magnitude + 0x1p-126 * sum.flushed;
      const double value = static_cast<const float*>(output)[row * shape.n + j];
      if (!(std::abs(value - sum.exact) <= bound)) return false;
    }
    return true;
  });
}

Work FloatProblem::Prepare(Peer& peer, Isa isa, void* output) const {
  return peer.Prepare(*this, isa, static_cast<float*>(output));
}

}  // namespace qforge::bench
