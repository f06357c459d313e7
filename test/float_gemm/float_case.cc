#include "float_gemm/float_case.h"

#include <cmath>

#include "base/float_product.h"
#include "cpu/isa_table.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

// What each rounding may change of a partial sum.
constexpr double kUnit = 0x1p-24;
// The same for what is stored.
double OutputUnit(DataType type) {
  return type == DataType::kF32 ? kUnit : type == DataType::kF16 ? 0x1p-11 : 0x1p-8;
}

// Sums of double, and of magnitudes, for the bound.
void ExpectWithinBound(const FloatData& data, const TestMatrix& actual) {
  const FloatCase& c = data.c;
  const bool by_row = c.layout == WeightsLayout::kInputsByOutputs;
  const int parts = base::PartsOfFloatProduct(c.inputs, c.outputs);
  const double roundings =
      static_cast<double>(c.inputs - (parts - 1) * base::InputsOfPart(c.inputs, parts) + parts - 1);
  const double gamma = roundings * kUnit / (1.0 - roundings * kUnit);
  for (int64_t i = 0; i < c.rows; ++i) {
    for (int64_t j = 0; j < c.groups * c.outputs; ++j) {
      const int64_t group = j / c.outputs, column = j % c.outputs;
      double sum = 0.0, magnitude = 0.0, flushed = 0.0;
      for (int64_t k = 0; k < c.inputs; ++k) {
        const int64_t input_column = group * c.inputs + k;
        const double a =
            ref::FloatElement(data.input.input(), c.transposed_input ? input_column : i,
                              c.transposed_input ? i : input_column);
        const double b = ref::FloatElement(
            data.weights.input(), by_row ? group * c.inputs + k : group * c.outputs + column,
            by_row ? column : k);
        sum += a * b;
        magnitude += std::abs(a * b);
        flushed += 2.0 + std::abs(a) + std::abs(b);
      }
      const double value = ref::FloatElement(actual.input(), i, j);
      const double bound = gamma * magnitude + 0x1p-126 * flushed;
      // Then one rounding to the output's type.
      // f16 has subnormals in reach of these values.
      const double least = c.output == DataType::kF16 ? 0x1p-25 : 0.0;
      const double rounded = OutputUnit(c.output) * (std::abs(sum) + bound) + least;
      ASSERT_LE(std::abs(value - sum), bound + rounded)
          << c.Text() << " at " << i << ", " << j << ": " << value << " for " << sum;
    }
  }
}

bool PlainEpilogue(const FloatCase& c) {
  return !c.bias && c.alpha == 1.0f && c.beta == 0.0f && c.residual == DataType::kNone &&
         c.activation == Activation::kNone;
}

}  // namespace

bool FloatCase::dot() const {
  return cpu::Traits(isa).bf16 && weights == DataType::kBF16 && input == DataType::kBF16;
}

std::string FloatCase::Text() const {
  return std::to_string(rows) + "x" + std::to_string(inputs) + "x" + std::to_string(outputs) +
         " groups " + std::to_string(groups) + " " + IsaName(isa) + " " + DataTypeName(input) +
         " x " + DataTypeName(weights) + " -> " + DataTypeName(output) +
         (layout == WeightsLayout::kOutputsByInputs ? " NxK" : "") +
         (transposed_input ? " transposed" : "") + (bias ? " bias" : "") + " alpha " +
         std::to_string(alpha) + " beta " + std::to_string(beta) + " residual " +
         DataTypeName(residual) + " activation " + std::to_string(static_cast<int>(activation)) +
         " threads " + std::to_string(threads);
}

