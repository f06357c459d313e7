#include "gemm/linear_case.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "cpu/isa_table.h"
#include "kernels/float_types.h"
#include "ref/float_linear.h"
#include "ref/reference.h"

namespace qforge::test {
namespace {

// How far accumulators of K full-range products reach, about: 60 output steps are made of it.
float TypicalAccumulator(int64_t inputs) {
  return 8000.0f * std::sqrt(static_cast<float>(std::max<int64_t>(inputs, 1)));
}

bool IsDynamic(InputScaling scaling) {
  return scaling == InputScaling::kDynamicPerTensor || scaling == InputScaling::kDynamicPerRow;
}

struct Limits {
  int32_t lo;
  int32_t hi;
};
Limits LimitsOf(DataType type) {
  return type == DataType::kS8 ? Limits{-128, 127} : Limits{0, 255};
}

int64_t ValueCount(const LinearCase& c, std::optional<Granularity> granularity) {
  if (!granularity) return 0;
  switch (*granularity) {
    case Granularity::kPerTensor:
      return 1;
    case Granularity::kPerGroup:
      return c.groups;
    case Granularity::kPerChannel:
      return c.groups * c.outputs;
  }
  return 0;
}

const char* Name(std::optional<Granularity> granularity) {
  constexpr const char* kNames[] = {"tensor", "group", "channel"};
  return granularity ? kNames[static_cast<int>(*granularity)] : "none";
}

template <class T, class Function>
GuardedBuffer<T> MakeArray(int64_t size, Guard guard, Function&& function) {
  GuardedBuffer<T> array(size, guard);
  for (T& value : array) value = function();
  return array;
}

// The u8 matrix that dynamic or given quantisation makes of a float input, and its parameters.
struct QuantizedInput {
  TestMatrix matrix;
  std::vector<float> scales;
  std::vector<int32_t> zero_points;
};

QuantizedInput QuantizeInput(const LinearData& data) {
  const LinearCase& c = data.c;
  const int64_t depth = c.groups * c.inputs;
  std::vector<float> values(static_cast<size_t>(c.rows * depth));
  for (int64_t i = 0; i < c.rows; ++i) {
    for (int64_t k = 0; k < depth; ++k) {
      values[i * depth + k] = ref::FloatElement(data.input.input(), c.transposed_input ? k : i,
                                                c.transposed_input ? i : k);
    }
  }
  const auto dynamic = [](const float* from, int64_t count) {
    const ValueRange range = ref::FindRange(from, count);
    return ref::ChooseParameters(range.min, range.max, ParameterOptions());
  };

  QuantizationParameters tensor{data.input_scale, data.input_zero_point};
  if (c.scaling == InputScaling::kDynamicPerTensor) {
    tensor = dynamic(values.data(), c.rows * depth);
  }
  QuantizedInput result;
  result.matrix = TestMatrix(DataType::kU8, data.input.rows(), data.input.cols());
  std::vector<uint8_t> quantized(static_cast<size_t>(depth));
  for (int64_t i = 0; i < c.rows; ++i) {
    QuantizationParameters parameters = tensor;
    if (c.scaling == InputScaling::kPerRow) {
      parameters = {data.row_scales[i], data.row_zero_points[i]};
    } else if (c.scaling == InputScaling::kDynamicPerRow) {
      parameters = dynamic(values.data() + i * depth, depth);
    }
    ref::Quantize(values.data() + i * depth, depth, parameters, quantized.data());
    for (int64_t k = 0; k < depth; ++k) {
      result.matrix.at<uint8_t>(c.transposed_input ? k : i, c.transposed_input ? i : k) =
          quantized[k];
    }
    result.scales.push_back(parameters.scale);
    result.zero_points.push_back(parameters.zero_point);
  }
  return result;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const LinearCase& c) {
  constexpr const char* kScalings[] = {"per tensor", "per row", "dynamic per tensor",
                                       "dynamic per row"};
  constexpr const char* kActivations[] = {"none", "relu", "clamp"};
  return out << "M=" << c.rows << " N=" << c.outputs << " K=" << c.inputs << " G=" << c.groups
             << ", input " << DataTypeName(c.input) << " " << kScalings[static_cast<int>(c.scaling)]
             << (c.transposed_input ? " transposed" : "") << ", weights "
             << (c.layout == WeightsLayout::kInputsByOutputs ? "KxN" : "NxK") << " scales "
             << Name(c.scales) << " zero-points " << Name(c.zero_points) << " values "
             << WeightKindName(c.weights)
             << (c.accumulation == Accumulation::kSaturating16 ? " saturating" : "")
             << (c.checked ? " checked" : "") << ", activations to " << c.activation_maximum
             << (c.extreme_input ? ", extreme ones" : "") << ", bias " << DataTypeName(c.bias)
             << ", residual " << DataTypeName(c.residual)
             << (c.residual_in_output ? " in the output" : "") << ", activation "
             << kActivations[static_cast<int>(c.activation)] << ", output "
             << DataTypeName(c.output) << (c.accumulate ? " accumulated" : "") << ", gap " << c.gap
             << ", guard " << (c.guard == Guard::kBehind ? "behind" : "in front") << ", seed "
             << c.seed;
}

LinearData::LinearData(const LinearCase& the_case) : c(the_case) {
  Random random(c.seed);
  const int64_t depth = c.groups * c.inputs;
  const int64_t channels = c.groups * c.outputs;
  const Guard other = Opposite(c.guard);

  const bool by_outputs = c.layout == WeightsLayout::kOutputsByInputs;
  weights = TestMatrix(DataType::kS8, c.groups * (by_outputs ? c.outputs : c.inputs),
                       by_outputs ? c.inputs : c.outputs, c.gap, other);
  SetWeights(random);
  scales = MakeArray<float>(ValueCount(c, c.scales), c.guard,
                            [&] { return random.Real(0.002f, 0.02f); });
  zero_points =
      MakeArray<int32_t>(ValueCount(c, c.zero_points), other, [&] { return random.Any<int8_t>(); });

  input = TestMatrix(c.input, c.transposed_input ? depth : c.rows,
                     c.transposed_input ? c.rows : depth, c.gap, c.guard);
  const Limits in = LimitsOf(c.input);
  input_scale = random.Real(0.005f, 0.05f);
  input_zero_point = random.Integer(in.lo, in.hi);
  if (c.scaling == InputScaling::kPerRow) {
    row_scales = MakeArray<float>(c.rows, other, [&] { return random.Real(0.005f, 0.05f); });
    row_zero_points =
        MakeArray<int32_t>(c.rows, c.guard, [&] { return random.Integer(in.lo, in.hi); });
  }
  SetInput(random);

  // One step of the output, in real units.
  const float step = 0.025f * (c.scales ? 0.01f : 1.0f) * TypicalAccumulator(c.inputs) / 60;
  if (c.bias == DataType::kS32) {
    const int32_t reach = static_cast<int32_t>(TypicalAccumulator(c.inputs));
    bias_s32 = MakeArray<int32_t>(channels, other, [&] { return random.Integer(-reach, reach); });
  } else if (c.bias == DataType::kF32) {
    bias_f32 =
        MakeArray<float>(channels, other, [&] { return random.Real(-60 * step, 60 * step); });
  }
  if (c.residual != DataType::kNone) {
    const Limits limits = LimitsOf(c.residual);
    residual_options.type = c.residual;
    residual_options.scale = step * random.Real(0.3f, 1.5f);
    if (!kernels::IsFloat(c.residual)) {
      residual_options.zero_point = random.Integer(limits.lo, limits.hi);
    }
    residual = TestMatrix(c.residual, c.rows, channels, c.gap, c.guard);
    residual.SetRandom(random, -100.0f, 100.0f);
  }
  clamp_min = -30 * step;
  clamp_max = 40 * step;
  output.type = c.output;
  output.accumulate = c.accumulate;
  if (c.output == DataType::kU8 || c.output == DataType::kS8) {
    const Limits limits = LimitsOf(c.output);
    output.scale = step;
    output.zero_point = random.Integer(limits.lo + 60, limits.hi - 60);
  }
  if (c.accumulate) {
    initial_output = TestMatrix(DataType::kS32, c.rows, channels, c.gap, c.guard);
    initial_output.SetRandom(random);
  } else if (c.residual_in_output) {
    initial_output = residual.Clone(c.guard);
  }
}

void LinearData::SetWeights(Random& random) {
  if (c.weights == WeightKind::kAny) {
    weights.SetRandom(random);
    return;
  }
  for (int64_t channel = 0; channel < c.groups * c.outputs; ++channel) {
    for (int64_t k = 0; k < c.inputs; ++k) {
      weight(k, channel) =
          WeightValue(c.weights, k, c.inputs, channel % c.outputs, c.outputs, random);
    }
  }
}

void LinearData::SetInput(Random& random) {
  if (c.extreme_input) {
    SetExtremeInput(random);
  } else if (c.activation_maximum < 255) {
    input.Set([&](int64_t, int64_t) { return random.Integer(0, c.activation_maximum); });
  } else {
    // Somewhat more than what 256 steps of the largest scale cover on one side of zero.
    input.SetRandom(random, -7.0f, 14.0f);
  }
}

void LinearData::SetExtremeInput(Random& random) {
  for (int64_t row = 0; row < c.rows; ++row) {
    const bool per_row = c.scaling == InputScaling::kPerRow;
    const float scale = per_row ? row_scales[row] : input_scale;
    const int32_t zero_point = per_row ? row_zero_points[row] : input_zero_point;
    const int64_t output = (c.seed + static_cast<uint64_t>(row) / kExtremeRows * 7) % c.outputs;
    for (int64_t k = 0; k < c.groups * c.inputs; ++k) {
      const int32_t value = ExtremeActivation(
          row + static_cast<int64_t>(c.seed % kExtremeRows), k,
          weight(k % c.inputs, k / c.inputs * c.outputs + output), c.activation_maximum, random);
      if (c.input == DataType::kU8) {
        activation<uint8_t>(row, k) = static_cast<uint8_t>(value);
      } else if (c.input == DataType::kS8) {
        activation<int8_t>(row, k) = static_cast<int8_t>(value - 128);
      } else if (c.input == DataType::kF32) {
        activation<float>(row, k) = static_cast<float>(value - zero_point) * scale;
      } else if (c.input == DataType::kF16) {
        activation<Half>(row, k) = ToHalf(static_cast<float>(value - zero_point) * scale);
      } else {
        activation<BFloat16>(row, k) = ToBFloat16(static_cast<float>(value - zero_point) * scale);
      }
    }
  }
}

int8_t& LinearData::weight(int64_t k, int64_t channel) const {
  if (c.layout == WeightsLayout::kOutputsByInputs) return weights.at<int8_t>(channel, k);
  return weights.at<int8_t>(channel / c.outputs * c.inputs + k, channel % c.outputs);
}

void LinearData::AddOutlier(int64_t channel, int64_t k, const std::vector<int8_t>& values) {
  outlier_offsets.resize(static_cast<size_t>(c.groups * c.outputs + 1));
  const int64_t end = outlier_offsets[static_cast<size_t>(channel + 1)];
  outlier_rows.insert(outlier_rows.begin() + end, values.size(), static_cast<int32_t>(k));
  outlier_values.insert(outlier_values.begin() + end, values.begin(), values.end());
  for (size_t j = static_cast<size_t>(channel + 1); j < outlier_offsets.size(); ++j) {
    outlier_offsets[j] += static_cast<int64_t>(values.size());
  }
}

SparseWeights LinearData::outliers() const {
  SparseWeights view;
  if (outlier_offsets.empty()) return view;
  view.inputs = c.inputs;
  view.outputs = c.groups * c.outputs;
  view.column_offsets = ArrayView<const int64_t>(outlier_offsets);
  view.row_indices = IndexView(outlier_rows);
  view.values = ArrayView<const int8_t>(outlier_values);
  return view;
}

PackedWeightsOptions LinearData::weights_options(Isa isa) const {
  PackedWeightsOptions options;
  options.layout = c.layout;
  options.groups = c.groups;
  options.scales = {scales.data(), scales.size()};
  options.zero_points = {zero_points.data(), zero_points.size()};
  options.accumulation = c.accumulation;
  options.activation_maximum = c.activation_maximum;
  options.outliers = outliers();
  options.main_bits = c.main_bits;
  options.outlier_density = c.outlier_density;
  options.soft_error_check = c.checked;
  options.max_isa = isa;
  return options;
}

Epilogue LinearData::epilogue() const {
  Epilogue epilogue;
  if (c.bias == DataType::kS32) epilogue.bias = bias_s32;
  if (c.bias == DataType::kF32) epilogue.bias = bias_f32;
  epilogue.residual = residual_options;
  epilogue.activation = c.activation;
  if (c.activation == Activation::kClamp) {
    epilogue.clamp_min = clamp_min;
    epilogue.clamp_max = clamp_max;
  }
  epilogue.output = output;
  return epilogue;
}

LinearOptions LinearData::linear_options() const {
  LinearOptions options;
  options.input = c.input;
  options.scaling = c.scaling;
  options.transposed_input = c.transposed_input;
  return options;
}

InputQuantization LinearData::quantization() const {
  if (IsDynamic(c.scaling)) return {};
  if (c.scaling == InputScaling::kPerTensor) return {input_scale, input_zero_point};
  return {ArrayView<const float>(row_scales.data(), row_scales.size()),
          ArrayView<const int32_t>(row_zero_points.data(), row_zero_points.size())};
}

TestMatrix LinearData::MakeOutput(Guard guard) const {
  if (initial_output.type() != DataType::kNone) return initial_output.Clone(guard);
  return TestMatrix(c.output, c.rows, c.groups * c.outputs, c.gap, guard);
}

RunArguments LinearData::run_arguments(const TestMatrix& result) const {
  RunArguments arguments;
  if (c.residual != DataType::kNone) {
    arguments.residual = c.residual_in_output ? result.input() : residual.input();
  }
  return arguments;
}

Result<PackedWeights> LinearData::Pack(Isa isa) const {
  return PackedWeights::Create(weights.view<const int8_t>(), weights_options(isa));
}

Status LinearData::Run(const Context& context, Isa isa, const TestMatrix& result,
                       const SeeWeights& see) const {
  const Result<PackedWeights> packed = Pack(isa);
  if (!packed.ok()) return packed.status();
  if (packed->isa() != isa) {
    return Status::Error(StatusCode::kInternal, "isa", "packed for %s instead of %s",
                         IsaName(packed->isa()), IsaName(isa));
  }
  if (see) see(*packed);
  const Result<Linear> linear = Linear::Create(context, *packed, epilogue(), linear_options());
  if (!linear.ok()) return linear.status();
  return linear->Run(input.input(), quantization(), result.output(), run_arguments(result));
}

void LinearData::Seal() {
  for (TestMatrix* matrix : {&weights, &input, &residual}) matrix->Seal();
  for (GuardedBuffer<float>* array : {&scales, &bias_f32, &row_scales}) array->Seal();
  for (GuardedBuffer<int32_t>* array : {&zero_points, &bias_s32, &row_zero_points}) array->Seal();
}

TestMatrix ReferenceResult(const LinearData& data, Accumulation accumulation) {
  const LinearCase& c = data.c;
  TestMatrix result = data.MakeOutput(Guard::kBehind);
  ref::LinearProblem problem;
  problem.rows = c.rows;
  problem.inputs = c.inputs;
  problem.outputs = c.outputs;
  problem.groups = c.groups;
  problem.input = data.input.input();
  problem.transposed_input = c.transposed_input;
  problem.quantization = data.quantization();
  problem.weights = data.weights.data<int8_t>();
  problem.layout = c.layout;
  problem.weights_stride = data.weights.stride();
  problem.scales = data.weights_options(Isa::kScalar).scales;
  problem.zero_points = data.weights_options(Isa::kScalar).zero_points;
  problem.accumulation = accumulation;
  problem.outliers = data.outliers();
  problem.epilogue = data.epilogue();
  problem.output = result.output();
  problem.residual = data.run_arguments(result).residual;

  QuantizedInput quantized;
  if (kernels::IsFloat(c.input)) {
    quantized = QuantizeInput(data);
    problem.input = quantized.matrix.input();
    problem.quantization = {ArrayView<const float>(quantized.scales),
                            ArrayView<const int32_t>(quantized.zero_points)};
  }
  ref::Linear(problem, {0, c.rows, 0, c.groups * c.outputs});
  return result;
}

void CheckOnIsas(const std::vector<Isa>& isas, LinearData& data, const SeeWeights& see) {
  const TestMatrix exact = ReferenceResult(data);
  TestMatrix saturating;
  if (data.c.accumulation == Accumulation::kSaturating16) {
    saturating = ReferenceResult(data, Accumulation::kSaturating16);
  }
  const Result<Context> context = Context::Create();
  ASSERT_TRUE(context.ok()) << context.status().message();
  data.Seal();
  Guard guard = data.c.guard;
  for (const Isa isa : isas) {
    const TestMatrix result = data.MakeOutput(guard);
    guard = Opposite(guard);
    const Status status = data.Run(*context, isa, result, see);
    ASSERT_TRUE(status.ok()) << IsaName(isa) << ": " << status.message() << "\n  " << data.c;
    const bool saturates = data.c.accumulation != Accumulation::kExact && !cpu::Traits(isa).vnni;
    ASSERT_TRUE(SameBits(saturates ? saturating : exact, result))
        << "  " << IsaName(isa) << ": " << data.c;
    RecordChecked(isa);

    const bool chosen = (data.c.seed + static_cast<uint64_t>(isa)) % 3 == 0;
    if (!chosen || data.c.checked || data.c.accumulation != Accumulation::kExact) continue;
    data.c.checked = true;
    const TestMatrix checked = data.MakeOutput(guard);
    const Status passes = data.Run(*context, isa, checked);
    EXPECT_TRUE(passes.ok()) << IsaName(isa) << ": " << passes.message() << "\n  " << data.c;
    EXPECT_TRUE(SameBits(exact, checked)) << "  " << IsaName(isa) << ": " << data.c;
    data.c.checked = false;
    if (::testing::Test::HasFailure()) return;
  }
}

void CheckOnEveryIsa(LinearData& data, const SeeWeights& see) {
  CheckOnIsas(SupportedIsas(), data, see);
}

void CheckOnEveryIsa(const LinearCase& c, const SeeWeights& see) {
  LinearData data(c);
  CheckOnEveryIsa(data, see);
}

}  // namespace qforge::test
