// What Run refuses: the code, the field it names, and that nothing is written.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>
#include <ostream>
#include <utility>

#include "gemm/linear_case.h"
#include "qforge/gemm.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kInfinity = std::numeric_limits<float>::infinity();

// The arguments of Linear::Run.
struct Call {
  InputMatrix input;
  InputQuantization quantization;
  OutputMatrix output;
  RunArguments arguments;
};

// A layer of the shape below to call wrongly.
enum class Layer { kBytes, kPerRow, kFloat, kHalf, kDynamic, kTransposed };

constexpr int64_t kRows = 5, kOutputs = 19, kInputs = 11;

LinearCase CaseOf(Layer layer) {
  LinearCase c;
  c.rows = kRows;
  c.outputs = kOutputs;
  c.inputs = kInputs;
  c.gap = 2;
  switch (layer) {
    case Layer::kBytes:
      c.residual = DataType::kS8;
      break;
    case Layer::kPerRow:
      c.input = DataType::kS8;
      c.scaling = InputScaling::kPerRow;
      break;
    case Layer::kFloat:
      c.input = DataType::kF32;
      c.output = DataType::kF32;
      break;
    case Layer::kHalf:
      c.input = DataType::kF16;
      c.residual = c.output = DataType::kBF16;
      break;
    case Layer::kDynamic:
      c.input = DataType::kF32;
      c.scaling = InputScaling::kDynamicPerRow;
      c.output = DataType::kS32;
      break;
    case Layer::kTransposed:
      c.transposed_input = true;
      break;
  }
  return c;
}

template <class Pointer>
Pointer Moved(Pointer data, int64_t bytes) {
  return reinterpret_cast<Pointer>(reinterpret_cast<intptr_t>(data) + bytes);
}

struct BadCall {
  const char* name;
  Layer layer;
  void (*spoil)(Call&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadCall& x) { return out << x.name; }
};

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;

