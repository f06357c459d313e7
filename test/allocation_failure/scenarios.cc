#include "allocation_failure/scenarios.h"

#include <unistd.h>

#include <array>
#include <cstdint>

#include "qforge/qforge.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

// What the scenarios calculate with. Nothing of it is allocated: a failed allocation is always one
// of qforge's.
constexpr int64_t kRows = 9;
constexpr int64_t kInputs = 40;
constexpr int64_t kOutputs = 70;

template <class T, size_t kCount>
constexpr std::array<T, kCount> Pattern(int from, int to) {
  std::array<T, kCount> values{};
  uint32_t state = 12345;
  for (T& value : values) {
    state = state * 1664525u + 1013904223u;
    value = static_cast<T>(from +
                           static_cast<int>((state >> 16) % static_cast<uint32_t>(to - from + 1)));
  }
  return values;
}

constexpr auto kActivations = Pattern<uint8_t, kRows * kInputs>(0, 255);
constexpr auto kWeights = Pattern<int8_t, kInputs * kOutputs>(-128, 127);
constexpr auto kFloats = Pattern<float, kInputs * kOutputs>(-50, 50);
constexpr auto kScales = Pattern<float, kOutputs>(1, 9);
constexpr auto kZeroPoints = Pattern<int32_t, kOutputs>(-3, 3);
constexpr auto kBias = Pattern<int32_t, kOutputs>(-1000, 1000);

// A name that children share with their parent, who has allocated it.
const std::string path = "/tmp/qforge_allocation_failure_" + std::to_string(getpid());

struct FileRemoval {
  ~FileRemoval() { unlink(path.c_str()); }
};

template <class T, size_t kCount>
ArrayView<const T> View(const std::array<T, kCount>& values) {
  return {values.data(), static_cast<int64_t>(kCount)};
}

template <class T>
void Append(const T* values, size_t count, std::string* result) {
  result->append(reinterpret_cast<const char*>(values), count * sizeof(T));
}

#define RETURN_UNLESS_OK(expression)                          \
  do {                                                        \
    if (const Status status_ = (expression); !status_.ok()) { \
      return status_;                                         \
    }                                                         \
  } while (false)

Status RunLinear(const Context& context, const PackedWeights& weights, const LinearOptions& options,
                 std::string* result) {
  Epilogue epilogue;
  epilogue.bias = View(kBias);
  epilogue.activation = Activation::kRelu;
  epilogue.output = OutputU8{1000.0f, 7};
  Result<Linear> linear = Linear::Create(context, weights, epilogue, options);
  if (!linear.ok()) return linear.status();
  std::array<uint8_t, kRows * kOutputs> output{};
  const bool floats = options.input == DataType::kF32;
  const InputMatrix input = floats ? InputMatrix(kFloats.data(), kRows, kInputs)
                                   : InputMatrix(kActivations.data(), kRows, kInputs);
  RETURN_UNLESS_OK(linear->Run(input, floats ? InputQuantization() : InputQuantization(0.5f, 3),
                               OutputMatrix(output.data(), kRows, kOutputs)));
  Append(output.data(), output.size(), result);
  static_cast<void>(linear->Describe());  // empty where memory runs out
  static_cast<void>(weights.Describe());
  return weights.Scrub();
}

Status RunLinear(const Context& context, const PackedWeightsOptions& packing,
                 const LinearOptions& options, std::string* result) {
  Result<PackedWeights> weights =
      PackedWeights::Create(MatrixView<const int8_t>(kWeights.data(), kInputs, kOutputs), packing);
  if (!weights.ok()) return weights.status();
  return RunLinear(context, *weights, options, result);
}

Status Int8(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  PackedWeightsOptions packing;
  packing.scales = View(kScales);
  packing.zero_points = View(kZeroPoints);
  packing.soft_error_check = true;
  LinearOptions checked;
  checked.soft_errors.policy = SoftErrorPolicy::kRecompute;
  RETURN_UNLESS_OK(RunLinear(*context, packing, checked, result));
  LinearOptions dynamic;
  dynamic.input = DataType::kF32;
  dynamic.scaling = InputScaling::kDynamicPerRow;
  return RunLinear(*context, packing, dynamic, result);
}

