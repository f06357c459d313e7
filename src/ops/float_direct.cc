#include "ops/float_direct.h"

#include <algorithm>

#include "base/float_environment.h"
#include "ops/float_calls.h"
#include "plan/float_rows.h"
#include "plan/partition.h"

namespace qforge {
namespace {

int64_t MostRows(const FloatCore& core) {
  const FloatPreparation& preparation = core.preparation;
  if (core.scalar() || core.layout.products != 1 || core.layout.panels == 0 ||
      core.kernel.prefetch_bytes != 0 || core.options.transposed_input || core.check.active()) {
    return 0;
  }
  int64_t most = core.layout.bytes() <= kFewDirectWeightBytes ? kMostDirectRows : core.TileRows();
  if (preparation.needed()) {
    most = std::min(most, kDirectPreparedBytes / std::max<int64_t>(1, preparation.row_bytes()));
  }
  // Others may run on the pool what is worth it.
  const auto one_task = [&](int64_t rows) {
    return plan::ChooseGrid(core.ShapeOf(rows), core.TileRows(), core.context.thread_count())
               .tasks() == 1;
  };
  while (most > 0 && !one_task(most)) --most;
  return most;
}

// What float activations have.
bool IsNone(const InputQuantization& quantization) {
  return quantization.scale == 1.0f && quantization.zero_point == 0 &&
         quantization.row_scales.empty() && quantization.row_zero_points.empty();
}

}  // namespace

FloatDirect::FloatDirect(const FloatCore& core, const std::byte* weights)
    : core_(&core), weights_(weights), most_rows_(MostRows(core)) {
  if (most_rows_ == 0) return;
  const pack::PanelLayout& layout = core.layout;
  forms_.input = DirectForm(core.options.input, layout.inputs);
  forms_.output = DirectForm(core.epilogue.output.type, layout.outputs);
  forms_.residual = DirectForm(core.epilogue.residual.type, layout.outputs);
  prepares_ = core.preparation.needed();
  last_panel_ = core.odd_last_panel();
  full_panels_ = layout.panels - (last_panel_ ? 1 : 0);
}

bool FloatDirect::Run(const InputMatrix& input, const InputQuantization& quantization,
                      const OutputMatrix& output, const InputMatrix& residual) const noexcept {
  const int64_t rows = input.rows;
  if (rows < 1 || rows > most_rows_) return false;
  if (!forms_.Fit(rows, input, output, residual) || !IsNone(quantization)) return false;
  const int64_t stride = input.stride * forms_.input.element_bytes;
  if (rows > plan::kMostRowsOfSet && plan::RowsShareSets(stride)) return false;

  const base::FloatEnvironment environment;
  kernels::FloatGemmArguments arguments;
  BeginArguments(*core_, arguments);
  arguments.input = input.data;
  arguments.input_stride = stride;
  alignas(64) std::byte prepared[kDirectPreparedBytes];
  if (prepares_) {
    core_->preparation.PrepareRows(input, 0, rows, prepared);
    arguments.input = prepared;
    arguments.input_stride = core_->preparation.row_bytes();
  }
  arguments.weights = weights_;
  arguments.output = output.data;
  arguments.output_stride = output.stride * forms_.output.element_bytes;
  if (core_->kernel.bias) arguments.bias = core_->bias.data();
  if (forms_.residual.type != DataType::kNone) {
    arguments.residual = residual.data;
    arguments.residual_stride = residual.stride * forms_.residual.element_bytes;
  }
  const auto call = [&](const FloatKernelSet& kernels, int64_t panels) {
    CallKernels(*core_, kernels, kernels.max_rows, rows, panels, arguments);
  };
  if (full_panels_ != 0) call(core_->full_panels, full_panels_);
  // They leave the arguments pointing behind the full panels.
  if (last_panel_) call(core_->last_panel, 1);
  return true;
}

}  // namespace qforge