const BadCall kBadCalls[] = {
    // The input matrix.
    {"input_null", Layer::kBytes, [](Call& c) { c.input.data = nullptr; }, kInvalid, "input"},
    {"input_of_no_type", Layer::kBytes, [](Call& c) { c.input = InputMatrix(); }, kInvalid,
     "input"},
    {"input_signed", Layer::kBytes, [](Call& c) { c.input.type = DataType::kS8; }, kInvalid,
     "input"},
    {"input_unsigned", Layer::kPerRow, [](Call& c) { c.input.type = DataType::kU8; }, kInvalid,
     "input"},
    {"input_not_float", Layer::kFloat, [](Call& c) { c.input.type = DataType::kU8; }, kInvalid,
     "input"},
    {"input_misaligned", Layer::kFloat, [](Call& c) { c.input.data = Moved(c.input.data, 2); },
     kInvalid, "input"},
    {"input_of_other_halves", Layer::kHalf, [](Call& c) { c.input.type = DataType::kBF16; },
     kInvalid, "input"},
    {"input_halves_misaligned", Layer::kHalf,
     [](Call& c) { c.input.data = Moved(c.input.data, 1); }, kInvalid, "input"},
    {"input_too_narrow", Layer::kBytes, [](Call& c) { --c.input.cols; }, kInvalid, "input"},
    {"input_too_wide", Layer::kBytes, [](Call& c) { ++c.input.cols; }, kInvalid, "input"},
    {"input_not_transposed", Layer::kTransposed,
     [](Call& c) { std::swap(c.input.rows, c.input.cols); }, kInvalid, "input"},
    {"input_stride_too_small", Layer::kBytes, [](Call& c) { c.input.stride = c.input.cols - 1; },
     kInvalid, "input"},
    {"input_stride_zero", Layer::kBytes, [](Call& c) { c.input.stride = 0; }, kInvalid, "input"},
    {"input_stride_negative", Layer::kBytes, [](Call& c) { c.input.stride = -16; }, kInvalid,
     "input"},
    {"input_cols_negative", Layer::kBytes, [](Call& c) { c.input.cols = -kInputs; }, kRange,
     "input"},
    {"input_rows_negative", Layer::kBytes, [](Call& c) { c.input.rows = c.output.rows = -1; },
     kRange, "input"},
    {"input_stride_overflows", Layer::kBytes, [](Call& c) { c.input.stride = kHuge / 2; }, kRange,
     "input"},
    {"input_stride_overflows_in_bytes", Layer::kFloat,
     [](Call& c) { c.input.stride = kHuge / kRows; }, kRange, "input"},

    // The output matrix.
    {"output_null", Layer::kBytes, [](Call& c) { c.output.data = nullptr; }, kInvalid, "output"},
    {"output_of_other_type", Layer::kBytes, [](Call& c) { c.output.type = DataType::kS8; },
     kInvalid, "output"},
    {"output_misaligned", Layer::kFloat, [](Call& c) { c.output.data = Moved(c.output.data, 1); },
     kInvalid, "output"},
    {"output_misaligned_s32", Layer::kDynamic,
     [](Call& c) { c.output.data = Moved(c.output.data, 2); }, kInvalid, "output"},
    {"output_of_other_halves", Layer::kHalf, [](Call& c) { c.output.type = DataType::kF16; },
     kInvalid, "output"},
    {"output_halves_misaligned", Layer::kHalf,
     [](Call& c) { c.output.data = Moved(c.output.data, 1); }, kInvalid, "output"},
    {"output_too_narrow", Layer::kBytes, [](Call& c) { --c.output.cols; }, kInvalid, "output"},
    {"output_rows_missing", Layer::kBytes, [](Call& c) { --c.output.rows; }, kInvalid, "output"},
    {"output_rows_too_many", Layer::kBytes, [](Call& c) { ++c.output.rows; }, kInvalid, "output"},
    {"output_stride_too_small", Layer::kBytes, [](Call& c) { c.output.stride = kOutputs - 1; },
     kInvalid, "output"},
    {"output_cols_negative", Layer::kBytes, [](Call& c) { c.output.cols = -kOutputs; }, kRange,
     "output"},
    {"output_stride_overflows", Layer::kBytes, [](Call& c) { c.output.stride = kHuge; }, kRange,
     "output"},
    {"output_is_input", Layer::kBytes,
     [](Call& c) { c.output.data = const_cast<void*>(c.input.data); }, kInvalid, "output"},
    {"output_overlaps_last_byte_of_input", Layer::kBytes,
     [](Call& c) {
       c.output.data =
           Moved(const_cast<void*>(c.input.data), (kRows - 1) * c.input.stride + kInputs - 1);
     },
     kInvalid, "output"},

    // The residual.
    {"residual_missing", Layer::kBytes, [](Call& c) { c.arguments = RunArguments(); }, kInvalid,
     "arguments.residual"},
    {"residual_null", Layer::kBytes, [](Call& c) { c.arguments.residual.data = nullptr; }, kInvalid,
     "arguments.residual"},
    {"residual_of_other_type", Layer::kBytes,
     [](Call& c) { c.arguments.residual.type = DataType::kU8; }, kInvalid, "arguments.residual"},
    {"residual_too_narrow", Layer::kBytes, [](Call& c) { --c.arguments.residual.cols; }, kInvalid,
     "arguments.residual"},
    {"residual_rows_missing", Layer::kBytes, [](Call& c) { --c.arguments.residual.rows; }, kInvalid,
     "arguments.residual"},
    {"residual_stride_too_small", Layer::kBytes,
     [](Call& c) { c.arguments.residual.stride = kOutputs - 1; }, kInvalid, "arguments.residual"},
    {"residual_stride_overflows", Layer::kBytes,
     [](Call& c) { c.arguments.residual.stride = kHuge; }, kRange, "arguments.residual"},
    {"residual_not_asked_for", Layer::kTransposed,
     [](Call& c) {
       c.arguments.residual =
           InputMatrix(static_cast<uint8_t*>(c.output.data), kRows, kOutputs, c.output.stride);
     },
     kInvalid, "arguments.residual"},
    {"residual_of_other_halves", Layer::kHalf,
     [](Call& c) { c.arguments.residual.type = DataType::kF16; }, kInvalid, "arguments.residual"},
    {"residual_halves_overlap_output_shifted", Layer::kHalf,
     [](Call& c) {
       c.arguments.residual.data = Moved(c.output.data, 2);
       c.arguments.residual.stride = c.output.stride;
     },
     kInvalid, "output"},
    {"residual_overlaps_output_shifted", Layer::kBytes,
     [](Call& c) {
       c.arguments.residual.data = Moved(c.output.data, 1);
       c.arguments.residual.stride = c.output.stride;
     },
     kInvalid, "output"},

    // Scale and zero-point of the input.
    {"scale_zero", Layer::kBytes, [](Call& c) { c.quantization.scale = 0.0f; }, kRange,
     "quantization.scale"},
    {"scale_negative", Layer::kBytes, [](Call& c) { c.quantization.scale = -1.0f; }, kRange,
     "quantization.scale"},
    {"scale_nan", Layer::kBytes, [](Call& c) { c.quantization.scale = kNan; }, kRange,
     "quantization.scale"},
    {"scale_infinite", Layer::kBytes, [](Call& c) { c.quantization.scale = kInfinity; }, kRange,
     "quantization.scale"},
    {"scale_zero_for_float_input", Layer::kFloat, [](Call& c) { c.quantization.scale = 0.0f; },
     kRange, "quantization.scale"},
    {"scale_without_inverse_for_float_input", Layer::kFloat,
     [](Call& c) { c.quantization.scale = 1.0e-38f; }, kRange, "quantization.scale"},
    {"scale_without_inverse_for_half_input", Layer::kHalf,
     [](Call& c) { c.quantization.scale = 1.0e-38f; }, kRange, "quantization.scale"},
    {"zero_point_too_large_for_half_input", Layer::kHalf,
     [](Call& c) { c.quantization.zero_point = 256; }, kRange, "quantization.zero_point"},
    {"zero_point_too_small", Layer::kBytes, [](Call& c) { c.quantization.zero_point = -1; }, kRange,
     "quantization.zero_point"},
    {"zero_point_too_large", Layer::kBytes, [](Call& c) { c.quantization.zero_point = 256; },
     kRange, "quantization.zero_point"},
    {"zero_point_too_large_for_float_input", Layer::kFloat,
     [](Call& c) { c.quantization.zero_point = 256; }, kRange, "quantization.zero_point"},
    {"row_scales_for_one_pair", Layer::kBytes,
     [](Call& c) {
       static const float scales[kRows] = {1, 1, 1, 1, 1};
       c.quantization.row_scales = scales;
     },
     kInvalid, "quantization.row_scales"},
    {"row_zero_points_for_one_pair", Layer::kBytes,
     [](Call& c) {
       static const int32_t zero_points[kRows] = {};
       c.quantization.row_zero_points = zero_points;
     },
     kInvalid, "quantization.row_zero_points"},

    // Scales and zero-points per row.
    {"row_scales_missing", Layer::kPerRow, [](Call& c) { c.quantization.row_scales = {}; },
     kInvalid, "quantization.row_scales"},
    {"row_zero_points_missing", Layer::kPerRow,
     [](Call& c) { c.quantization.row_zero_points = {}; }, kInvalid,
     "quantization.row_zero_points"},
    {"row_scales_too_few", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_scales = {c.quantization.row_scales.data(), kRows - 1};
     },
     kInvalid, "quantization.row_scales"},
    {"row_scales_negative_size", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_scales = {c.quantization.row_scales.data(), -kRows};
     },
     kInvalid, "quantization.row_scales"},
    {"row_scales_null", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_scales = {nullptr, kRows};
     },
     kInvalid, "quantization.row_scales"},
    {"row_scales_misaligned", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_scales = {Moved(c.quantization.row_scales.data(), 2), kRows};
     },
     kInvalid, "quantization.row_scales"},
    {"row_scale_zero", Layer::kPerRow,
     [](Call& c) {
       static const float scales[kRows] = {1, 1, 1, 1, 0};
       c.quantization.row_scales = scales;
     },
     kRange, "quantization.row_scales"},
    {"row_scale_nan", Layer::kPerRow,
     [](Call& c) {
       static const float scales[kRows] = {1, 1, kNan, 1, 1};
       c.quantization.row_scales = scales;
     },
     kRange, "quantization.row_scales"},
    {"row_zero_points_too_many", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_zero_points = {c.quantization.row_zero_points.data(), kRows + 1};
     },
     kInvalid, "quantization.row_zero_points"},
    {"row_zero_points_null", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_zero_points = {nullptr, kRows};
     },
     kInvalid, "quantization.row_zero_points"},
    {"row_zero_points_misaligned", Layer::kPerRow,
     [](Call& c) {
       c.quantization.row_zero_points = {Moved(c.quantization.row_zero_points.data(), -1), kRows};
     },
     kInvalid, "quantization.row_zero_points"},
    {"row_zero_point_too_large", Layer::kPerRow,
     [](Call& c) {
       static const int32_t zero_points[kRows] = {0, 0, 0, 128, 0};
       c.quantization.row_zero_points = zero_points;
     },
     kRange, "quantization.row_zero_points"},
    {"row_zero_point_too_small", Layer::kPerRow,
     [](Call& c) {
       static const int32_t zero_points[kRows] = {-129, 0, 0, 0, 0};
       c.quantization.row_zero_points = zero_points;
     },
     kRange, "quantization.row_zero_points"},

    // Dynamic scaling takes no parameters.
    {"row_scales_for_dynamic_scaling", Layer::kDynamic,
     [](Call& c) {
       static const float scales[kRows] = {1, 1, 1, 1, 1};
       c.quantization.row_scales = scales;
     },
     kInvalid, "quantization"},
};

