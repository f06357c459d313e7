#include "sparse/sparse_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ref/sparse.h"

namespace qforge::test {
namespace {

int8_t ValueOf(Values values, Random& random) {
  constexpr int8_t kExtremes[] = {-128, -127, 127, -1, 0, 1};
  switch (values) {
    case Values::kAny:
      return random.Any<int8_t>();
    case Values::kPositive:
      return static_cast<int8_t>(random.Integer(65, 127));
    case Values::kNegative:
      return static_cast<int8_t>(random.Integer(-128, -65));
    case Values::kExtreme:
      return kExtremes[random.Next() % std::size(kExtremes)];
  }
  return 0;
}

template <class T>
GuardedBuffer<T> Guarded(const std::vector<T>& values, Guard guard) {
  GuardedBuffer<T> buffer(static_cast<int64_t>(values.size()), guard);
  std::copy(values.begin(), values.end(), buffer.begin());
  return buffer;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const SparseCase& c) {
  constexpr const char* kValues[] = {"any", "positive", "negative", "extreme"};
  return out << "M " << c.rows << ", N " << c.outputs << ", K " << c.inputs << ", density "
             << c.density << ", values " << kValues[static_cast<int>(c.values)] << ", accumulate "
             << c.accumulate << ", wide_indices " << c.wide_indices << ", duplicates "
             << c.duplicates << ", gap " << c.gap << ", guard "
             << (c.guard == Guard::kBehind ? "behind" : "in front") << ", seed " << c.seed;
}

SparseData::SparseData(const SparseCase& c_in) : c(c_in) {
  Random random(c.seed);
  std::vector<int64_t> offsets = {0}, indices;
  std::vector<int8_t> entries;
  for (int64_t j = 0; j < c.outputs; ++j) {
    for (int64_t k = 0; k < c.inputs; ++k) {
      while (random.Real(0, 1) < static_cast<float>(c.density)) {
        indices.push_back(k);
        entries.push_back(ValueOf(c.values, random));
        if (!c.duplicates || random.Next() % 2 == 0) break;
      }
    }
    offsets.push_back(static_cast<int64_t>(indices.size()));
  }
  const Guard other = Opposite(c.guard);
  column_offsets = Guarded(offsets, c.guard);
  values = Guarded(entries, other);
  if (c.wide_indices) {
    wide_indices = Guarded(indices, other);
  } else {
    narrow_indices = Guarded(std::vector<int32_t>(indices.begin(), indices.end()), c.guard);
  }
  input = TestMatrix(DataType::kU8, c.rows, c.inputs, c.gap, c.guard);
  input.SetRandom(random);
  initial_output = TestMatrix(DataType::kS32, c.rows, c.outputs, c.gap, other);
  initial_output.SetRandom(random);
}

SparseWeights SparseData::weights() const {
  SparseWeights weights;
  weights.inputs = c.inputs;
  weights.outputs = c.outputs;
  weights.column_offsets = {column_offsets.data(), column_offsets.size()};
  weights.row_indices = c.wide_indices ? IndexView(wide_indices) : IndexView(narrow_indices);
  weights.values = {values.data(), values.size()};
  return weights;
}

SparseLinearOptions SparseData::options() const {
  SparseLinearOptions options;
  options.accumulate = c.accumulate;
  return options;
}

TestMatrix SparseData::MakeOutput(Guard guard) const { return initial_output.Clone(guard); }

TestMatrix SparseData::Expected() const {
  TestMatrix expected = initial_output.Clone(Guard::kBehind);
  ref::SparseProblem problem;
  problem.weights = weights();
  problem.input = input.view<const uint8_t>();
  problem.output = expected.view<int32_t>();
  problem.accumulate = c.accumulate;
  ref::SparseLinear(problem, 0, c.rows);
  return expected;
}

Status SparseData::Run(Context context, Isa isa, const TestMatrix& output) const {
  const Result<SparseLinear> product = SparseLinear::Create(context, weights(), options());
  if (!product.ok()) return product.status();
  if (product->isa() != isa) {
    return Status::Error(StatusCode::kInternal, "isa", "%s instead of %s", IsaName(product->isa()),
                         IsaName(isa));
  }
  return product->Run(input.view<const uint8_t>(), output.view<int32_t>());
}

void SparseData::Seal() {
  input.Seal();
  column_offsets.Seal();
  narrow_indices.Seal();
  wide_indices.Seal();
  values.Seal();
}

Context ContextOf(Isa isa) {
  ContextOptions options;
  options.max_isa = isa;
  return Context::Create(options).value();
}

void CheckOnEveryIsa(const SparseCase& c) {
  SparseData data(c);
  data.Seal();
  const TestMatrix expected = data.Expected();
  for (const Isa isa : SupportedIsas()) {
    const TestMatrix output = data.MakeOutput(c.guard);
    const Status status = data.Run(ContextOf(isa), isa, output);
    ASSERT_TRUE(status.ok()) << IsaName(isa) << ": " << status.message() << "\n  " << c;
    ASSERT_TRUE(SameBits(expected, output)) << "  " << IsaName(isa) << ": " << c;
    ASSERT_TRUE(output.CanariesIntact()) << IsaName(isa) << ": " << c;
    RecordChecked(isa);
  }
}

}  // namespace qforge::test
