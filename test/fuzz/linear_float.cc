// PackedWeights of floats with every option, and Linear on them.
#include "products.h"
#include "qforge/linear.h"
#include "qforge/packed_weights.h"

namespace qforge::fuzz {
namespace {

Result<PackedWeights> Pack(const FuzzMatrix& weights, const FloatWeightsOptions& options) {
  switch (weights.type()) {
    case DataType::kF16:
      return PackedWeights::Create(weights.view<const Half>(), options);
    case DataType::kBF16:
      return PackedWeights::Create(weights.view<const BFloat16>(), options);
    default:
      return PackedWeights::Create(weights.view<const float>(), options);
  }
}

void FuzzFloatLinear(FuzzInput& in) {
  const int64_t inputs = DrawInputs(in);
  const int64_t outputs = DrawOutputs(in);
  const int64_t groups = in.Pick<int64_t>({1, 1, 1, 2, 3});
  const Context& context = DrawContext(in);

  FloatWeightsOptions options;
  options.layout = in.Enum<WeightsLayout>(2);
  options.groups = in.Nearly(groups);
  options.type = DrawType(in, {DataType::kNone, DataType::kF32, DataType::kF16, DataType::kBF16});
  options.clip_to_finite = in.Bool();
  options.soft_error_check = in.Bool();
  options.max_isa = in.Rarely() ? in.Any<Isa>() : context.isa();
  const bool by_outputs = options.layout == WeightsLayout::kOutputsByInputs;
  const auto type = in.Pick({DataType::kF32, DataType::kF16, DataType::kBF16});
  const FuzzMatrix weights(in, type, groups * (by_outputs ? outputs : inputs),
                           by_outputs ? inputs : outputs);
  if (weights.type() != type) return;
  // Any number of products without weights is legal, and takes memory for each.
  if (weights.rows() == 0 && options.groups > 64) return;

  const bool packed_as_drawn = options.max_isa == context.isa();
  FloatWeightsOptions scalar_options = options;
  if (packed_as_drawn) scalar_options.max_isa = Isa::kScalar;
  const Result<PackedWeights> packed = Pack(weights, options);
  const Result<PackedWeights> scalar_packed = Pack(weights, scalar_options);
  Check(packed.status().code() == scalar_packed.status().code(),
        "packing for the scalar path ends in another way");
  if (!packed.ok()) return;
  CheckOk(packed->Scrub());

  const int64_t channels = groups * outputs;
  const FuzzEpilogue epilogue(in, channels, true);
  FuzzSoftErrors soft_errors(in, options.soft_error_check || in.Rarely());
  LinearOptions linear_options;
  linear_options.input = DrawType(in, {DataType::kF32, DataType::kF16, DataType::kBF16});
  if (in.Rarely()) linear_options.scaling = in.Enum<InputScaling>(4);
  linear_options.transposed_input = in.Any<uint8_t>() % 8 == 7;
  linear_options.soft_errors = soft_errors.options;
  const Result<Linear> linear = Linear::Create(context, *packed, epilogue.epilogue, linear_options);
  LinearOptions scalar_linear_options = linear_options;
  scalar_linear_options.soft_errors.injection = nullptr;
  const Result<Linear> scalar =
      Linear::Create(ScalarContext(), *scalar_packed, epilogue.epilogue, scalar_linear_options);
  if (!linear.ok()) return;
  if (!scalar.ok()) {
    Check(!packed_as_drawn, scalar.status().message());
    return;
  }

  const int64_t rows = DrawRows(in);
  const DataType input_type =
      linear_options.input == DataType::kNone ? DataType::kF32 : linear_options.input;
  FuzzMatrix input(in, input_type, linear_options.transposed_input ? groups * inputs : rows,
                   linear_options.transposed_input ? rows : groups * inputs);
  if (in.Bool()) input.bytes().Seal();
  const InputQuantization quantization =
      in.Rarely() ? InputQuantization{in.Scale(), in.Any<int32_t>()} : InputQuantization();
  FuzzMatrix output(in, epilogue.epilogue.output.type, rows, channels);
  const FuzzMatrix residual(in, epilogue.epilogue.residual.type, rows, channels);
  RunArguments arguments;
  if (epilogue.epilogue.residual.type != DataType::kNone) {
    arguments.residual = in.Rarely() ? InputMatrix() : residual.input();
  }
  // The dot product of bf16 rounds in its own way.
  const bool dot_product = packed->isa() >= Isa::kAvx512Bf16 && packed->type() == DataType::kBF16 &&
                           input_type == DataType::kBF16;
  RunBoth(
      output, packed_as_drawn && !soft_errors.injects && !dot_product,
      [&](const OutputMatrix& to) {
        return scalar->Run(input.input(), quantization, to, arguments);
      },
      [&](const OutputMatrix& to) {
        return linear->Run(input.input(), quantization, to, arguments);
      });
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  qforge::fuzz::FuzzFloatLinear(in);
  return 0;
}