class BadCalls : public EveryIsaTest, public ::testing::WithParamInterface<BadCall> {};

TEST_P(BadCalls, AreRefusedBeforeAnythingIsWritten) {
  const BadCall& bad = GetParam();
  const LinearData data(CaseOf(bad.layer));
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const PackedWeights weights = data.Pack(isa).value();
    const Result<Linear> linear =
        Linear::Create(context, weights, data.epilogue(), data.linear_options());
    ASSERT_TRUE(linear.ok()) << linear.status().message();
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    // In front, so that an overlap which is not refused shows instead of faulting.
    const TestMatrix input = data.input.Clone(Guard::kInFront);
    const TestMatrix input_before = input.Clone(Guard::kBehind);
    const TestMatrix untouched = result.Clone(Guard::kBehind);
    Call call{input.input(), data.quantization(), result.output(), data.run_arguments(result)};

    const Status good = linear->Run(call.input, call.quantization, call.output, call.arguments);
    ASSERT_TRUE(good.ok()) << good.message();
    result.CopyFrom(untouched);

    bad.spoil(call);
    EXPECT_TRUE(IsError(linear->Run(call.input, call.quantization, call.output, call.arguments),
                        bad.code, bad.field))
        << IsaName(isa);
    EXPECT_TRUE(SameBits(untouched, result)) << IsaName(isa);
    EXPECT_TRUE(SameBits(input_before, input)) << IsaName(isa);
    RecordChecked(weights.isa());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadCalls, ::testing::ValuesIn(kBadCalls),
                         [](const auto& info) { return info.param.name; });