// Sums of 16 bits, which other packing makes; and tasks. In a pool of the caller's: what libraries
// of threads do when memory runs out is their business.
Status Int8InTasks(std::string* result) {
  BackwardPool pool(2);
  ContextOptions options;
  options.pool = &pool;
  options.max_isa = Isa::kAvx2;
  Result<Context> context = Context::Create(options);
  if (!context.ok()) return context.status();
  PackedWeightsOptions packing;
  packing.max_isa = Isa::kAvx2;
  return RunLinear(*context, packing, LinearOptions(), result);
}

// Packed for one instruction set, and packed again for another by who loads it.
Status WeightFiles(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  PackedWeightsOptions packing;
  packing.max_isa = Isa::kAvx2;
  packing.scales = View(kScales);
  packing.soft_error_check = true;
  Result<PackedWeights> weights =
      PackedWeights::Create(MatrixView<const int8_t>(kWeights.data(), kInputs, kOutputs), packing);
  if (!weights.ok()) return weights.status();
  const FileRemoval removal;
  RETURN_UNLESS_OK(weights->Save(path));
  alignas(64) static std::array<uint8_t, 1 << 16> bytes;
  const ArrayView<uint8_t> form(bytes.data(), weights->serialized_bytes());
  RETURN_UNLESS_OK(weights->Serialize(form));
  LoadWeightsOptions load;
  load.repack = Repack::kForBest;
  MapWeightsOptions map;
  map.verify = true;
  for (int way = 0; way < 4; ++way) {
    weights = way == 0   ? PackedWeights::Load(path, load)
              : way == 1 ? PackedWeights::Map(path, map)
              : way == 2 ? PackedWeights::Deserialize(form, load)
                         : PackedWeights::Borrow(form, map);
    if (!weights.ok()) return weights.status();
    RETURN_UNLESS_OK(RunLinear(*context, *weights, LinearOptions(), result));
  }
  return Status();
}

Status Outliers(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  Result<OutlierQuantizedWeights> quantized =
      QuantizeWeightsWithOutliers(MatrixView<const float>(kFloats.data(), kInputs, kOutputs));
  if (!quantized.ok()) return quantized.status();
  PackedWeightsOptions packing;
  packing.outliers = quantized->outliers();
  packing.scales = quantized->scales;
  Result<PackedWeights> weights = PackedWeights::Create(quantized->main(), packing);
  if (!weights.ok()) return weights.status();
  Result<Linear> linear = Linear::Create(*context, *weights, Epilogue());
  if (!linear.ok()) return linear.status();
  std::array<float, kRows * kOutputs> output{};
  RETURN_UNLESS_OK(linear->Run(InputMatrix(kActivations.data(), kRows, kInputs),
                               InputQuantization(0.5f, 3),
                               OutputMatrix(output.data(), kRows, kOutputs)));
  Append(output.data(), output.size(), result);
  return Status();
}

Status Floats(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  for (const DataType type : {DataType::kF16, DataType::kBF16}) {
    FloatWeightsOptions packing;
    packing.type = type;
    packing.soft_error_check = true;
    Result<PackedWeights> weights =
        PackedWeights::Create(MatrixView<const float>(kFloats.data(), kInputs, kOutputs), packing);
    if (!weights.ok()) return weights.status();
    Epilogue epilogue;
    epilogue.activation = Activation::kGeluTanh;
    Result<Linear> linear = Linear::Create(*context, *weights, epilogue);
    if (!linear.ok()) return linear.status();
    std::array<float, kRows * kOutputs> output{};
    RETURN_UNLESS_OK(linear->Run(InputMatrix(kFloats.data() + 100, kRows, kInputs),
                                 OutputMatrix(output.data(), kRows, kOutputs)));
    Append(output.data(), output.size(), result);
  }
  return Status();
}

