#include "ops/linear_core.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/host.h"
#include "cpu/isa_table.h"
#include "kernels/float_types.h"
#include "ops/validate.h"
#include "plan/algorithm.h"
#include "plan/partition.h"

namespace qforge {
namespace {

using kernels::IsFloat;

bool IsByte(DataType type) { return type == DataType::kU8 || type == DataType::kS8; }

Status CheckResidual(const Residual& residual, const Output& output) {
  if (residual.type == DataType::kNone) return Status();
  if (!IsByte(residual.type) && !IsFloat(residual.type)) {
    return Status::Error(StatusCode::kInvalidArgument, "epilogue.residual.type",
                         "%s; none, u8, s8, f32, f16 or bf16 is needed",
                         DataTypeName(residual.type));
  }
  if (output.type == DataType::kS32) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.residual",
                         "needs a scale, which s32 output has not");
  }
  QFORGE_RETURN_IF_ERROR(CheckScale("epilogue.residual.scale", residual.scale));
  if (IsFloat(residual.type)) return CheckNoZeroPoint(residual);
  return CheckZeroPoint("epilogue.residual.zero_point", residual.zero_point, residual.type);
}

Status CheckEpilogue(const Epilogue& epilogue, int64_t columns) {
  const Output& output = epilogue.output;
  switch (output.type) {
    case DataType::kU8:
    case DataType::kS8:
      QFORGE_RETURN_IF_ERROR(CheckScale("epilogue.output.scale", output.scale));
      QFORGE_RETURN_IF_ERROR(
          CheckZeroPoint("epilogue.output.zero_point", output.zero_point, output.type));
      break;
    case DataType::kS32:
    case DataType::kF32:
    case DataType::kF16:
    case DataType::kBF16:
      if (output.scale != 1.0f) {
        return Status::Error(StatusCode::kInvalidArgument, "epilogue.output.scale",
                             "%g; %s output has none, which is 1",
                             static_cast<double>(output.scale), DataTypeName(output.type));
      }
      if (output.zero_point != 0) {
        return Status::Error(StatusCode::kInvalidArgument, "epilogue.output.zero_point",
                             "%d; %s output has none, which is 0", output.zero_point,
                             DataTypeName(output.type));
      }
      break;
    default:
      return Status::Error(StatusCode::kInvalidArgument, "epilogue.output.type",
                           "%s; u8, s8, s32, f32, f16 or bf16 is needed",
                           DataTypeName(output.type));
  }
  const bool integer = output.type == DataType::kS32;
  if (output.accumulate && !integer) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.output.accumulate",
                         "is for s32 output, not for %s", DataTypeName(output.type));
  }
  QFORGE_RETURN_IF_ERROR(CheckBias(epilogue.bias, columns));
  if (integer && epilogue.bias.type() == DataType::kF32) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.bias",
                         "f32 cannot be added to s32 output, which has no scale");
  }
  if (integer && epilogue.activation == Activation::kClamp) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.activation",
                         "a clamp in real units needs a scale, which s32 output has not");
  }
  QFORGE_RETURN_IF_ERROR(CheckActivation(epilogue));
  if (epilogue.activation > Activation::kClamp) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.activation",
                         "%d; GELU, sigmoid and SiLU are for float weights",
                         static_cast<int>(epilogue.activation));
  }
  if (epilogue.alpha != 1.0f) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.alpha",
                         "%g; only float weights take one other than 1",
                         static_cast<double>(epilogue.alpha));
  }
  if (epilogue.beta != 0.0f) {
    return Status::Error(StatusCode::kUnsupported, "epilogue.beta",
                         "%g; only float weights take one other than 0",
                         static_cast<double>(epilogue.beta));
  }
  return CheckResidual(epilogue.residual, output);
}

