#include "ops/float_gemm.h"

#include <utility>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "base/workspace.h"
#include "kernels/float_types.h"
#include "ops/parallel.h"
#include "ops/validate.h"
#include "pack/float_panels.h"
#include "plan/partition.h"

namespace qforge {

Result<FloatCore> CreateFloatGemm(const Context& context, const Epilogue& epilogue,
                                  const GemmOptions& options) {
  if (!kernels::IsFloat(options.weights)) {
    return Status::Error(StatusCode::kInvalidArgument, "options.weights",
                         "%s; s8, f32, f16 or bf16 is needed", DataTypeName(options.weights));
  }
  if (options.weight_zero_points) {
    return Status::Error(StatusCode::kUnsupported, "options.weight_zero_points",
                         "are for s8 weights, not for %s", DataTypeName(options.weights));
  }
  LinearOptions linear = options.linear;
  if (linear.input == DataType::kNone) linear.input = DataType::kF32;
  QFORGE_RETURN_IF_ERROR(
      CheckFloatOptions("options.linear.input", "options.linear.scaling", linear));
  return FloatCore::Create(context,
                           pack::MakeFloatPanelLayout(context.isa(), options.weights,
                                                      options.inputs, options.outputs, 1),
                           epilogue, linear);
}

Status RunFloatGemm(const FloatCore& core, WeightsLayout order, const InputMatrix& input,
                    const InputMatrix& weights, const OutputMatrix& output,
                    const InputMatrix& residual) noexcept {
  const pack::PanelLayout& layout = core.layout;
  const bool by_row = order == WeightsLayout::kInputsByOutputs;
  QFORGE_RETURN_IF_ERROR(ValidateFloatRun(core, input, InputQuantization(), output, residual));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", weights, layout.type,
                                     by_row ? layout.inputs : layout.outputs,
                                     by_row ? layout.outputs : layout.inputs));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("output", AsInput(output), "weights", weights));

  const int64_t bytes =
      core.scalar() ? layout.inputs * layout.outputs * DataTypeSize(layout.type) : layout.bytes();
  base::Workspace workspace;
  QFORGE_RETURN_IF_ERROR(workspace.Lease(static_cast<size_t>(bytes)));
  std::byte* const packed = workspace.data();
  pack::FloatWeightsSource source;  // of the panels' type: nothing is converted
  source.matrix = weights;
  source.order = order;
  constexpr int64_t kColumnsPerTask = 256;
  const int64_t tasks = base::CeilDiv(layout.outputs, kColumnsPerTask);
  ParallelFor(core.context.pool(), tasks, [&](int64_t task) {
    const base::FloatEnvironment environment;
    const int64_t units = core.scalar() ? layout.inputs : layout.panels;
    const plan::Range part = plan::PartOf(units, 1, tasks, task);
    if (core.scalar()) {
      pack::CopyPlainFloats(layout, source, part.begin, part.end, packed);
    } else {
      pack::PackFloatPanels(layout, source, part.begin, part.end, packed);
    }
  });
  return RunFloatLinear(core, packed, input, output, residual);
}

}  // namespace qforge