FloatData::FloatData(const FloatCase& c_in, uint64_t seed) : c(c_in) {
  Random random(seed);
  const int64_t columns = c.groups * c.outputs;
  const int64_t inputs = c.groups * c.inputs;
  input = c.transposed_input ? TestMatrix(c.input, inputs, c.rows, c.gap, c.guard)
                             : TestMatrix(c.input, c.rows, inputs, c.gap, c.guard);
  weights = c.layout == WeightsLayout::kInputsByOutputs
                ? TestMatrix(c.weights, inputs, c.outputs, c.gap, c.guard)
                : TestMatrix(c.weights, columns, c.inputs, c.gap, c.guard);
  output = TestMatrix(c.output, c.rows, columns, c.gap, c.guard);
  input.SetRandom(random, -2.0f, 2.0f);
  weights.SetRandom(random, -2.0f, 2.0f);
  output.SetRandom(random, -2.0f, 2.0f);
  if (c.bias) {
    bias = GuardedBuffer<float>(columns, c.guard);
    for (float& value : bias) value = random.Real(-3.0f, 3.0f);
    epilogue.bias = Bias(ArrayView<const float>(bias.data(), columns));
  }
  if (c.residual != DataType::kNone) {
    residual = TestMatrix(c.residual, c.rows, columns, c.gap, c.guard);
    residual.SetRandom(random, -2.0f, 2.0f);
    epilogue.residual = {c.residual, 0.75f, 0};
  }
  epilogue.alpha = c.alpha;
  epilogue.beta = c.beta;
  epilogue.activation = c.activation;
  epilogue.clamp_min = -1.5f;
  epilogue.clamp_max = 2.25f;
  epilogue.output.type = c.output;
}

Result<PackedWeights> Pack(const FloatData& data) {
  FloatWeightsOptions options;
  options.layout = data.c.layout;
  options.groups = data.c.groups;
  options.max_isa = data.c.isa;
  options.soft_error_check = data.c.checked;
  switch (data.c.weights) {
    case DataType::kF16:
      return PackedWeights::Create(data.weights.view<const Half>(), options);
    case DataType::kBF16:
      return PackedWeights::Create(data.weights.view<const BFloat16>(), options);
    default:
      return PackedWeights::Create(data.weights.view<const float>(), options);
  }
}

Result<Linear> MakeLinear(const FloatData& data, const SoftErrorOptions& soft_errors) {
  const Result<PackedWeights> weights = Pack(data);
  if (!weights.ok()) return weights.status();
  RecordChecked(weights->isa());
  ContextOptions context;
  context.max_threads = data.c.threads;
  const Result<Context> made = Context::Create(context);
  if (!made.ok()) return made.status();
  LinearOptions options;
  options.input = data.c.input;
  options.transposed_input = data.c.transposed_input;
  options.soft_errors = soft_errors;
  return Linear::Create(*made, *weights, data.epilogue, options);
}

TestMatrix LibraryResult(const FloatData& data) {
  TestMatrix result = data.output.Clone(Opposite(data.c.guard));
  const Result<Linear> linear = MakeLinear(data);
  EXPECT_TRUE(linear.ok()) << linear.status().message();
  if (!linear.ok()) return result;
  RunArguments arguments;
  if (data.c.residual != DataType::kNone) arguments.residual = data.residual.input();
  const Status status = linear->Run(data.input.input(), result.output(), arguments);
  EXPECT_TRUE(status.ok()) << status.message();
  EXPECT_TRUE(result.CanariesIntact());
  return result;
}

TestMatrix ReferenceResult(const FloatData& data) {
  TestMatrix result = data.output.Clone(data.c.guard);
  ref::FloatLinearProblem problem;
  problem.inputs = data.c.inputs;
  problem.outputs = data.c.outputs;
  problem.input = data.input.input();
  problem.transposed_input = data.c.transposed_input;
  problem.weights = data.weights.input();
  problem.layout = data.c.layout;
  problem.epilogue = data.epilogue;
  problem.output = result.output();
  if (data.c.residual != DataType::kNone) problem.residual = data.residual.input();
  ref::FloatLinear(problem, {0, data.c.rows, 0, data.c.groups * data.c.outputs});
  return result;
}

void ExpectRight(const FloatCase& c, uint64_t seed) {
  const FloatData data(c, seed);
  const TestMatrix actual = LibraryResult(data);
  if (c.dot()) {
    ASSERT_TRUE(PlainEpilogue(c)) << "the bound is that of the sum";
    ExpectWithinBound(data, actual);
  } else {
    ASSERT_TRUE(SameBits(ReferenceResult(data), actual)) << c.Text() << " seed " << seed;
  }
  if (!c.dot() && PlainEpilogue(c)) ExpectWithinBound(data, actual);
  if (c.checked) return;
  FloatCase checked = c;
  checked.checked = true;
  ExpectRight(checked, seed);
}

}  // namespace qforge::test