Status Gemms(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  GemmOptions options;
  options.inputs = kInputs;
  options.outputs = kOutputs;
  Result<Gemm> gemm = Gemm::Create(*context, Epilogue(), options);
  if (!gemm.ok()) return gemm.status();
  std::array<float, kRows * kOutputs> output{};
  RETURN_UNLESS_OK(gemm->Run(InputMatrix(kActivations.data(), kRows, kInputs), {0.5f, 3},
                             MatrixView<const int8_t>(kWeights.data(), kInputs, kOutputs), {},
                             OutputMatrix(output.data(), kRows, kOutputs)));
  Append(output.data(), output.size(), result);
  options.weights = DataType::kF32;
  gemm = Gemm::Create(*context, Epilogue(), options);
  if (!gemm.ok()) return gemm.status();
  RETURN_UNLESS_OK(gemm->Run(InputMatrix(kFloats.data() + 100, kRows, kInputs),
                             InputMatrix(kFloats.data(), kInputs, kOutputs),
                             OutputMatrix(output.data(), kRows, kOutputs)));
  Append(output.data(), output.size(), result);
  return Status();
}

SparseWeights SparseColumns() {
  static constexpr std::array<int64_t, 5> kOffsets = {0, 3, 3, 5, 6};
  static constexpr std::array<int32_t, 6> kIndices = {1, 7, 39, 0, 20, 13};
  static constexpr std::array<int8_t, 6> kValues = {1, -128, 127, 5, 6, 7};
  SparseWeights sparse;
  sparse.inputs = kInputs;
  sparse.outputs = 4;
  sparse.column_offsets = View(kOffsets);
  sparse.row_indices = IndexView(kIndices.data(), 6);
  sparse.values = View(kValues);
  return sparse;
}

Status RunSparse(const Context& context, const SparseWeights& weights, std::string* result) {
  Result<SparseLinear> linear = SparseLinear::Create(context, weights);
  if (!linear.ok()) return linear.status();
  std::array<int32_t, kRows * 4> output{};
  RETURN_UNLESS_OK(linear->Run(MatrixView<const uint8_t>(kActivations.data(), kRows, kInputs),
                               MatrixView<int32_t>(output.data(), kRows, 4)));
  Append(output.data(), output.size(), result);
  return Status();
}

Status Sparse(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  return RunSparse(*context, SparseColumns(), result);
}

Status SparseFiles(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  Result<PackedSparseWeights> weights = PackedSparseWeights::Create(SparseColumns());
  if (!weights.ok()) return weights.status();
  const FileRemoval removal;
  RETURN_UNLESS_OK(weights->Save(path));
  alignas(64) static std::array<uint8_t, 1024> bytes;
  const ArrayView<uint8_t> form(bytes.data(), weights->serialized_bytes());
  RETURN_UNLESS_OK(weights->Serialize(form));
  for (int way = 0; way < 4; ++way) {
    weights = way == 0   ? PackedSparseWeights::Load(path)
              : way == 1 ? PackedSparseWeights::Map(path)
              : way == 2 ? PackedSparseWeights::Deserialize(form)
                         : PackedSparseWeights::Borrow(form);
    if (!weights.ok()) return weights.status();
    RETURN_UNLESS_OK(RunSparse(*context, weights->weights(), result));
    static_cast<void>(weights->Describe());  // empty where memory runs out
  }
  return Status();
}

Status LookUp(const Context& context, const EmbeddingTable& table, std::string* result) {
  EmbeddingBagOptions options;
  options.soft_errors.policy = SoftErrorPolicy::kRecompute;
  Result<EmbeddingBag> bag = EmbeddingBag::Create(context, table, options);
  if (!bag.ok()) return bag.status();
  static constexpr std::array<int64_t, 5> kIndices = {3, 69, 0, 3, 20};
  static constexpr std::array<int32_t, 3> kOffsets = {0, 4, 5};
  std::array<float, 2 * kInputs> sums{};
  RETURN_UNLESS_OK(bag->Run({IndexView(kIndices.data(), 5), IndexView(kOffsets.data(), 3)},
                            OutputMatrix(sums.data(), 2, kInputs)));
  Append(sums.data(), sums.size(), result);
  return table.Scrub(context, 0, table.rows());
}

Status Tables(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  const InputMatrix rows(kFloats.data(), kOutputs, kInputs);
  TableQuantizationOptions options;
  options.format = RowFormat::kU4;
  options.method = RangeSearch::kGreedy;
  options.row_checksum = true;
  Result<EmbeddingTable> table = EmbeddingTable::Quantize(*context, rows, options);
  if (!table.ok()) return table.status();
  RETURN_UNLESS_OK(LookUp(*context, *table, result));
  Result<double> loss = table->Loss(*context, rows);
  if (!loss.ok()) return loss.status();
  Append(&*loss, 1, result);

  options.format = RowFormat::kTwoTier4;
  options.method = RangeSearch::kKMeans;
  options.clusters = 3;
  options.row_checksum = false;
  table = EmbeddingTable::Quantize(*context, rows, options);
  if (!table.ok()) return table.status();
  RETURN_UNLESS_OK(table->AddChecksums(*context));
  return LookUp(*context, *table, result);
}

