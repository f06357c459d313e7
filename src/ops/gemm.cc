#include "qforge/gemm.h"

#include <algorithm>
#include <cinttypes>
#include <cstdlib>
#include <new>
#include <optional>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "base/workspace.h"
#include "ops/float_gemm.h"
#include "ops/linear_core.h"
#include "ops/linear_run.h"
#include "ops/parallel.h"
#include "ops/soft_error_response.h"
#include "ops/validate.h"
#include "ops/verbose.h"
#include "pack/pack_panels.h"
#include "plan/partition.h"

namespace qforge {

struct Gemm::State {
  explicit State(WeightsLayout layout_in) : layout(layout_in) {}

  WeightsLayout layout;
  std::optional<FloatCore> float_core;  // float weights
  std::optional<LinearCore> core;       // s8 weights
};

namespace {

// The weights of one call, in the workspace.
struct Packed {
  int8_t* weights;
  std::byte* columns;
  int64_t* sums;
  int32_t* kernel_sums;
  float* scales;
  int32_t* zero_points;
};

Status CheckWeights(const LinearCore& core, WeightsLayout order,
                    const MatrixView<const int8_t>& weights,
                    const WeightsQuantization& quantization) {
  const pack::PanelLayout& layout = core.layout;
  const bool by_row = order == WeightsLayout::kInputsByOutputs;
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", InputMatrix(weights), DataType::kS8,
                                     by_row ? layout.inputs : layout.outputs,
                                     by_row ? layout.outputs : layout.inputs));
  const auto check_count = [&](const char* field, int64_t count) {
    if (count == 0 || count == 1 || count == layout.outputs) return Status();
    return Status::Error(StatusCode::kInvalidArgument, field,
                         "%" PRId64 " values; 1 or N = %" PRId64 " are possible", count,
                         layout.outputs);
  };
  QFORGE_RETURN_IF_ERROR(check_count("weights_quantization.scales", quantization.scales.size()));
  QFORGE_RETURN_IF_ERROR(CheckScales("weights_quantization.scales", quantization.scales));
  QFORGE_RETURN_IF_ERROR(
      check_count("weights_quantization.zero_points", quantization.zero_points.size()));
  QFORGE_RETURN_IF_ERROR(
      CheckZeroPoints("weights_quantization.zero_points", quantization.zero_points, DataType::kS8));
  if (core.weight_zero_points) return Status();
  for (int64_t j = 0; j < quantization.zero_points.size(); ++j) {
    if (quantization.zero_points[j] != 0) {
      return Status::Error(StatusCode::kUnsupported, "weights_quantization.zero_points",
                           "value %" PRId64
                           " is %d, but the operation was created without "
                           "options.weight_zero_points",
                           j, quantization.zero_points[j]);
    }
  }
  return Status();
}

template <class T>
T ValueOf(ArrayView<const T> values, int64_t j, T otherwise) {
  if (values.empty()) return otherwise;
  return values[values.size() == 1 ? 0 : j];
}

Status Partition(const LinearCore& core, base::Workspace* workspace, Packed* packed) {
  const pack::PanelLayout& layout = core.layout;
  const int64_t weights = core.scalar() ? layout.inputs * layout.outputs : layout.bytes();
  const int64_t sizes[] = {weights,
                           core.scalar() ? 0 : core.ColumnBytes(),
                           layout.outputs * int64_t{sizeof(int64_t)},
                           layout.outputs * int64_t{sizeof(int32_t)},
                           layout.outputs * int64_t{sizeof(float)},
                           layout.outputs * int64_t{sizeof(int32_t)}};
  int64_t total = 0;
  for (int64_t size : sizes) total += base::AlignUp<int64_t>(size, 64);
  QFORGE_RETURN_IF_ERROR(workspace->Lease(static_cast<size_t>(total)));
  std::byte* parts[std::size(sizes)];
  std::byte* next = workspace->data();
  for (size_t i = 0; i < std::size(sizes); ++i) {
    parts[i] = next;
    next += base::AlignUp<int64_t>(sizes[i], 64);
  }
  packed->weights = reinterpret_cast<int8_t*>(parts[0]);
  packed->columns = parts[1];
  packed->sums = reinterpret_cast<int64_t*>(parts[2]);
  packed->kernel_sums = reinterpret_cast<int32_t*>(parts[3]);
  packed->scales = reinterpret_cast<float*>(parts[4]);
  packed->zero_points = reinterpret_cast<int32_t*>(parts[5]);
  return Status();
}

