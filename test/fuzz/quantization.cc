// From floats to quantised values and back, histograms, and the choice of ranges.
#include "qforge/quantization.h"

#include <optional>
#include <utility>

#include "fuzz_input.h"
#include "qforge/histogram.h"
#include "qforge/outliers.h"
#include "qforge/range_choice.h"

namespace qforge::fuzz {
namespace {

ParameterOptions DrawParameterOptions(FuzzInput& in) {
  ParameterOptions options;
  options.type = DrawType(in, {DataType::kU8, DataType::kS8});
  options.symmetric = in.Bool();
  options.bits = static_cast<int>(in.Nearly(in.Pick<int64_t>({8, 2, 3, 4, 7})));
  options.power_of_two_scale = in.Bool();
  return options;
}

bool IsValid(const QuantizationParameters& parameters, const ParameterOptions& options) {
  const int32_t low = options.type == DataType::kU8 ? 0 : -(1 << (options.bits - 1));
  return parameters.scale >= 1.17549435e-38f && parameters.scale <= 3.4028235e38f &&
         parameters.zero_point >= low && parameters.zero_point < low + (1 << options.bits) &&
         parameters.bits == options.bits;
}

template <class T>
void FuzzArrays(FuzzInput& in) {
  ParameterOptions options = DrawParameterOptions(in);
  if (!in.Rarely()) options.type = DataTypeOf<T>::kValue;
  const float a = in.Float();
  const float b = in.Float();
  const float min = in.Rarely() ? a : std::min(a, b);
  const float max = in.Rarely() ? b : std::max(a, b);
  const Result<QuantizationParameters> chosen = ChooseParameters(min, max, options);
  if (chosen.ok()) Check(IsValid(*chosen, options), "parameters that are none");
  QuantizationParameters parameters = chosen.ok() ? *chosen : QuantizationParameters();
  if (in.Rarely()) parameters.scale = in.Float();
  if (in.Rarely()) parameters.zero_point = in.Any<int32_t>();
  if (in.Rarely()) parameters.bits = in.Any<int32_t>();

  const int64_t size = in.Integer(0, 150);
  GuardedBuffer<float> input = DrawArray<float>(in, size);
  for (int64_t i = 0; i < size && in.left() != 0 && i < 4; ++i) input[i] = in.Float();
  input.Seal();
  const ArrayView<const float> from(input.data(), size);
  const Result<ValueRange> range = FindRange(from);
  CheckOk(range.status());
  Check(range->min <= range->max, "a range that ends before it begins");

  const GuardedBuffer<T> quantized = DrawArray<T>(in, in.Nearly(size));
  const Status status =
      Quantize(from, parameters, ArrayView<T>(quantized.data(), quantized.size()));
  Check(quantized.CanariesIntact(), "written beyond the output");
  if (!status.ok()) return;
  const bool u8 = DataTypeOf<T>::kValue == DataType::kU8;
  const int low = u8 ? 0 : -(1 << (parameters.bits - 1));
  for (const T value : quantized) {
    Check(value >= low && value < low + (1 << parameters.bits), "a value beyond the bits");
  }
  const GuardedBuffer<float> real = DrawArray<float>(in, in.Nearly(size));
  const Status back = Dequantize(ArrayView<const T>(quantized.data(), quantized.size()), parameters,
                                 {real.data(), real.size()});
  Check(real.CanariesIntact(), "written beyond the output");
  if (!back.ok()) return;
  for (int64_t i = 0; i < size; ++i) {
    const float expected =
        parameters.scale * static_cast<float>(quantized[i] - parameters.zero_point);
    Check(std::memcmp(&expected, &real[i], sizeof(float)) == 0, "not scale * (q - zero_point)");
  }
}

void FuzzRequantization(FuzzInput& in) {
  const int64_t rows = in.Integer(0, 5);
  const int64_t cols = in.Integer(0, 70);
  const FuzzMatrix input(in, DataType::kS32, rows, cols);
  FuzzMatrix output(in, DrawType(in, {DataType::kU8, DataType::kS8}), rows, cols);
  if (input.type() != DataType::kS32) return;
  GuardedBuffer<float> multipliers{
      std::clamp<int64_t>(in.Nearly(in.Pick<int64_t>({1, cols})), 0, 128), in.Guard()};
  for (float& value : multipliers) value = in.Scale();
  RequantizeOptions options;
  options.multipliers = {multipliers.data(), multipliers.size()};
  options.zero_point = in.Rarely() ? in.Any<int32_t>() : static_cast<int32_t>(in.Integer(0, 127));
  if (in.Bool()) options.clamp_min = in.Rarely() ? in.Any<int32_t>() : in.Any<int8_t>();
  if (in.Bool()) {
    options.clamp_max =
        in.Rarely() ? in.Any<int32_t>() : static_cast<int32_t>(in.Integer(-128, 255));
  }
  const Snapshot before(output.bytes());
  const Status status = Requantize(input.view<const int32_t>(), options, output.output());
  Check(output.bytes().CanariesIntact(), "written beyond the output");
  Check(status.ok() || before.Equals(output.bytes()), "failed and wrote");
}

void FuzzWeights(FuzzInput& in) {
  const int64_t groups = in.Pick<int64_t>({1, 2, 3});
  const int64_t inputs = in.Pick<int64_t>({4, 1, 0, 33, 64});
  const int64_t outputs = in.Pick<int64_t>({3, 1, 0, 16, 17});
  WeightsQuantizationOptions options;
  options.layout = in.Enum<WeightsLayout>(2);
  options.groups = in.Nearly(groups);
  options.granularity = in.Enum<Granularity>(3);
  options.symmetric = in.Bool();
  // Searches over both ends take up to a second each.
  options.method = in.Pick({RangeMethod::kMinMax, RangeMethod::kMinMax, RangeMethod::kPercentile,
                            RangeMethod::kL2Approximate,
                            in.Rarely() ? in.Any<RangeMethod>() : RangeMethod::kMinMax});
  if (options.method == RangeMethod::kL2 || options.method == RangeMethod::kKlDivergence) return;
  if (options.method != RangeMethod::kMinMax && options.granularity == Granularity::kPerChannel) {
    options.granularity = Granularity::kPerTensor;
  }
  options.percentile = in.Bool() ? 99.99 : static_cast<double>(in.Float());
  options.bits = static_cast<int>(in.Nearly(in.Pick<int64_t>({8, 2, 4, 7})));
  options.power_of_two_scale = in.Bool();

  const bool by_outputs = options.layout == WeightsLayout::kOutputsByInputs;
  const int64_t rows = groups * (by_outputs ? outputs : inputs);
  const int64_t cols = by_outputs ? inputs : outputs;
  const FuzzMatrix weights(in, DataType::kF32, rows, cols);
  FuzzMatrix quantized(in, DataType::kS8, rows, cols);
  if (weights.type() != DataType::kF32 || quantized.type() != DataType::kS8) return;
  // Any number of products without weights is legal, and takes memory for each.
  if (weights.rows() == 0 && options.groups > 64) return;
  const int64_t count = options.granularity == Granularity::kPerTensor  ? 1
                        : options.granularity == Granularity::kPerGroup ? groups
                                                                        : groups * outputs;
  const GuardedBuffer<float> scales = DrawArray<float>(in, in.Nearly(count));
  const GuardedBuffer<int32_t> zero_points =
      DrawArray<int32_t>(in, options.symmetric && in.Bool() ? 0 : in.Nearly(count));
  const Snapshot before(quantized.bytes());
  const Status status =
      QuantizeWeights(weights.view<const float>(), options, quantized.view<int8_t>(),
                      {scales.data(), scales.size()}, {zero_points.data(), zero_points.size()});
  Check(
      quantized.bytes().CanariesIntact() && scales.CanariesIntact() && zero_points.CanariesIntact(),
      "written beyond an output");
  Check(status.ok() || before.Equals(quantized.bytes()), "failed and wrote");
  if (status.ok()) {
    const Snapshot expected(quantized.bytes());
    before.Restore(quantized.bytes());
    CheckOk(QuantizeWeights(DrawContext(in), weights.view<const float>(), options,
                            quantized.view<int8_t>(), {scales.data(), scales.size()},
                            {zero_points.data(), zero_points.size()}));
    Check(expected.Equals(quantized.bytes()), "threads change the result");
  }

  OutlierQuantizationOptions outliers;
  outliers.layout = options.layout;
  outliers.groups = options.groups;
  outliers.density = in.Bool() ? 0.1 : static_cast<double>(in.Float());
  const Result<OutlierQuantizedWeights> split =
      QuantizeWeightsWithOutliers(weights.view<const float>(), outliers);
  if (!split.ok()) return;
  PackedWeightsOptions packing;
  packing.layout = options.layout;
  packing.groups = options.groups;
  packing.scales = split->scales;
  // Packing takes outliers from 4 inputs on.
  if (split->inputs >= 4) packing.outliers = split->outliers();
  const Status packed = PackedWeights::Create(split->main(), packing).status();
  Check(packed.ok() || (split->inputs > 65536 && packed.code() == StatusCode::kOutOfRange),
        packed.message());
}

bool SameCounts(const Histogram& a, const Histogram& b) {
  const HistogramData x = a.data();
  const HistogramData y = b.data();
  return x.max_bins == y.max_bins && x.bin_exponent == y.bin_exponent &&
         x.first_bin == y.first_bin && x.counts.size() == y.counts.size() && x.min == y.min &&
         x.max == y.max && x.zeros == y.zeros && x.nans == y.nans &&
         x.positive_infinities == y.positive_infinities &&
         x.negative_infinities == y.negative_infinities &&
         (x.counts.empty() ||
          std::memcmp(x.counts.data(), y.counts.data(),
                      static_cast<size_t>(x.counts.size()) * sizeof(uint64_t)) == 0);
}

void FuzzRangeChoice(FuzzInput& in, const Histogram& histogram) {
  RangeOptions options;
  options.method = in.Enum<RangeMethod>(5);
  options.parameters = DrawParameterOptions(in);
  options.percentile = in.Bool() ? 99.99 : static_cast<double>(in.Float());
  options.activation = in.Enum<Activation>(3);
  options.clamp_min = in.Float();
  options.clamp_max = in.Rarely() ? in.Float() : std::max(options.clamp_min, in.Float());
  const Result<ChosenRange> chosen = ChooseRange(histogram, options);
  if (!chosen.ok()) return;
  Check(IsValid(chosen->parameters, options.parameters), "parameters that are none");
  const Result<double> error = HistogramL2Error(histogram, chosen->parameters, options);
  CheckOk(error.status());
  Check(*error >= 0.0 && *error == chosen->l2_error, "another error than was stated");
  QuantizationParameters other = chosen->parameters;
  other.scale = in.Float();
  other.zero_point = in.Any<int8_t>();
  (void)HistogramL2Error(histogram, other, options).ok();
}

void FuzzHistogram(FuzzInput& in) {
  HistogramOptions options;
  options.max_bins = in.Pick<int64_t>({16, 17, 64, in.Nearly(32)});
  if (options.max_bins > 4096) options.max_bins = 1 << 21;
  Result<Histogram> whole = Histogram::Create(options);
  Result<Histogram> first = Histogram::Create(options);
  Result<Histogram> second = Histogram::Create(options);
  if (!whole.ok()) return;
  const int pieces = static_cast<int>(in.Integer(0, 3));
  for (int i = 0; i < pieces; ++i) {
    GuardedBuffer<float> values = DrawArray<float>(in, in.Pick<int64_t>({5, 0, 64, 200}));
    for (int64_t k = 0; k < values.size() && k < 4; ++k) values[k] = in.Float();
    values.Seal();
    const ArrayView<const float> view(values.data(), values.size());
    CheckOk(whole->Observe(view));
    CheckOk((in.Bool() ? *first : *second).Observe(view));
  }
  if (in.Bool()) {
    CheckOk(second->Merge(*first));
    Check(SameCounts(*whole, *second), "merging does not give what observing does");
  } else {
    CheckOk(first->Merge(*second));
    Check(SameCounts(*whole, *first), "merging does not give what observing does");
  }
  const FuzzMatrix matrix(in, DataType::kF32, 2, 9);
  if (matrix.type() == DataType::kF32) (void)whole->Observe(matrix.view<const float>()).ok();
  const Result<Histogram> again = Histogram::FromData(whole->data());
  CheckOk(again.status());
  Check(SameCounts(*whole, *again), "data() and FromData() are not inverse");
  FuzzRangeChoice(in, *whole);
}

// Data that no histogram gave, mostly.
void FuzzHistogramData(FuzzInput& in) {
  GuardedBuffer<uint64_t> counts{in.Integer(0, 20), in.Guard()};
  for (uint64_t& count : counts) count = in.Rarely() ? in.Any<uint64_t>() : in.Any<uint8_t>();
  HistogramData data;
  data.max_bins = in.Nearly(16);
  data.bin_exponent = in.Bool() ? in.Any<int8_t>() : in.Any<int32_t>();
  data.first_bin = in.Bool() ? in.Any<int8_t>() : in.Any<int64_t>();
  data.counts = {counts.data(), counts.size()};
  data.min = in.Float();
  data.max = in.Float();
  if (in.Bool() && counts.size() != 0) {  // what fits the bins
    double width = 1.0;
    for (int i = 0; i < std::abs(std::max(data.bin_exponent, -200)) && i < 200; ++i) {
      width = data.bin_exponent < 0 ? width / 2 : width * 2;
    }
    const double low = static_cast<double>(data.first_bin);
    const double high = low + static_cast<double>(counts.size() - 1);
    data.min = static_cast<float>(width * (low < 0 ? low + 1 : low));
    data.max = static_cast<float>(width * (high < 0 ? high + 1 : high));
  }
  data.zeros = in.Rarely() ? in.Any<uint64_t>() : in.Any<uint8_t>();
  data.nans = in.Rarely() ? in.Any<uint64_t>() : 0;
  data.positive_infinities = in.Rarely() ? in.Any<uint64_t>() : 0;
  data.negative_infinities = in.Rarely() ? in.Any<uint64_t>() : 0;
  Result<Histogram> histogram = Histogram::FromData(data);
  if (!histogram.ok()) return;
  const float values[] = {in.Float(), in.Float()};
  (void)histogram->Observe(ArrayView<const float>(values)).ok();
  const Result<Histogram> other = Histogram::FromData(data);
  CheckOk(other.status());
  (void)histogram->Merge(*other).ok();
  CheckOk(Histogram::FromData(histogram->data()).status());
  FuzzRangeChoice(in, *histogram);
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace qforge::fuzz;
  FuzzInput in(data, size);
  switch (in.Any<uint8_t>() % 6) {
    case 0:
      FuzzArrays<uint8_t>(in);
      break;
    case 1:
      FuzzArrays<int8_t>(in);
      break;
    case 2:
      FuzzRequantization(in);
      break;
    case 3:
      FuzzWeights(in);
      break;
    case 4:
      FuzzHistogram(in);
      break;
    default:
      FuzzHistogramData(in);
  }
  return 0;
}
