#include "qforge/linear.h"

#include <new>
#include <optional>

#include "base/float_environment.h"
#include "cpu/dispatch.h"
#include "ops/float_core.h"
#include "ops/float_direct.h"
#include "ops/linear_core.h"
#include "ops/linear_direct.h"
#include "ops/linear_run.h"
#include "ops/validate.h"
#include "ops/verbose.h"
#include "pack/packed_matrix.h"

namespace qforge {

struct Linear::State {
  explicit State(std::shared_ptr<const pack::PackedMatrix> matrix_in)
      : matrix(std::move(matrix_in)) {}

  std::shared_ptr<const pack::PackedMatrix> matrix;
  // Float weights have these two and nothing of what follows.
  std::optional<FloatCore> float_core;
  FloatDirect float_direct;

  std::optional<LinearCore> core;
  base::AlignedBuffer columns;
  RunWeights weights;
  LinearDirect direct;
};

Result<Linear> Linear::Create(const Context& context, const PackedWeights& weights,
                              const Epilogue& epilogue,
                              const LinearOptions& given_options) noexcept {
  const pack::PackedMatrix& matrix = weights.matrix();
  const bool is_float = matrix.layout.type != DataType::kS8;
  LinearOptions options = given_options;
  if (options.input == DataType::kNone) options.input = is_float ? DataType::kF32 : DataType::kU8;
  const pack::PanelLayout& layout = matrix.layout;
  if (!cpu::IsWithinCap(layout.isa, context.isa())) {
    return Status::Error(StatusCode::kUnsupported, "weights",
                         "are packed for %s, above the context's %s; pack them with "
                         "options.max_isa = context.isa()",
                         IsaName(layout.isa), IsaName(context.isa()));
  }
  QFORGE_RETURN_IF_ERROR((is_float ? CheckFloatOptions : CheckLinearOptions)(
      "options.input", "options.scaling", options));
  if (matrix.activation_maximum < 255 && options.input != DataType::kU8) {
    return Status::Error(StatusCode::kUnsupported, "options.input",
                         "%s; weights packed with activation_maximum = %d are for u8",
                         DataTypeName(options.input), matrix.activation_maximum);
  }
  base::FloatEnvironment environment;
  try {
    if (is_float) {
      Result<FloatCore> core = FloatCore::Create(context, layout, epilogue, options, &matrix);
      if (!core.ok()) return core.status();
      auto state = std::make_shared<State>(weights.shared_matrix());
      FloatCore& own = state->float_core.emplace(std::move(core).value());
      // The bias is kept here, not by the caller.
      own.epilogue.bias = own.bias.empty() ? Bias() : Bias(own.bias);
      state->float_direct = FloatDirect(own, matrix.weights.data());
      if (Verbose()) PrintCreation(own.Describe(), layout.isa);
      return Linear(std::move(state));
    }
    Result<LinearCore> core = LinearCore::Create(context, layout, !matrix.zero_points.empty(),
                                                 epilogue, options, &matrix);
    if (!core.ok()) return core.status();
    for (int64_t j = 0; j < layout.products * layout.outputs; ++j) {
      QFORGE_RETURN_IF_ERROR(CheckColumn("epilogue.bias", matrix, j, core->BiasS32(j)));
    }
    auto state = std::make_shared<State>(weights.shared_matrix());
    LinearCore& own = state->core.emplace(std::move(core).value());
    own.activation_maximum = matrix.activation_maximum;
    // The epilogue's bias is kept here, not by the caller.
    if (!own.bias_s32.empty()) own.epilogue.bias = Bias(own.bias_s32);
    if (!own.bias_f32.empty()) own.epilogue.bias = Bias(own.bias_f32);
    const int32_t* zero_points = matrix.zero_points.empty() ? nullptr : matrix.zero_points.data();
    if (!own.scalar()) {
      Result<base::AlignedBuffer> columns =
          base::AlignedBuffer::Allocate(static_cast<size_t>(own.ColumnBytes()), "epilogue");
      if (!columns.ok()) return columns.status();
      state->columns = std::move(columns).value();
      own.FillColumns(matrix.sums.data(), matrix.scales.data(), zero_points, state->columns.data());
      state->weights.largest_multiplier = own.LargestMultiplier(matrix.scales.data());
    }
    state->weights.data = matrix.weights.As<int8_t>();
    if (!matrix.panel_offsets.empty()) state->weights.panel_offsets = matrix.panel_offsets.data();
    state->weights.columns = state->columns.data();
    state->weights.scales = ArrayView<const float>(matrix.scales);
    state->weights.zero_points = ArrayView<const int32_t>(matrix.zero_points);
    state->weights.accumulation = matrix.accumulation;
    state->weights.outliers = {layout.inputs, layout.products * layout.outputs,
                               ArrayView<const int64_t>(matrix.outlier_offsets),
                               IndexView(matrix.outlier_rows),
                               ArrayView<const int8_t>(matrix.outlier_values)};
    state->direct = LinearDirect(own, state->weights);
    if (Verbose()) PrintCreation(own.Describe(), layout.isa);
    return Linear(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory for the operation");
  }
}

Status Linear::Run(const InputMatrix& input, const InputQuantization& quantization,
                   const OutputMatrix& output, const RunArguments& arguments) const noexcept {
  Status outcome;
  if (state_->direct.Run(input, quantization, output, arguments.residual, &outcome)) return outcome;
  if (state_->float_core) {
    if (state_->float_direct.Run(input, quantization, output, arguments.residual)) return Status();
    QFORGE_RETURN_IF_ERROR(
        ValidateFloatRun(*state_->float_core, input, quantization, output, arguments.residual));
    return RunFloatLinear(*state_->float_core, state_->matrix->weights.data(), input, output,
                          arguments.residual);
  }
  const TileSink no_sink;
  const RunRequest request{input, quantization, output, arguments.residual, no_sink};
  QFORGE_RETURN_IF_ERROR(ValidateRun(*state_->core, request));
  return RunLinear(*state_->core, state_->weights, request);
}

Status Linear::RunTiles(const InputMatrix& input, const InputQuantization& quantization,
                        TileFunction function, void* argument) const noexcept {
  if (!state_->core) {
    return Status::Error(StatusCode::kUnsupported, "weights",
                         "are %s; tiles of s32 are handed over for s8 weights only",
                         DataTypeName(state_->matrix->layout.type));
  }
  const Epilogue& epilogue = state_->core->epilogue;
  if (epilogue.output.type != DataType::kS32 || epilogue.output.accumulate ||
      epilogue.activation != Activation::kNone) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.output",
                         "tiles are handed over by operations with plain s32 output only");
  }
  if (state_->core->check.recomputes()) {
    return Status::Error(StatusCode::kUnsupported, "options.soft_errors.policy",
                         "recompute; tiles that have been handed over cannot be computed again");
  }
  if (function == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, "function", "is null");
  }
  const OutputMatrix no_output;
  const InputMatrix no_residual;
  const TileSink sink{function, argument};
  const RunRequest request{input, quantization, no_output, no_residual, sink};
  QFORGE_RETURN_IF_ERROR(ValidateRun(*state_->core, request));
  return RunLinear(*state_->core, state_->weights, request);
}

std::string Linear::Describe() const noexcept {
  try {
    return state_->float_core ? state_->float_core->Describe() : state_->core->Describe();
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

const LinearCore* Linear::core() const noexcept { return state_->core ? &*state_->core : nullptr; }

}  // namespace qforge