// Row sums are kept of weights that are packed once.
Status CheckNoSoftErrorCheck(const SoftErrorOptions& options) {
  if (options.policy == SoftErrorPolicy::kOff || !SoftErrorResponse::Asks(options)) return Status();
  return Status::Error(StatusCode::kUnsupported, "options.linear.soft_errors",
                       "asks for a check, which needs weights that are packed with "
                       "soft_error_check");
}

// Gemm::Create for s8 weights, without the checks of sizes and layout.
Result<LinearCore> CreateCore(const Context& context, const Epilogue& epilogue,
                              const GemmOptions& options) {
  LinearOptions linear = options.linear;
  if (linear.input == DataType::kNone) linear.input = DataType::kU8;
  QFORGE_RETURN_IF_ERROR(
      CheckLinearOptions("options.linear.input", "options.linear.scaling", linear));
  pack::PanelLayout layout;
  if (context.isa() == Isa::kScalar) {
    layout.inputs = options.inputs;
    layout.outputs = options.outputs;
  } else {
    layout = pack::MakePanelLayout(context.isa(), kernels::AnySummation(context.isa()),
                                   options.inputs, options.outputs, 1);
  }
  return LinearCore::Create(context, layout, options.weight_zero_points, epilogue, linear);
}

// Packs columns [begin, end), which are whole panels.
void PackColumns(const LinearCore& core, const pack::WeightsSource& source, int64_t begin,
                 int64_t end, const Packed& packed) {
  const pack::PanelLayout& layout = core.layout;
  std::fill(packed.sums + begin, packed.sums + end, 0);
  if (core.scalar()) {
    pack::AddColumnSums(source, 0, layout.inputs, begin, end, packed.sums);
    pack::CopyPlain(source, layout.inputs, layout.outputs, begin, end, packed.weights);
  } else {
    pack::PackPanels(layout, source, begin / layout.panel_columns(),
                     base::CeilDiv(end, layout.panel_columns()), packed.weights, packed.sums);
  }
}

}  // namespace

Result<Gemm> Gemm::Create(const Context& context, const Epilogue& epilogue,
                          const GemmOptions& options) noexcept {
  if (options.inputs < 0) {
    return Status::Error(StatusCode::kOutOfRange, "options.inputs", "%" PRId64 " is negative",
                         options.inputs);
  }
  if (options.outputs < 0) {
    return Status::Error(StatusCode::kOutOfRange, "options.outputs", "%" PRId64 " is negative",
                         options.outputs);
  }
  if (options.layout != WeightsLayout::kInputsByOutputs &&
      options.layout != WeightsLayout::kOutputsByInputs) {
    return Status::Error(StatusCode::kInvalidArgument, "options.layout", "%d is no layout",
                         static_cast<int>(options.layout));
  }
  QFORGE_RETURN_IF_ERROR(CheckProductSizes(options.inputs, options.outputs, 1));
  QFORGE_RETURN_IF_ERROR(CheckNoSoftErrorCheck(options.linear.soft_errors));
  base::FloatEnvironment environment;
  try {
    auto state = std::make_shared<State>(options.layout);
    if (options.weights == DataType::kS8) {
      Result<LinearCore> core = CreateCore(context, epilogue, options);
      if (!core.ok()) return core.status();
      LinearCore& own = state->core.emplace(std::move(core).value());
      if (!own.bias_s32.empty()) own.epilogue.bias = Bias(own.bias_s32);
      if (!own.bias_f32.empty()) own.epilogue.bias = Bias(own.bias_f32);
    } else {
      Result<FloatCore> core = CreateFloatGemm(context, epilogue, options);
      if (!core.ok()) return core.status();
      FloatCore& own = state->float_core.emplace(std::move(core).value());
      own.epilogue.bias = own.bias.empty() ? Bias() : Bias(own.bias);
    }
    Gemm gemm(std::move(state));
    if (Verbose()) PrintCreation(gemm.Describe(), context.isa());
    return gemm;
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory for the operation");
  }
}

