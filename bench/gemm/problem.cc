#include "gemm/problem.h"

#include <algorithm>
#include <stdexcept>
#include <string>

#include "base/aligned_buffer.h"
#include "gemm/float_problem.h"
#include "gemm/int8_problem.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

OutputMatrix Matrix(base::AlignedBuffer& buffer, const Shape& shape, DataType type) {
  OutputMatrix matrix;
  matrix.data = buffer.data();
  matrix.rows = shape.m;
  matrix.cols = shape.n;
  matrix.stride = shape.n;
  matrix.type = type;
  return matrix;
}

}  // namespace

std::shared_ptr<const Problem> MakeProblem(const Shape& shape, const Operands& operands) {
  if (operands.is_float()) return std::make_shared<const FloatProblem>(shape, operands);
  return std::make_shared<const Int8Problem>(shape, operands);
}

RowEnds EndsOfRows(const Shape& shape, int64_t rows) {
  const int64_t first_end = std::min(shape.m, rows);
  return {first_end, std::max(first_end, shape.m - rows)};
}

PackedWeights PackWeights(const Problem& problem, Isa isa) {
  PackedWeights weights = ValueOrThrow(problem.Pack(WeightsLayout::kInputsByOutputs, isa));
  if (weights.isa() != isa) {
    throw std::runtime_error(std::string("asked for ") + IsaName(isa) + ", got " +
                             IsaName(weights.isa()) + "; is QFORGE_MAX_ISA set?");
  }
  return weights;
}

Work LinearWork(std::shared_ptr<const Problem> problem, const PackedWeights& weights,
                const Context& context, DataType output) {
  const Shape& shape = problem->shape;
  LinearOptions options;
  options.input = problem->operands.input;
  const Linear linear =
      ValueOrThrow(Linear::Create(context, weights, problem->EpilogueFor(output), options));
  const auto result =
      std::make_shared<base::AlignedBuffer>(ValueOrThrow(base::AlignedBuffer::Allocate(
          static_cast<size_t>(shape.m * shape.n * DataTypeSize(output)))));
  const OutputMatrix matrix = Matrix(*result, shape, output);
  const Work work = [problem, linear, result, matrix](int64_t repetitions) {
    const InputMatrix input = problem->Input();
    const InputQuantization quantization = problem->Quantization();
    for (int64_t i = 0; i < repetitions; ++i) {
      const Status status = linear.Run(input, quantization, matrix);
      if (!status.ok()) throw std::runtime_error(status.message());
    }
  };

  if (output == problem->operands.traits().output) {
    work(1);
    if (!problem->IsRight(result->data(), weights.isa())) {
      throw std::runtime_error("the result of " + shape.Name() + " on " + IsaName(weights.isa()) +
                               " differs from the reference");
    }
  }
  return work;
}

}  // namespace qforge::bench
