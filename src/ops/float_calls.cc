#include "ops/float_calls.h"

#include "plan/row_tiles.h"

namespace qforge {
namespace {

// Goes on behind `panels` more panels.
void Skip(const FloatCore& core, int64_t panels, kernels::FloatGemmArguments& arguments) {
  const kernels::FloatGemmKernel& kernel = core.kernel;
  const int64_t columns = panels * core.layout.panel_columns();
  arguments.weights =
      static_cast<const std::byte*>(arguments.weights) + panels * arguments.weights_stride;
  arguments.output =
      static_cast<std::byte*>(arguments.output) + columns * DataTypeSize(kernel.output);
  if (kernel.bias) arguments.bias += columns;
  if (kernel.residual != DataType::kNone) {
    arguments.residual =
        static_cast<const std::byte*>(arguments.residual) + columns * DataTypeSize(kernel.residual);
  }
}

// All panels with tiles of `height` rows.
void CallTiles(const FloatCore& core, const FloatKernelSet& kernels, int height, int64_t panels,
               kernels::FloatGemmArguments& arguments) {
  const int64_t streams = kernels.streams[height - 1];
  const int64_t together = streams == 1 ? 0 : panels / streams;
  if (together > 0) {
    arguments.panels = together;
    arguments.stream_bytes = together * arguments.weights_stride;
    arguments.stream_columns = together * core.layout.panel_columns();
    kernels.several[height - 1](&arguments);
    Skip(core, (streams - 1) * together, arguments);
  }
  arguments.panels = panels - together * streams;
  if (arguments.panels > 0) kernels.one[height - 1](&arguments);
}

}  // namespace

void BeginArguments(const FloatCore& core, kernels::FloatGemmArguments& arguments) noexcept {
  arguments.weights_stride = core.layout.panel_bytes;
  arguments.stream_columns = 0;
  arguments.steps = core.part_steps;
  arguments.rest = core.rest_steps;
  arguments.part_input_bytes = core.part_steps * core.step_input_bytes();
  arguments.bias = nullptr;
  arguments.residual = nullptr;
  arguments.residual_stride = 0;
  arguments.constants = &core.constants;
}

void CallKernels(const FloatCore& core, const FloatKernelSet& kernels, int most_rows, int64_t rows,
                 int64_t panels, kernels::FloatGemmArguments& upper) noexcept {
  upper.stream_bytes = kernels.part_bytes;  // CallTiles() knows those of panels
  const plan::RowTiles split = plan::SplitRows(rows, most_rows);
  if (split.taller == 0) {
    upper.tiles = split.others;
    CallTiles(core, kernels, split.height, panels, upper);
    return;
  }
  // Two kernels. Panel by panel, so that the second finds the panel in the cache.
  const int64_t upper_rows = split.taller * (split.height + 1);
  kernels::FloatGemmArguments lower = upper;
  lower.input = static_cast<const std::byte*>(lower.input) + upper_rows * lower.input_stride;
  lower.output = static_cast<std::byte*>(lower.output) + upper_rows * lower.output_stride;
  if (lower.residual != nullptr) {
    lower.residual =
        static_cast<const std::byte*>(lower.residual) + upper_rows * lower.residual_stride;
  }
  if (core.check.active()) {
    lower.row_sums += upper_rows * core.check.sum_bytes() / int64_t{sizeof(float)};
  }
  upper.tiles = split.taller;
  lower.tiles = split.others;
  for (int64_t panel = 0; panel < panels; ++panel) {
    // Each call leaves its arguments pointing at the next panel.
    CallTiles(core, kernels, split.height + 1, 1, upper);
    CallTiles(core, kernels, split.height, 1, lower);
  }
}

}  // namespace qforge