// --- RunTiles ------------------------------------------------------------------------------------

TEST(BadTileCalls, NeedAnIntegerOutput) {
  const LinearData data(CaseOf(Layer::kTransposed));
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const Linear linear =
        Linear::Create(context, data.Pack(isa).value(), data.epilogue(), data.linear_options())
            .value();
    bool called = false;
    const Status status = linear.RunTiles(data.input.input(), data.quantization(),
                                          [&](const AccumulatorTile&) { called = true; });
    EXPECT_TRUE(IsError(status, StatusCode::kUnsupported, "epilogue.output"));
    EXPECT_FALSE(called);
  }
}

TEST(BadTileCalls, CheckTheirArguments) {
  const LinearData data(CaseOf(Layer::kDynamic));
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const Linear linear =
        Linear::Create(context, data.Pack(isa).value(), data.epilogue(), data.linear_options())
            .value();
    bool called = false;
    const auto callback = [&](const AccumulatorTile&) { called = true; };
    InputMatrix input = data.input.input();
    input.stride = kInputs - 1;
    EXPECT_TRUE(IsError(linear.RunTiles(input, data.quantization(), callback), kInvalid, "input"));
    EXPECT_TRUE(
        IsError(linear.RunTiles(data.input.input(), {}, nullptr, nullptr), kInvalid, "function"));
    EXPECT_FALSE(called);
  }
}