// Limits of r = y / y_scale - y_zero_point, which the activation and the output's type set. The
// descriptor says which of them the kernels must apply.
void ResolveBounds(const Epilogue& epilogue, kernels::GemmKernel* kernel,
                   kernels::EpilogueConstants* constants) {
  const Output& output = epilogue.output;
  const bool bytes = IsByte(output.type);
  const float y_scale = bytes ? output.scale : 1.0f;
  float lower = -std::numeric_limits<float>::infinity();
  float upper = std::numeric_limits<float>::infinity();
  if (epilogue.activation == Activation::kRelu) lower = 0.0f;
  if (epilogue.activation == Activation::kClamp) {
    lower = epilogue.clamp_min / y_scale;
    upper = epilogue.clamp_max / y_scale;
  }
  if (!bytes) {
    kernel->lower_clamp = epilogue.activation != Activation::kNone;
    kernel->upper_clamp = epilogue.activation == Activation::kClamp;
    std::fill_n(constants->lower, 16, lower);
    std::fill_n(constants->upper, 16, upper);
    return;
  }
  // One clamp behind the other is one clamp, to the first's bounds clamped by the second.
  const int32_t low = LowestOf(output.type);
  const int32_t high = HighestOf(output.type);
  const float type_lower = static_cast<float>(low - output.zero_point);
  const float type_upper = static_cast<float>(high - output.zero_point);
  lower = std::clamp(lower, type_lower, type_upper);
  upper = std::clamp(upper, type_lower, type_upper);
  const int32_t lower_byte = static_cast<int32_t>(std::nearbyintf(lower)) + output.zero_point;
  const int32_t upper_byte = static_cast<int32_t>(std::nearbyintf(upper)) + output.zero_point;
  kernel->lower_clamp = lower_byte > low;
  kernel->upper_clamp = upper_byte < high;
  std::fill_n(constants->upper, 16, upper);
  std::fill_n(constants->lower_byte, 64, static_cast<int8_t>(lower_byte));
  std::fill_n(constants->upper_byte, 64, static_cast<int8_t>(upper_byte));
  std::fill_n(constants->zero_point, 32, static_cast<int16_t>(output.zero_point));
}

Result<kernels::GemmFunction*> ResolveKernel(const kernels::GemmKernel& kernel) {
  const Result<const jit::Kernel*> published = kernels::GetGemmKernel(kernel);
  if (!published.ok()) return published.status();
  return (*published)->As<kernels::GemmFunction>();
}

Status ResolveKernels(kernels::GemmKernel kernel, int64_t weight_bytes, int vectors, int tail_lanes,
                      KernelSet* set) {
  const cpu::IsaTraits& traits = cpu::Traits(kernel.isa);
  kernel.vectors = vectors;
  kernel.tail_lanes = tail_lanes;
  set->max_rows = kernels::MaxRows(kernel.isa, kernel.summation, vectors);
  for (int rows = 1; rows <= set->max_rows; ++rows) {
    kernel.rows = rows;
    kernel.near_prefetch = kernel.summation == kernels::Summation::kNarrow && !kernel.prefetch &&
                           plan::ShouldPrefetchNear(weight_bytes, cpu::Host().l1d.bytes,
                                                    traits.vector_bytes, rows, kernel.depth);
    kernels::GemmKernel any = kernel;
    if (IsByte(kernel.output)) any.upper_clamp = false;  // always there, in float
    Result<kernels::GemmFunction*> function = ResolveKernel(any);
    if (!function.ok()) return function.status();
    set->any[rows - 1] = set->bounded[rows - 1] = *function;
    if (!IsByte(kernel.output) || kernel.per_row || IsFloat(kernel.residual)) continue;
    kernels::GemmKernel bounded = kernel;
    bounded.bounded = true;
    function = ResolveKernel(bounded);
    if (!function.ok()) return function.status();
    set->bounded[rows - 1] = *function;
  }
  return Status();
}

}  // namespace

Status CheckLinearOptions(const char* input_field, const char* scaling_field,
                          const LinearOptions& options) noexcept {
  switch (options.input) {
    case DataType::kU8:
    case DataType::kS8:
    case DataType::kF32:
    case DataType::kF16:
    case DataType::kBF16:
      break;
    default:
      return Status::Error(StatusCode::kInvalidArgument, input_field,
                           "%s; u8, s8, f32, f16 or bf16 is needed", DataTypeName(options.input));
  }
  switch (options.scaling) {
    case InputScaling::kPerTensor:
    case InputScaling::kPerRow:
      return Status();
    case InputScaling::kDynamicPerTensor:
    case InputScaling::kDynamicPerRow:
      if (IsFloat(options.input)) return Status();
      return Status::Error(StatusCode::kUnsupported, scaling_field,
                           "dynamic scales are found from float input, not from %s",
                           DataTypeName(options.input));
  }
  return Status::Error(StatusCode::kInvalidArgument, scaling_field, "%d is no scaling",
                       static_cast<int>(options.scaling));
}

