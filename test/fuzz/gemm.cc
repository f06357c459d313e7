// Gemm, of s8 and of floats.
#include "qforge/gemm.h"

#include "products.h"

namespace qforge::fuzz {
namespace {

void FuzzGemm(FuzzInput& in) {
  const int64_t inputs = DrawInputs(in);
  const int64_t outputs = DrawOutputs(in);
  const Context& context = DrawContext(in);

  GemmOptions options;
  options.inputs = in.Nearly(inputs);
  options.outputs = in.Nearly(outputs);
  options.layout = in.Enum<WeightsLayout>(2);
  options.weights = DrawType(in, {DataType::kS8, DataType::kF32, DataType::kF16, DataType::kBF16});
  const bool floats = options.weights != DataType::kS8;
  options.weight_zero_points = floats ? in.Rarely() : in.Bool();
  if (floats) {
    options.linear.input = DrawType(in, {DataType::kF32, DataType::kF16, DataType::kBF16});
  } else {
    options.linear.input = DrawType(
        in, {DataType::kU8, DataType::kS8, DataType::kF32, DataType::kF16, DataType::kBF16});
  }
  if (!floats || in.Rarely()) {
    options.linear.scaling = in.Enum<InputScaling>(options.linear.input >= DataType::kF32 ? 4 : 2);
  }
  options.linear.transposed_input = in.Any<uint8_t>() % 8 == 7;
  const FuzzSoftErrors soft_errors(in, in.Rarely());
  options.linear.soft_errors = soft_errors.options;
  const FuzzEpilogue epilogue(in, outputs, floats);
  const Result<Gemm> gemm = Gemm::Create(context, epilogue.epilogue, options);
  const Result<Gemm> scalar = Gemm::Create(ScalarContext(), epilogue.epilogue, options);
  Check(gemm.status().code() == scalar.status().code(), "creation ends in another way");
  if (!gemm.ok()) return;

  const int64_t rows = DrawRows(in);
  const bool transposed = options.linear.transposed_input;
  const DataType input_type = options.linear.input != DataType::kNone ? options.linear.input
                              : floats                                ? DataType::kF32
                                                                      : DataType::kU8;
  const FuzzMatrix input(in, input_type, transposed ? inputs : rows, transposed ? rows : inputs);
  const bool by_outputs = options.layout == WeightsLayout::kOutputsByInputs;
  const FuzzMatrix weights(in, options.weights, by_outputs ? outputs : inputs,
                           by_outputs ? inputs : outputs);
  const FuzzInputQuantization quantization(in, options.linear, rows);
  GuardedBuffer<float> scales{
      std::clamp<int64_t>(in.Nearly(in.Pick<int64_t>({0, 1, outputs})), 0, 128), in.Guard()};
  for (float& value : scales) value = in.Scale();
  GuardedBuffer<int32_t> zero_points{
      std::clamp<int64_t>(in.Nearly(in.Pick<int64_t>({0, 1, outputs})), 0, 128), in.Guard()};
  for (int32_t& value : zero_points) {
    value = in.Rarely() ? in.Any<int32_t>() : options.weight_zero_points ? in.Any<int8_t>() : 0;
  }
  WeightsQuantization weights_quantization;
  weights_quantization.scales = {scales.data(), scales.size()};
  weights_quantization.zero_points = {zero_points.data(), zero_points.size()};
  FuzzMatrix output(in, epilogue.epilogue.output.type, rows, outputs);
  const FuzzMatrix residual(in, epilogue.epilogue.residual.type, rows, outputs);
  RunArguments arguments;
  if (epilogue.epilogue.residual.type != DataType::kNone) arguments.residual = residual.input();

  const bool as_floats = in.Rarely() ? !floats : floats;
  if (!as_floats && weights.type() != DataType::kS8) return;
  const auto run = [&](const Gemm& with, const OutputMatrix& to) {
    return as_floats ? with.Run(input.input(), weights.input(), to, arguments)
                     : with.Run(input.input(), quantization.quantization,
                                weights.view<const int8_t>(), weights_quantization, to, arguments);
  };
  const bool dot_product = context.isa() >= Isa::kAvx512Bf16 &&
                           options.weights == DataType::kBF16 && input_type == DataType::kBF16;
  RunBoth(
      output, !soft_errors.injects && !dot_product,
      [&](const OutputMatrix& to) { return run(*scalar, to); },
      [&](const OutputMatrix& to) { return run(*gemm, to); });
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  qforge::fuzz::FuzzGemm(in);
  return 0;
}
