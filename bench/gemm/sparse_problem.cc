#include "gemm/sparse_problem.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <stdexcept>
#include <utility>

#include "ref/sparse.h"
#include "support/value_or_throw.h"

namespace qforge::bench {

SparseProblem::SparseProblem(const Shape& shape_in, double density_in)
    : shape(shape_in), density(density_in), column_offsets(1, 0) {
  std::mt19937_64 random(1);
  for (int64_t j = 0; j < shape.n; ++j) {
    for (int64_t k = 0; k < shape.k; ++k) {
      if (static_cast<double>(random() >> 11) * 0x1p-53 >= density) continue;
      row_indices.push_back(static_cast<int32_t>(k));
      values.push_back(static_cast<int8_t>(static_cast<int>(random() >> 57) - 64));
    }
    column_offsets.push_back(static_cast<int64_t>(values.size()));
  }
  for (int64_t i = 0; i < shape.m * shape.k; ++i) {
    input.push_back(static_cast<uint8_t>(random() >> 56));
  }
}

SparseWeights SparseProblem::weights() const {
  return {shape.k, shape.n, column_offsets, row_indices, values};
}

std::string SparseProblem::Name() const {
  char text[32];
  std::snprintf(text, sizeof(text), "/density:%g", density);
  return shape.Name() + text;
}

bool IsExact(const SparseProblem& problem, bool accumulate, const SparseParty& party) {
  const Shape& shape = problem.shape;
  std::vector<int32_t> expected(party.output->size(), 7);
  std::fill(party.output->begin(), party.output->end(), 7);
  party.work(1);
  ref::SparseProblem reference;
  reference.weights = problem.weights();
  reference.input = {problem.input.data(), shape.m, shape.k};
  reference.output = {expected.data(), shape.m, shape.n};
  reference.accumulate = accumulate;
  ref::SparseLinear(reference, 0, shape.m);
  return expected == *party.output;
}

SparseParty MakeSparseParty(std::shared_ptr<const SparseProblem> problem, Isa isa,
                            const Context& context, bool accumulate) {
  SparseLinearOptions options;
  options.accumulate = accumulate;
  const SparseLinear product =
      ValueOrThrow(SparseLinear::Create(context, problem->weights(), options));
  if (product.isa() != isa) {
    throw std::runtime_error(std::string("asked for ") + IsaName(isa) + ", got " +
                             IsaName(product.isa()) + "; is QFORGE_MAX_ISA set?");
  }
  SparseParty party;
  const Shape shape = problem->shape;
  party.output = std::make_shared<std::vector<int32_t>>(static_cast<size_t>(shape.m * shape.n));
  party.work = [problem, product, shape, output = party.output](int64_t repetitions) {
    for (int64_t i = 0; i < repetitions; ++i) {
      const Status status = product.Run({problem->input.data(), shape.m, shape.k},
                                        {output->data(), shape.m, shape.n});
      if (!status.ok()) throw std::runtime_error(status.message());
    }
  };
  if (!IsExact(*problem, accumulate, party)) {
    throw std::runtime_error("the result of " + problem->Name() + " on " + IsaName(isa) +
                             " differs from the reference");
  }
  return party;
}

}  // namespace qforge::bench