Result<LinearCore> LinearCore::Create(const Context& context, const pack::PanelLayout& layout,
                                      bool any_weight_zero_point, const Epilogue& epilogue,
                                      const LinearOptions& options,
                                      const pack::PackedMatrix* checked) {
  const int64_t columns = layout.products * layout.outputs;
  QFORGE_RETURN_IF_ERROR(CheckEpilogue(epilogue, columns));

  LinearCore core(context);
  core.layout = layout;
  core.options = options;
  core.epilogue = epilogue;
  core.weight_zero_points = any_weight_zero_point;
  if (epilogue.bias.type() == DataType::kS32) {
    const int32_t* values = static_cast<const int32_t*>(epilogue.bias.data());
    core.bias_s32.assign(values, values + columns);
  } else if (epilogue.bias.type() == DataType::kF32) {
    const float* values = static_cast<const float*>(epilogue.bias.data());
    core.bias_f32.assign(values, values + columns);
  }
  Result<RowPreparation> preparation =
      RowPreparation::Create(layout, any_weight_zero_point, options);
  if (!preparation.ok()) return preparation.status();
  core.preparation = *preparation;

  if (checked != nullptr) {
    Result<RowCheck> check = RowCheck::Create(*checked, options.soft_errors, core.bias_s32);
    if (!check.ok()) return check.status();
    core.check = std::move(check).value();
    QFORGE_RETURN_IF_ERROR(core.check.CheckAccumulation(epilogue.output.accumulate));
  }

  kernels::GemmKernel& kernel = core.kernel;
  kernel.isa = layout.isa;
  kernel.output = epilogue.output.type;
  kernel.accumulate = epilogue.output.accumulate;
  kernel.float_bias = !core.bias_f32.empty();
  kernel.per_row =
      options.scaling == InputScaling::kPerRow || options.scaling == InputScaling::kDynamicPerRow;
  kernel.weight_zero_points = any_weight_zero_point;
  kernel.residual = epilogue.residual.type;
  kernel.sums_rows = core.check.active();
  kernel.injects = kernel.sums_rows && core.check.options().injection != nullptr;
  if (core.scalar()) return core;
  kernel.summation = layout.summation;
  kernel.depth = layout.depth;
  kernel.outliers = layout.outliers;
  const bool in_32_bits = layout.summation < kernels::Summation::kNarrow;
  if (layout.summation != kernels::Summation::kNarrow) {
    kernel.k_tail = static_cast<int>(core.preparation.segment_elements() % layout.group_size);
  }
  if (in_32_bits && core.kernel_groups() <= kernels::kMostFixedGroups) {
    kernel.fixed_groups = static_cast<int>(core.kernel_groups());
  }
  kernel.prefetch = plan::ShouldPrefetch(layout.bytes(), cpu::Host().l2.bytes);
  ResolveBounds(epilogue, &kernel, &core.constants);
  const float y_scale = IsByte(epilogue.output.type) ? epilogue.output.scale : 1.0f;
  std::fill_n(core.constants.residual_scale, 16, epilogue.residual.scale / y_scale);
  std::fill_n(core.constants.residual_zero_point, 16, epilogue.residual.zero_point);

  for (float bias : core.bias_f32) {
    core.largest_addend = std::max<double>(core.largest_addend, std::abs(bias / y_scale));
  }
  if (IsFloat(kernel.residual)) {
    core.largest_addend = std::numeric_limits<double>::infinity();
  } else if (kernel.residual != DataType::kNone) {
    core.largest_addend += 255.0 * core.constants.residual_scale[0];
  }

  if (layout.panels > 1 || !core.odd_last_panel()) {
    QFORGE_RETURN_IF_ERROR(
        ResolveKernels(kernel, layout.bytes(), layout.vectors, 0, &core.full_panels));
  }
  if (layout.panels > 0 && core.odd_last_panel()) {
    QFORGE_RETURN_IF_ERROR(ResolveKernels(kernel, layout.bytes(), layout.tail_vectors,
                                          layout.tail_lanes, &core.last_panel));
  }
  return core;
}

