#include "ops/float_core.h"

#include <algorithm>
#include <cmath>

#include "base/arithmetic.h"
#include "base/float_product.h"
#include "cpu/host.h"
#include "cpu/isa_table.h"
#include "kernels/float_types.h"
#include "ops/validate.h"
#include "plan/partition.h"

namespace qforge {
namespace {

using kernels::IsFloat;

Status CheckFactor(const char* field, float factor) {
  if (std::isfinite(factor)) return Status();
  return Status::Error(StatusCode::kOutOfRange, field, "%g is not finite",
                       static_cast<double>(factor));
}

Status CheckOutput(const Output& output) {
  if (!IsFloat(output.type)) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.output.type",
                         "%s; f32, f16 or bf16 is needed with float weights",
                         DataTypeName(output.type));
  }
  if (output.scale != 1.0f) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.output.scale",
                         "%g; %s output has none, which is 1", static_cast<double>(output.scale),
                         DataTypeName(output.type));
  }
  if (output.zero_point != 0) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.output.zero_point",
                         "%d; %s output has none, which is 0", output.zero_point,
                         DataTypeName(output.type));
  }
  if (output.accumulate) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.output.accumulate",
                         "is for s32 output; epilogue.beta = 1 adds to %s",
                         DataTypeName(output.type));
  }
  return Status();
}

Status CheckResidual(const Residual& residual) {
  if (residual.type == DataType::kNone) return Status();
  if (!IsFloat(residual.type)) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.residual.type",
                         "%s; none, f32, f16 or bf16 is needed with float weights",
                         DataTypeName(residual.type));
  }
  QFORGE_RETURN_IF_ERROR(CheckNoZeroPoint(residual));
  return CheckScale("epilogue.residual.scale", residual.scale);
}

Status CheckFloatBias(const Bias& bias, int64_t columns) {
  if (bias.type() == DataType::kNone) return Status();
  if (bias.type() != DataType::kF32) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.bias",
                         "%s; f32 is needed with float weights", DataTypeName(bias.type()));
  }
  return CheckBias(bias, columns);
}

Status CheckFloatEpilogue(const Epilogue& epilogue, int64_t columns) {
  QFORGE_RETURN_IF_ERROR(CheckOutput(epilogue.output));
  QFORGE_RETURN_IF_ERROR(CheckFloatBias(epilogue.bias, columns));
  QFORGE_RETURN_IF_ERROR(CheckFactor("epilogue.alpha", epilogue.alpha));
  QFORGE_RETURN_IF_ERROR(CheckFactor("epilogue.beta", epilogue.beta));
  QFORGE_RETURN_IF_ERROR(CheckActivation(epilogue));
  return CheckResidual(epilogue.residual);
}

Result<kernels::FloatGemmFunction*> ResolveKernel(const kernels::FloatGemmKernel& kernel) {
  const Result<const jit::Kernel*> published = kernels::GetFloatGemmKernel(kernel);
  if (!published.ok()) return published.status();
  return (*published)->As<kernels::FloatGemmFunction>();
}

int PrefetchBytes(const pack::PanelLayout& layout, int rows) {
  return plan::FloatPrefetchBytes(layout.bytes(), rows, cpu::Host().l2.bytes, cpu::Host().l3.bytes);
}

// `panels`: how many panels of this kind there are.
Status ResolveKernels(const FloatCore& core, int vectors, int tail_lanes, int64_t panels,
                      FloatKernelSet* set) {
  kernels::FloatGemmKernel kernel = core.kernel;
  const int64_t part_inputs = core.part_steps * kernel.step_inputs();
  set->part_bytes =
      part_inputs * vectors * core.layout.vector_columns * DataTypeSize(core.layout.type);
  kernel.vectors = vectors;
  kernel.tail_lanes = tail_lanes;
  set->max_rows = kernels::MaxFloatRows(kernel.isa, vectors);
  for (int rows = 1; rows <= set->max_rows; ++rows) {
    kernel.rows = rows;
    kernel.prefetch_bytes = PrefetchBytes(core.layout, rows);
    const int streams = kernels::FloatStreams(kernel.isa, rows, vectors, kernel.parts);
    kernel.streams = kernel.parts > 1 ? streams : 1;
    Result<kernels::FloatGemmFunction*> function = ResolveKernel(kernel);
    if (!function.ok()) return function.status();
    set->one[rows - 1] = *function;
    set->streams[rows - 1] = 1;
    if (kernel.parts > 1 || streams == 1 || panels < streams) continue;
    kernel.streams = streams;
    function = ResolveKernel(kernel);
    if (!function.ok()) return function.status();
    set->several[rows - 1] = *function;
    set->streams[rows - 1] = streams;
  }
  return Status();
}

}  // namespace

Status CheckFloatOptions(const char* input_field, const char* scaling_field,
                         const LinearOptions& options) noexcept {
  if (!IsFloat(options.input)) {
    return Status::Error(StatusCode::kInvalidArgument, input_field,
                         "%s; f32, f16 or bf16 is needed with float weights",
                         DataTypeName(options.input));
  }
  if (options.scaling != InputScaling::kPerTensor) {
    return Status::Error(StatusCode::kUnsupported, scaling_field,
                         "is for s8 weights; float activations have no scale");
  }
  return Status();
}

