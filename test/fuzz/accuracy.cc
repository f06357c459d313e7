// ShadowRun of layers that fit together and of some that do not, and ChoosePrecisions.
#include "qforge/accuracy.h"

#include "products.h"

namespace qforge::fuzz {
namespace {

void FuzzShadowRun(FuzzInput& in) {
  const int64_t inputs = in.Pick<int64_t>({8, 1, 0, 5, 64});
  const int64_t outputs = in.Pick<int64_t>({16, 1, 0, 17});
  const int64_t groups = in.Pick<int64_t>({1, 1, 2});
  const int64_t channels = groups * outputs;
  const Context& context = DrawContext(in);
  const bool by_outputs = in.Bool();
  const int64_t rows = groups * (by_outputs ? outputs : inputs);
  const int64_t cols = by_outputs ? inputs : outputs;

  PackedWeightsOptions options;
  options.layout = by_outputs ? WeightsLayout::kOutputsByInputs : WeightsLayout::kInputsByOutputs;
  options.groups = groups;
  options.max_isa = context.isa();
  const FuzzMatrix quantized(in, DataType::kS8, rows, cols);
  if (quantized.type() != DataType::kS8) return;
  const Result<PackedWeights> packed =
      PackedWeights::Create(quantized.view<const int8_t>(), options);
  if (!packed.ok()) return;
  const FuzzEpilogue epilogue(in, channels, false);
  LinearOptions linear_options;
  linear_options.input =
      DrawType(in, {DataType::kU8, DataType::kS8, DataType::kF32, DataType::kF16, DataType::kBF16});
  linear_options.scaling = in.Enum<InputScaling>(linear_options.input >= DataType::kF32 ? 4 : 2);
  linear_options.transposed_input = in.Rarely();
  const Result<Linear> linear = Linear::Create(context, *packed, epilogue.epilogue, linear_options);
  if (!linear.ok()) return;

  const FuzzMatrix weights(in, DataType::kF32, rows, cols);
  if (weights.type() != DataType::kF32) return;
  const GuardedBuffer<float> bias = DrawArray<float>(in, in.Bool() ? 0 : in.Nearly(channels));
  FloatLayer layer;
  layer.weights = weights.view<const float>();
  layer.layout = in.Rarely() ? in.Any<WeightsLayout>() : options.layout;
  layer.groups = in.Nearly(groups);
  layer.bias = {bias.data(), bias.size()};
  layer.activation = in.Enum<Activation>(3);
  layer.clamp_min = in.Float();
  layer.clamp_max = in.Rarely() ? in.Float() : std::max(layer.clamp_min, in.Float());
  const int64_t input_rows = in.Pick<int64_t>({2, 1, 0, 7});
  const FuzzMatrix input(in, DataType::kF32, input_rows, groups * inputs);
  if (input.type() != DataType::kF32) return;
  const FuzzInputQuantization quantization(in, linear_options, input_rows);
  ErrorStatistics statistics;
  statistics.count = 1;
  const Status status = ShadowRun(context, layer, *linear, input.view<const float>(),
                                  quantization.quantization, in.Rarely() ? nullptr : &statistics);
  const int64_t pairs = statistics.count - 1 + statistics.not_finite;
  const int64_t expected =
      status.ok() ? input.rows() * packed->groups() * packed->outputs() : int64_t{0};
  Check(pairs == expected, "pairs are missing or too many");
}

void FuzzPrecisions(FuzzInput& in) {
  LayerError layers[24];
  const int64_t count = in.Integer(0, 24);
  double most = 0.0;
  for (int64_t i = 0; i < count; ++i) {
    LayerError& layer = layers[i];
    layer.error.signal = in.Rarely() ? static_cast<double>(in.Float()) : 1.0 + in.Any<uint8_t>();
    layer.error.noise = in.Rarely() ? static_cast<double>(in.Float()) : in.Any<uint8_t>();
    layer.error.not_finite = in.Rarely() ? 1 : 0;
    layer.cost = in.Rarely() ? static_cast<double>(in.Float()) : in.Any<uint8_t>();
    layer.weight = in.Rarely() ? static_cast<double>(in.Float()) : 1.0;
    most += layer.weight * layer.error.RelativeNoise();
  }
  ErrorBudget budget;
  if (in.Bool()) budget.min_signal_to_noise = static_cast<double>(in.Float());
  if (in.Bool()) budget.max_total_noise = in.Rarely() ? in.Float() : most * in.Any<uint8_t>() / 256;
  LayerPrecision precisions[25] = {};
  const int64_t size = in.Rarely() ? in.Integer(0, 25) : count;
  for (LayerPrecision& precision : precisions) precision = static_cast<LayerPrecision>(7);
  const Result<PrecisionChoice> choice =
      ChoosePrecisions({layers, count}, budget, {precisions, size});
  double cost = 0.0;
  double noise = 0.0;
  int64_t higher = 0;
  for (int64_t i = 0; i < 25; ++i) {
    const bool written = precisions[i] != static_cast<LayerPrecision>(7);
    Check(written == (choice.ok() && i < count), "precisions are missing or too many");
    if (!written) continue;
    if (precisions[i] == LayerPrecision::kHigher) {
      ++higher;
      cost += layers[i].cost;
    } else {
      noise += layers[i].weight * layers[i].error.RelativeNoise();
      Check(layers[i].error.not_finite == 0, "a layer that is not finite is quantised");
      Check(layers[i].error.SignalToNoise() >= budget.min_signal_to_noise,
            "a layer below the least ratio is quantised");
    }
  }
  if (!choice.ok()) return;
  Check(higher == choice->higher, "another number of layers than was stated");
  Check(cost <= choice->cost * 1.0001 + 1e-9, "a higher cost than was stated");
  Check(noise <= budget.max_total_noise * 1.0001 + 1e-9, "more noise than the budget");
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  if (in.Any<uint8_t>() % 4 == 3) {
    qforge::fuzz::FuzzPrecisions(in);
  } else {
    qforge::fuzz::FuzzShadowRun(in);
  }
  return 0;
}
