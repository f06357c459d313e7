// PackedWeights of s8 with every option, and Linear on them.
#include "products.h"
#include "qforge/linear.h"
#include "qforge/packed_weights.h"

namespace qforge::fuzz {
namespace {

// Outliers in columns, in order or, rarely, not.
struct FuzzOutliers {
  FuzzOutliers(FuzzInput& in, int64_t inputs, int64_t outputs) {
    const int64_t columns = std::clamp<int64_t>(in.Nearly(outputs), 0, 512);
    offsets = GuardedBuffer<int64_t>(columns + 1, in.Guard());
    const int64_t most = in.Pick<int64_t>({1, 2, 5, 20});
    test::Random random = in.Seed();
    int64_t count = 0;
    for (int64_t j = 0; j <= columns; ++j) {
      offsets[j] = in.Rarely() ? in.Nearly(count) : count;
      if (j < columns && in.Bool()) count += random.Integer<int64_t>(0, most);
    }
    values = DrawArray<int8_t>(in, in.Nearly(count));
    rows = GuardedBuffer<int32_t>{std::clamp<int64_t>(in.Nearly(count), 0, 1 << 16), in.Guard()};
    const bool sorted = !in.Rarely();
    int64_t column = 0;
    int32_t row = 0;
    for (int64_t e = 0; e < rows.size(); ++e) {
      while (column < columns && offsets[column + 1] <= e) {
        ++column;
        row = 0;
      }
      const int64_t drawn = random.Integer<int64_t>(0, std::max<int64_t>(inputs - 1, 0));
      row = static_cast<int32_t>(sorted ? std::max<int64_t>(row, drawn) : drawn);
      rows[e] = in.left() != 0 && in.Rarely() ? in.Any<int32_t>() : row;
    }
    weights.inputs = in.Nearly(inputs);
    weights.outputs = in.Nearly(columns);
    weights.column_offsets = {offsets.data(), offsets.size()};
    weights.row_indices = IndexView(rows.data(), rows.size());
    weights.values = {values.data(), values.size()};
  }

  GuardedBuffer<int64_t> offsets;
  GuardedBuffer<int32_t> rows;
  GuardedBuffer<int8_t> values;
  SparseWeights weights;
};

// Every tile is handed out once, inside of the output.
void CheckTiles(const Linear& linear, const InputMatrix& input,
                const InputQuantization& quantization, const FuzzMatrix& output, bool compare) {
  constexpr int64_t kMost = 1 << 14;
  static int32_t sums[kMost];
  static uint8_t times[kMost];
  const int64_t rows = output.rows();
  const int64_t cols = output.cols();
  if (rows < 0 || cols < 0 || rows > 64 || cols > 256) return;
  std::memset(times, 0, static_cast<size_t>(rows * cols));
  const Status status =
      linear.RunTiles(input, quantization, [&](const AccumulatorTile& tile) noexcept {
        for (int64_t i = 0; i < tile.rows; ++i) {
          for (int64_t j = 0; j < tile.columns; ++j) {
            const int64_t row = tile.row + i;
            const int64_t column = tile.column + j;
            if (!compare) continue;
            Check(row >= 0 && row < rows && column >= 0 && column < cols, "a tile lies outside");
            sums[row * cols + column] = tile.data[i * tile.stride + j];
            ++times[row * cols + column];
          }
        }
      });
  if (!status.ok() || !compare) return;
  const int32_t* expected = static_cast<const int32_t*>(output.output().data);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) {
      Check(times[i * cols + j] == 1, "tiles do not cover the result once");
      Check(sums[i * cols + j] == expected[i * output.stride() + j], "a tile has another sum");
    }
  }
}