// --- Gemm: what it has besides -------------------------------------------------------------------

struct GemmCall {
  MatrixView<const int8_t> weights;
  WeightsQuantization quantization;
};

struct BadGemmCall {
  const char* name;
  void (*spoil)(GemmCall&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadGemmCall& x) { return out << x.name; }
};

const BadGemmCall kBadGemmCalls[] = {
    {"weights_null", [](GemmCall& c) { c.weights.data = nullptr; }, kInvalid, "weights"},
    {"weights_rows_missing", [](GemmCall& c) { --c.weights.rows; }, kInvalid, "weights"},
    {"weights_columns_missing", [](GemmCall& c) { --c.weights.cols; }, kInvalid, "weights"},
    {"weights_stride_too_small", [](GemmCall& c) { c.weights.stride = kOutputs - 1; }, kInvalid,
     "weights"},
    {"weights_stride_overflows", [](GemmCall& c) { c.weights.stride = kHuge; }, kRange, "weights"},
    {"weights_rows_negative", [](GemmCall& c) { c.weights.rows = -1; }, kRange, "weights"},
    {"scales_of_wrong_size",
     [](GemmCall& c) {
       static const float scales[2] = {1, 1};
       c.quantization.scales = scales;
     },
     kInvalid, "weights_quantization.scales"},
    {"scales_null",
     [](GemmCall& c) {
       c.quantization.scales = {nullptr, 1};
     },
     kInvalid, "weights_quantization.scales"},
    {"scale_negative",
     [](GemmCall& c) {
       static const float scale[1] = {-1};
       c.quantization.scales = scale;
     },
     kRange, "weights_quantization.scales"},
    {"zero_points_of_wrong_size",
     [](GemmCall& c) {
       static const int32_t zero_points[2] = {};
       c.quantization.zero_points = zero_points;
     },
     kInvalid, "weights_quantization.zero_points"},
    {"zero_point_too_large",
     [](GemmCall& c) {
       static const int32_t zero_point[1] = {128};
       c.quantization.zero_points = zero_point;
     },
     kRange, "weights_quantization.zero_points"},
    {"zero_point_not_prepared_for",
     [](GemmCall& c) {
       static const int32_t zero_point[1] = {1};
       c.quantization.zero_points = zero_point;
     },
     StatusCode::kUnsupported, "weights_quantization.zero_points"},
};

class BadGemmCalls : public EveryIsaTest, public ::testing::WithParamInterface<BadGemmCall> {};

TEST_P(BadGemmCalls, AreRefusedBeforeAnythingIsWritten) {
  const BadGemmCall& bad = GetParam();
  const LinearData data(CaseOf(Layer::kPerRow));
  for (const Isa isa : SupportedIsas()) {
    ContextOptions context_options;
    context_options.max_isa = isa;
    const Context context = Context::Create(context_options).value();
    GemmOptions options;
    options.inputs = kInputs;
    options.outputs = kOutputs;
    options.linear = data.linear_options();
    const Result<Gemm> gemm = Gemm::Create(context, data.epilogue(), options);
    ASSERT_TRUE(gemm.ok()) << gemm.status().message();
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    const TestMatrix untouched = result.Clone(Guard::kBehind);
    GemmCall call{data.weights.view<const int8_t>(), {}};
    const auto run = [&] {
      return gemm->Run(data.input.input(), data.quantization(), call.weights, call.quantization,
                       result.output());
    };
    const Status good = run();
    ASSERT_TRUE(good.ok()) << good.message();
    result.CopyFrom(untouched);
    bad.spoil(call);
    EXPECT_TRUE(IsError(run(), bad.code, bad.field)) << IsaName(isa);
    EXPECT_TRUE(SameBits(untouched, result)) << IsaName(isa);
    RecordChecked(context.isa());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadGemmCalls, ::testing::ValuesIn(kBadGemmCalls),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace qforge::test