Status TableFiles(std::string* result) {
  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  TableQuantizationOptions options;
  Result<EmbeddingTable> table =
      EmbeddingTable::Quantize(*context, InputMatrix(kFloats.data(), kOutputs, kInputs), options);
  if (!table.ok()) return table.status();
  const FileRemoval removal;
  RETURN_UNLESS_OK(table->AddChecksums(*context));
  RETURN_UNLESS_OK(table->Save(path));
  for (const bool map : {false, true}) {
    table = map ? EmbeddingTable::Map(path, /*verify=*/true) : EmbeddingTable::Load(path);
    if (!table.ok()) return table.status();
    RETURN_UNLESS_OK(LookUp(*context, *table, result));
  }
  return Status();
}

Status Calibration(std::string* result) {
  HistogramOptions coarse;
  coarse.max_bins = 64;
  Result<Histogram> histogram = Histogram::Create(coarse);
  if (!histogram.ok()) return histogram.status();
  RETURN_UNLESS_OK(histogram->Observe(View(kFloats)));
  for (const RangeMethod method : {RangeMethod::kL2, RangeMethod::kKlDivergence}) {
    RangeOptions options;
    options.method = method;
    Result<ChosenRange> range = ChooseRange(*histogram, options);
    if (!range.ok()) return range.status();
    Append(&range->parameters.scale, 1, result);
  }
  std::array<int8_t, kInputs * kOutputs> quantized{};
  std::array<float, 1> scales{};
  WeightsQuantizationOptions options;
  options.granularity = Granularity::kPerTensor;
  options.method = RangeMethod::kPercentile;
  RETURN_UNLESS_OK(QuantizeWeights(MatrixView<const float>(kFloats.data(), kInputs, kOutputs),
                                   options, MatrixView<int8_t>(quantized.data(), kInputs, kOutputs),
                                   ArrayView<float>(scales.data(), 1)));
  Append(quantized.data(), quantized.size(), result);

  Result<Context> context = Context::Create();
  if (!context.ok()) return context.status();
  PackedWeightsOptions packing;
  packing.scales = View(scales);
  Result<PackedWeights> weights =
      PackedWeights::Create(MatrixView<const int8_t>(quantized.data(), kInputs, kOutputs), packing);
  if (!weights.ok()) return weights.status();
  Result<Linear> linear = Linear::Create(*context, *weights, Epilogue());
  if (!linear.ok()) return linear.status();
  FloatLayer layer;
  layer.weights = MatrixView<const float>(kFloats.data(), kInputs, kOutputs);
  std::array<LayerError, 3> layers{};
  RETURN_UNLESS_OK(ShadowRun(*context, layer, *linear,
                             MatrixView<const float>(kFloats.data() + 50, kRows, kInputs),
                             {0.4f, 125}, &layers[1].error));
  std::array<LayerPrecision, 3> precisions{};
  ErrorBudget budget;
  budget.max_total_noise = 1e-9;
  Result<PrecisionChoice> choice =
      ChoosePrecisions(View(layers), budget, ArrayView<LayerPrecision>(precisions.data(), 3));
  if (!choice.ok()) return choice.status();
  Append(precisions.data(), precisions.size(), result);
  return Status();
}

}  // namespace

const std::vector<Scenario>& Scenarios() {
  static const std::vector<Scenario> scenarios = {{"Int8", Int8},
                                                  {"Int8InTasks", Int8InTasks},
                                                  {"WeightFiles", WeightFiles},
                                                  {"Outliers", Outliers},
                                                  {"Floats", Floats},
                                                  {"Gemms", Gemms},
                                                  {"Sparse", Sparse},
                                                  {"SparseFiles", SparseFiles},
                                                  {"Tables", Tables},
                                                  {"TableFiles", TableFiles},
                                                  {"Calibration", Calibration}};
  return scenarios;
}

}  // namespace qforge::test