void FuzzLinear(FuzzInput& in) {
  const int64_t inputs = DrawInputs(in);
  const int64_t outputs = DrawOutputs(in);
  const int64_t groups = in.Pick<int64_t>({1, 1, 1, 2, 3});
  const Context& context = DrawContext(in);

  PackedWeightsOptions options;
  options.layout = in.Enum<WeightsLayout>(2);
  options.groups = in.Nearly(groups);
  const int64_t channels = groups * outputs;
  const auto parameters = [&] { return in.Nearly(in.Pick<int64_t>({0, 1, groups, channels})); };
  GuardedBuffer<float> scales{std::clamp<int64_t>(parameters(), 0, 512), in.Guard()};
  for (float& value : scales) value = in.Scale();
  options.scales = {scales.data(), scales.size()};
  GuardedBuffer<int32_t> zero_points{std::clamp<int64_t>(in.Bool() ? parameters() : 0, 0, 512),
                                     in.Guard()};
  for (int32_t& value : zero_points) value = in.Rarely() ? in.Any<int32_t>() : in.Any<int8_t>();
  options.zero_points = {zero_points.data(), zero_points.size()};
  options.accumulation =
      in.Pick({Accumulation::kExact, Accumulation::kExact, in.Enum<Accumulation>(2)});
  options.activation_maximum = static_cast<int32_t>(in.Bool()     ? 255
                                                    : in.Rarely() ? in.Any<int32_t>()
                                                                  : in.Integer(1, 255));
  options.main_bits = static_cast<int>(in.Bool()     ? 8
                                       : in.Rarely() ? in.Any<int32_t>()
                                                     : in.Integer(0, 8));
  options.outlier_density = in.Any<uint8_t>() % 8 == 7 ? static_cast<double>(in.Float()) : 0.0;
  options.soft_error_check = in.Bool();
  options.max_isa = in.Rarely() ? in.Any<Isa>() : context.isa();
  const FuzzOutliers outliers(in, inputs, channels);
  if (in.Bool()) options.outliers = outliers.weights;

  const bool by_outputs = options.layout == WeightsLayout::kOutputsByInputs;
  const FuzzMatrix weights(in, DataType::kS8, groups * (by_outputs ? outputs : inputs),
                           by_outputs ? inputs : outputs);
  if (weights.type() != DataType::kS8) return;
  // Any number of products without weights is legal, and takes memory for each.
  if (weights.rows() == 0 && options.groups > 64) return;
  const Result<PackedWeights> packed = PackedWeights::Create(weights.view<const int8_t>(), options);
  const bool packed_as_drawn = options.max_isa == context.isa();
  PackedWeightsOptions scalar_options = options;
  if (packed_as_drawn) scalar_options.max_isa = Isa::kScalar;
  const Result<PackedWeights> scalar_packed =
      PackedWeights::Create(weights.view<const int8_t>(), scalar_options);
  Check(packed.status().code() == scalar_packed.status().code(),
        "packing for the scalar path ends in another way");
  if (!packed.ok()) return;
  CheckOk(packed->Scrub());
  if (in.Rarely()) {
    const int64_t first = in.Nearly(0);
    (void)packed->Scrub(first, in.Nearly(1)).ok();
  }

  const FuzzEpilogue epilogue(in, channels, false);
  FuzzSoftErrors soft_errors(in, options.soft_error_check || in.Rarely());
  LinearOptions linear_options;
  linear_options.input =
      DrawType(in, {DataType::kU8, DataType::kS8, DataType::kF32, DataType::kF16, DataType::kBF16});
  linear_options.scaling = in.Enum<InputScaling>(linear_options.input >= DataType::kF32 ? 4 : 2);
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
  const DataType type =
      linear_options.input == DataType::kNone ? DataType::kU8 : linear_options.input;
  FuzzMatrix input(in, type, linear_options.transposed_input ? groups * inputs : rows,
                   linear_options.transposed_input ? rows : groups * inputs);
  // A broken promise makes results what they like, so it is kept, mostly.
  bool promise_kept = options.activation_maximum == 255;
  if (!promise_kept && type == DataType::kU8 && input.input().data != nullptr && !in.Rarely()) {
    for (size_t i = 0; i < input.bytes().size(); ++i) {
      auto& value = reinterpret_cast<uint8_t&>(input.bytes().data()[i]);
      value = static_cast<uint8_t>(value % (options.activation_maximum + 1));
    }
    promise_kept = true;
  }
  if (in.Bool()) input.bytes().Seal();
  const FuzzInputQuantization quantization(in, linear_options, rows);
  FuzzMatrix output(in, epilogue.epilogue.output.type, rows, channels);
  FuzzMatrix residual(in, epilogue.epilogue.residual.type, rows, channels);
  RunArguments arguments;
  if (epilogue.epilogue.residual.type != DataType::kNone) {
    arguments.residual = in.Rarely() ? InputMatrix() : residual.input();
    if (in.Rarely()) {
      const OutputMatrix& same = output.output();
      arguments.residual.data = same.data;
      arguments.residual.rows = same.rows;
      arguments.residual.cols = same.cols;
      arguments.residual.stride = same.stride;
      arguments.residual.type = same.type;
    }
  }

  const bool comparable = promise_kept && !soft_errors.injects && packed_as_drawn &&
                          options.accumulation == Accumulation::kExact;
  RunBoth(
      output, comparable,
      [&](const OutputMatrix& to) {
        return scalar->Run(input.input(), quantization.quantization, to, arguments);
      },
      [&](const OutputMatrix& to) {
        return linear->Run(input.input(), quantization.quantization, to, arguments);
      });
  if (epilogue.epilogue.output.type == DataType::kS32 || in.Rarely()) {
    const bool compare =
        comparable && !epilogue.epilogue.output.accumulate && output.type() == DataType::kS32 &&
        linear->Run(input.input(), quantization.quantization, output.output()).ok();
    CheckTiles(*linear, input.input(), quantization.quantization, output, compare);
  }
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  qforge::fuzz::FuzzLinear(in);
  return 0;
}