bool LinearCore::Bounded(float input_scale, float largest_multiplier) const {
  // Accumulators are below 2^31; the factor of two that is left covers every rounding.
  const double largest = double{input_scale} * largest_multiplier * 2147483648.0 + largest_addend;
  return largest < 1073741824.0;
}

float LinearCore::LargestMultiplier(const float* scales) const {
  const float y_scale = IsByte(epilogue.output.type) ? epilogue.output.scale : 1.0f;
  float largest = 0.0f;
  for (int64_t j = 0; j < layout.products * layout.outputs; ++j) {
    largest = std::max(largest, scales[j] / y_scale);
  }
  return largest;
}

int64_t LinearCore::ColumnBytes() const {
  return layout.products * layout.padded_outputs() * kernels::ColumnFieldCount(kernel) *
         int64_t{sizeof(float)};
}

void LinearCore::FillColumns(const int32_t* sums, const float* scales, const int32_t* zero_points,
                             std::byte* columns) const {
  using kernels::ColumnField;
  const int lanes = layout.vector_columns;
  const int fields = kernels::ColumnFieldCount(kernel);
  const float y_scale = IsByte(epilogue.output.type) ? epilogue.output.scale : 1.0f;
  std::fill_n(columns, ColumnBytes(), std::byte{0});
  // The value of `field` in the vector that starts `vector` values into the block.
  const auto at = [&](std::byte* vector, ColumnField field, int64_t lane) {
    return vector + (kernels::ColumnFieldIndex(kernel, field) * lanes + lane) * 4;
  };
  const auto put = [](std::byte* to, auto value) { std::memcpy(to, &value, sizeof(value)); };
  for (int64_t product = 0; product < layout.products; ++product) {
    for (int64_t j = 0; j < layout.outputs; ++j) {
      const int64_t column = product * layout.outputs + j;
      const int64_t vector_index = (product * layout.padded_outputs() + j) / lanes;
      std::byte* vector = columns + vector_index * fields * lanes * 4;
      const int64_t lane = j % lanes;
      const int32_t zero_point = zero_points == nullptr ? 0 : zero_points[column];
      put(at(vector, ColumnField::kOffset, lane), 0u - static_cast<uint32_t>(sums[column]));
      put(at(vector, ColumnField::kBias, lane), BiasS32(column));
      if (kernel.scaled())
        put(at(vector, ColumnField::kMultiplier, lane), scales[column] / y_scale);
      if (kernel.float_bias) {
        put(at(vector, ColumnField::kFloatBias, lane),
            bias_f32[static_cast<size_t>(column)] / y_scale);
      }
      if (kernel.weight_zero_points) put(at(vector, ColumnField::kZeroPoint, lane), zero_point);
    }
  }
}

std::string LinearCore::Describe() const {
  std::string text =
      "int8 product " + std::to_string(layout.inputs) + " -> " + std::to_string(layout.outputs);
  if (layout.products > 1) text += ", " + std::to_string(layout.products) + " groups";
  text += std::string(", isa ") + IsaName(layout.isa) + ", " +
          std::to_string(context.thread_count()) + " thread(s)\n";
  const plan::Algorithm algorithm = plan::Int8Algorithm(layout.isa, layout.summation);
  text += std::string("  algorithm: ") + algorithm.name + " (" + algorithm.reason + ")\n";
  text += std::string("  preparation of A: ") + preparation.description() + "\n";
  const auto add_set = [&](const char* which, const KernelSet& set, int vectors, int tail_lanes) {
    if (set.max_rows == 0) return;
    kernels::GemmKernel largest = kernel;
    largest.rows = set.max_rows;
    largest.vectors = vectors;
    largest.tail_lanes = tail_lanes;
    text += std::string("  ") + which + ": tiles of 1.." + std::to_string(set.max_rows) +
            " rows x " + std::to_string(vectors * layout.vector_columns) + " columns, " +
            largest.Name() + "\n";
  };
  if (check.active())
    text += "  checked: the sum of each row against the row sums of the weights\n";
  add_set("panels", full_panels, layout.vectors, 0);
  add_set("last panel", last_panel, layout.tail_vectors, layout.tail_lanes);
  return text;
}

}  // namespace qforge