Status Gemm::Run(const InputMatrix& input, const InputQuantization& quantization,
                 const MatrixView<const int8_t>& weights,
                 const WeightsQuantization& weights_quantization, const OutputMatrix& output,
                 const RunArguments& arguments) const noexcept {
  if (!state_->core) {
    return Status::Error(StatusCode::kUnsupported, "weights",
                         "are s8; the operation was created for %s",
                         DataTypeName(state_->float_core->layout.type));
  }
  const LinearCore& core = *state_->core;
  const pack::PanelLayout& layout = core.layout;
  const TileSink no_sink;
  const RunRequest request{input, quantization, output, arguments.residual, no_sink};
  QFORGE_RETURN_IF_ERROR(ValidateRun(core, request));
  QFORGE_RETURN_IF_ERROR(CheckWeights(core, state_->layout, weights, weights_quantization));
  QFORGE_RETURN_IF_ERROR(
      CheckNoOverlap("output", AsInput(output), "weights", InputMatrix(weights)));

  base::Workspace workspace;
  Packed packed;
  QFORGE_RETURN_IF_ERROR(Partition(core, &workspace, &packed));
  pack::WeightsSource source;
  source.data = weights.data;
  source.stride = UsedStride(weights);
  source.order = state_->layout;
  constexpr int64_t kColumnsPerTask = 256;  // whole panels on every ISA
  const int64_t tasks = base::CeilDiv(layout.outputs, kColumnsPerTask);
  const int64_t unit = core.scalar() ? 1 : layout.panel_columns();
  ParallelFor(core.context.pool(), tasks, [&](int64_t task) {
    const plan::Range part = plan::PartOf(layout.outputs, unit, tasks, task);
    if (part.begin < part.end) PackColumns(core, source, part.begin, part.end, packed);
  });

  for (int64_t j = 0; j < layout.outputs; ++j) {
    const int32_t zero_point = ValueOf<int32_t>(weights_quantization.zero_points, j, 0);
    if (!AlwaysFits(layout.inputs, zero_point, core.BiasS32(j))) {
      const int64_t magnitude = pack::SumMagnitude(source, layout.inputs, j, zero_point);
      QFORGE_RETURN_IF_ERROR(CheckMagnitude("weights", j, magnitude, core.BiasS32(j)));
    }
    packed.kernel_sums[j] = static_cast<int32_t>(packed.sums[j]);
    packed.scales[j] = ValueOf<float>(weights_quantization.scales, j, 1.0f);
    packed.zero_points[j] = zero_point;
  }
  RunWeights run_weights;
  run_weights.data = packed.weights;
  if (core.scalar()) {
    run_weights.scales = ArrayView<const float>(packed.scales, layout.outputs);
    run_weights.zero_points = ArrayView<const int32_t>(packed.zero_points, layout.outputs);
  } else {
    base::FloatEnvironment environment;
    core.FillColumns(packed.kernel_sums, packed.scales, packed.zero_points, packed.columns);
    run_weights.columns = packed.columns;
    run_weights.largest_multiplier = core.LargestMultiplier(packed.scales);
  }
  return RunLinear(core, run_weights, request);
}

Status Gemm::Run(const InputMatrix& input, const InputMatrix& weights, const OutputMatrix& output,
                 const RunArguments& arguments) const noexcept {
  if (!state_->float_core) {
    return Status::Error(StatusCode::kUnsupported, "weights",
                         "are given without quantisation, but the operation was created for s8");
  }
  return RunFloatGemm(*state_->float_core, state_->layout, input, weights, output,
                      arguments.residual);
}

std::string Gemm::Describe() const noexcept {
  try {
    return state_->core ? state_->core->Describe() : state_->float_core->Describe();
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