Result<FloatCore> FloatCore::Create(const Context& context, const pack::PanelLayout& layout,
                                    const Epilogue& epilogue, const LinearOptions& options,
                                    const pack::PackedMatrix* checked) {
  const int64_t columns = layout.products * layout.outputs;
  QFORGE_RETURN_IF_ERROR(CheckFloatEpilogue(epilogue, columns));

  FloatCore core(context);
  core.layout = layout;
  core.options = options;
  core.epilogue = epilogue;
  const bool has_bias = epilogue.bias.type() != DataType::kNone;
  const float* bias = static_cast<const float*>(epilogue.bias.data());
  const bool dot = !core.scalar() && cpu::Traits(layout.isa).bf16 &&
                   layout.type == DataType::kBF16 && options.input == DataType::kBF16;
  if (checked != nullptr) {
    Result<FloatRowCheck> check = FloatRowCheck::Create(*checked, options.soft_errors, dot);
    if (!check.ok()) return check.status();
    core.check = std::move(check).value();
    QFORGE_RETURN_IF_ERROR(core.check.CheckAccumulation(epilogue.beta != 0.0f));
  }
  if (core.scalar()) {
    if (has_bias) core.bias.assign(bias, bias + columns);
    return core;
  }
  if (has_bias) {
    core.bias.assign(static_cast<size_t>(layout.products * layout.padded_outputs()), 0.0f);
    for (int64_t product = 0; product < layout.products; ++product) {
      std::copy_n(bias + product * layout.outputs, layout.outputs,
                  core.bias.begin() + product * layout.padded_outputs());
    }
  }

  kernels::FloatGemmKernel& kernel = core.kernel;
  kernel.isa = layout.isa;
  kernel.weights = layout.type;
  kernel.dot = dot;
  kernel.parts = layout.parts;
  kernel.odd = layout.type == DataType::kBF16 && layout.inputs % 2 != 0;
  kernel.prefetch_bytes = PrefetchBytes(layout, kernels::kMostFloatRows);
  kernel.prefetch_rows = plan::ShouldPrefetchRows(layout.inputs * core.input_bytes());
  kernel.output = epilogue.output.type;
  kernel.scaled = epilogue.alpha != 1.0f;
  kernel.accumulate = epilogue.beta != 0.0f;
  kernel.bias = has_bias;
  kernel.residual = epilogue.residual.type;
  kernel.activation = epilogue.activation;
  kernel.sums_rows = core.check.active();
  kernel.injects = kernel.sums_rows && core.check.options().injection != nullptr;
  std::fill_n(core.constants.alpha, 16, epilogue.alpha);
  std::fill_n(core.constants.beta, 16, epilogue.beta);
  std::fill_n(core.constants.residual_scale, 16, epilogue.residual.scale);
  std::fill_n(core.constants.lower, 16, epilogue.clamp_min);
  std::fill_n(core.constants.upper, 16, epilogue.clamp_max);
  const Result<FloatPreparation> preparation = FloatPreparation::Create(
      layout.isa, options.input, kernel.dot ? DataType::kBF16 : DataType::kF32,
      options.transposed_input, layout.products * layout.inputs);
  if (!preparation.ok()) return preparation.status();
  core.preparation = *preparation;

  const int64_t part_inputs = base::InputsOfPart(layout.inputs, layout.parts);
  core.part_steps = part_inputs / kernel.step_inputs();
  core.rest_steps = (layout.inputs - layout.parts * part_inputs) / kernel.step_inputs();
  const int64_t full_panels = layout.panels - (core.odd_last_panel() ? 1 : 0);
  if (full_panels > 0) {
    QFORGE_RETURN_IF_ERROR(ResolveKernels(core, layout.vectors, 0, full_panels, &core.full_panels));
  }
  if (layout.panels > 0 && core.odd_last_panel()) {
    QFORGE_RETURN_IF_ERROR(
        ResolveKernels(core, layout.tail_vectors, layout.tail_lanes, 1, &core.last_panel));
  }
  return core;
}

plan::ProductShape FloatCore::ShapeOf(int64_t rows) const {
  plan::ProductShape shape;
  shape.rows = rows;
  shape.row_bytes = layout.inputs * input_bytes();
  shape.panel_columns = scalar() ? kScalarFloatColumns : layout.panel_columns();
  shape.panels = layout.products *
                 (scalar() ? base::CeilDiv(layout.outputs, kScalarFloatColumns) : layout.panels);
  return shape;
}

std::string FloatCore::Describe() const {
  std::string text = std::string(DataTypeName(options.input)) + " x " + DataTypeName(layout.type) +
                     " product " + std::to_string(layout.inputs) + " -> " +
                     std::to_string(layout.outputs);
  if (layout.products > 1) text += ", " + std::to_string(layout.products) + " groups";
  text += std::string(", isa ") + IsaName(layout.isa) + ", " +
          std::to_string(context.thread_count()) + " thread(s)\n";
  if (scalar()) return text + "  algorithm: plain C++\n";
  text += kernel.dot ? "  algorithm: dot product of pairs of bf16\n"
                     : "  algorithm: multiplication and addition in f32\n";
  if (layout.parts > 1) {
    text += "  sums: K in " + std::to_string(layout.parts) + " parts, as columns are few\n";
  }
  text += std::string("  preparation of A: ") + preparation.description() + "\n";
  if (check.active())
    text += "  checked: the sum of each row against the row sums of the weights\n";
  const auto add_set = [&](const char* which, const FloatKernelSet& set, int vectors,
                           int tail_lanes) {
    if (set.max_rows == 0) return;
    kernels::FloatGemmKernel largest = kernel;
    largest.rows = set.max_rows;
    largest.vectors = vectors;
    largest.tail_lanes = tail_lanes;
    text += std::string("  ") + which + ": tiles of 1.." + std::to_string(set.max_rows) +
            " rows x " + std::to_string(vectors * layout.vector_columns) + " columns, " +
            largest.Name() + "\n";
  };
  add_set("panels", full_panels, layout.vectors, 0);
  add_set("last panel", last_panel, layout.tail_vectors, layout.tail_lanes);
  return text;
}

}  // namespace qforge
