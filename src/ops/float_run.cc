#include <algorithm>
#include <cinttypes>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "base/float_product.h"
#include "base/workspace.h"
#include "cpu/host.h"
#include "ops/float_core.h"
#include "ops/parallel.h"
#include "ops/validate.h"
#include "plan/partition.h"
#include "plan/row_tiles.h"
#include "ref/float_linear.h"

namespace qforge {
namespace {

using plan::Range;

// Rows that one task prepares.
constexpr int64_t kRowsPerPreparation = 16;
// Columns that the portable path takes for a panel.
constexpr int64_t kScalarPanelColumns = 64;

// One Run.
class Run {
 public:
  Run(const FloatCore& core, const std::byte* weights, const InputMatrix& input,
      const OutputMatrix& output, const InputMatrix& residual)
      : core_(core),
        weights_(weights),
        input_(input),
        output_(output),
        residual_(residual),
        rows_(core.options.transposed_input ? input.cols : input.rows) {}

  Status Execute() noexcept;

 private:
  // A as kernels read it, from row `first_row` on.
  struct Rows {
    const std::byte* data = nullptr;
    int64_t stride = 0;  // bytes
    int64_t first_row = 0;
  };

  plan::ProductShape ShapeOf(int64_t rows) const;
  Rows Prepare(Range block, std::byte* to) noexcept;
  void Multiply(const Rows& rows, Range block, const plan::Grid& grid) noexcept;
  void MultiplyTask(const Rows& rows, Range range, Range panels) noexcept;
  void MultiplyPanels(const Rows& rows, Range range, int64_t product, Range panels,
                      const FloatKernelSet& kernels) noexcept;
  // `arguments` are for the first row and are used up, here and below.
  void CallKernels(const FloatKernelSet& kernels, kernels::FloatGemmArguments& arguments,
                   int64_t rows, int64_t panels) noexcept;
  // All panels with tiles of `height` rows.
  void CallTiles(const FloatKernelSet& kernels, int height, kernels::FloatGemmArguments& arguments,
                 int64_t panels) noexcept;
  // Goes on behind `panels` more panels.
  void Skip(int64_t panels, kernels::FloatGemmArguments& arguments) const noexcept;
  void MultiplyScalar(Range range, Range columns) noexcept;

  const FloatCore& core_;
  const std::byte* const weights_;
  const InputMatrix& input_;
  const OutputMatrix& output_;
  const InputMatrix& residual_;
  const int64_t rows_;
};

plan::ProductShape Run::ShapeOf(int64_t rows) const {
  const pack::PanelLayout& layout = core_.layout;
  plan::ProductShape shape;
  shape.rows = rows;
  shape.row_bytes = layout.inputs * (core_.kernel.dot ? 2 : 4);
  shape.panel_columns = core_.scalar() ? kScalarPanelColumns : layout.panel_columns();
  shape.panels =
      layout.products *
      (core_.scalar() ? base::CeilDiv(layout.outputs, kScalarPanelColumns) : layout.panels);
  return shape;
}

Status Run::Execute() noexcept {
  if (rows_ == 0 || core_.layout.outputs == 0) return Status();
  const base::FloatEnvironment environment;  // of this thread; tasks on others have theirs
  const int threads = core_.context.thread_count();
  const FloatPreparation& preparation = core_.preparation;
  if (core_.scalar() || !preparation.needed()) {
    Rows rows;
    rows.data = static_cast<const std::byte*>(input_.data);
    rows.stride = input_.stride * DataTypeSize(input_.type);
    Multiply(rows, {0, rows_}, plan::ChooseGrid(ShapeOf(rows_), core_.TileRows(), threads));
    return Status();
  }
  // Prepared rows are read soon after they are written: no more than caches hold.
  const int64_t fitting =
      threads * cpu::Host().l2.bytes / 2 / std::max<int64_t>(1, preparation.row_bytes());
  const int64_t unit = std::max<int64_t>(kRowsPerPreparation, int64_t{threads} * core_.TileRows());
  const int64_t block_rows = std::min(rows_, std::max(unit, base::AlignDown(fitting, unit)));
  int64_t bytes;
  if (!base::CheckedMultiply(block_rows, preparation.row_bytes(), &bytes)) {
    return Status::Error(StatusCode::kResourceExhausted, "input",
                         "the rows are too many to prepare");
  }
  base::Workspace workspace;
  QFORGE_RETURN_IF_ERROR(workspace.Lease(static_cast<size_t>(bytes)));
  const plan::Grid grid = plan::ChooseGrid(ShapeOf(block_rows), core_.TileRows(), threads);
  for (int64_t row = 0; row < rows_; row += block_rows) {
    const Range block{row, std::min(rows_, row + block_rows)};
    Multiply(Prepare(block, workspace.data()), block, grid);
  }
  return Status();
}

Run::Rows Run::Prepare(Range block, std::byte* to) noexcept {
  const FloatPreparation& preparation = core_.preparation;
  const int64_t rows = block.end - block.begin;
  const int64_t tasks =
      std::min(base::CeilDiv(rows, kRowsPerPreparation), 4 * int64_t{core_.context.thread_count()});
  ParallelFor(core_.context.pool(), tasks, [&](int64_t task) {
    const Range part = plan::PartOf(rows, kRowsPerPreparation, tasks, task);
    const base::FloatEnvironment environment;
    preparation.PrepareRows(input_, block.begin + part.begin, block.begin + part.end,
                            to + part.begin * preparation.row_bytes());
  });
  Rows result;
  result.data = to;
  result.stride = preparation.row_bytes();
  result.first_row = block.begin;
  return result;
}

void Run::Multiply(const Rows& rows, Range block, const plan::Grid& grid) noexcept {
  const plan::ProductShape shape = ShapeOf(block.end - block.begin);
  if (grid.tasks() == 1) {
    MultiplyTask(rows, block, {0, shape.panels});
    return;
  }
  ParallelFor(core_.context.pool(), grid.tasks(), [&](int64_t task) {
    const Range part =
        plan::PartOf(shape.rows, core_.TileRows(), grid.row_parts, task / grid.panel_parts);
    const Range panels = plan::PartOf(shape.panels, 1, grid.panel_parts, task % grid.panel_parts);
    const base::FloatEnvironment environment;
    MultiplyTask(rows, {block.begin + part.begin, block.begin + part.end}, panels);
  });
}

void Run::MultiplyTask(const Rows& rows, Range range, Range panels) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  if (core_.scalar()) {
    const int64_t columns = layout.outputs * layout.products;
    MultiplyScalar(range, {std::min(columns, panels.begin * kScalarPanelColumns),
                           std::min(columns, panels.end * kScalarPanelColumns)});
    return;
  }
  plan::ProductShape shape;
  shape.rows = range.end - range.begin;
  shape.row_bytes = rows.stride;
  shape.panels = panels.end - panels.begin;
  // Of nearly the same height: each block streams all weights, a short one as well.
  const int64_t most_rows = std::max<int64_t>(
      core_.TileRows(), plan::ChooseRowBlock(shape, /*tile_rows=*/1, cpu::Host().l2.bytes));
  const int64_t row_block = base::CeilDiv(shape.rows, base::CeilDiv(shape.rows, most_rows));
  for (int64_t row = range.begin; row < range.end; row += row_block) {
    const Range part{row, std::min(range.end, row + row_block)};
    for (int64_t panel = panels.begin; panel < panels.end;) {
      const int64_t product = layout.products == 1 ? 0 : panel / layout.panels;
      const int64_t first = panel - product * layout.panels;
      const int64_t end = std::min(layout.panels, first + panels.end - panel);
      const int64_t full_end = core_.odd_last_panel() ? std::min(end, layout.panels - 1) : end;
      if (first < full_end) {
        MultiplyPanels(rows, part, product, {first, full_end}, core_.full_panels);
      }
      if (full_end < end) {
        MultiplyPanels(rows, part, product, {std::max(first, full_end), end}, core_.last_panel);
      }
      panel += end - first;
    }
  }
}

void Run::MultiplyPanels(const Rows& rows, Range range, int64_t product, Range panels,
                         const FloatKernelSet& kernels) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  const kernels::FloatGemmKernel& kernel = core_.kernel;
  const int64_t input_size = kernel.dot ? 2 : 4;
  const int64_t step_inputs = kernel.step_inputs();
  const int64_t part_inputs = base::InputsOfPart(layout.inputs, layout.parts);
  const int64_t column = panels.begin * layout.panel_columns();
  kernels::FloatGemmArguments arguments;
  arguments.input = rows.data + (range.begin - rows.first_row) * rows.stride +
                    product * layout.inputs * input_size;
  arguments.input_stride = rows.stride;
  arguments.weights = weights_ + layout.PanelOffset(product, panels.begin);
  arguments.weights_stride = layout.panel_bytes;
  // Of parts; CallTiles() knows those of panels.
  arguments.stream_bytes = part_inputs * layout.VectorsOf(panels.begin) * layout.vector_columns *
                           DataTypeSize(layout.type);
  arguments.stream_columns = 0;
  arguments.steps = part_inputs / step_inputs;
  arguments.rest = (layout.inputs - layout.parts * part_inputs) / step_inputs;
  arguments.part_input_bytes = part_inputs * input_size;
  const int64_t size = DataTypeSize(kernel.output);
  arguments.output = static_cast<std::byte*>(output_.data) +
                     (range.begin * output_.stride + product * layout.outputs + column) * size;
  arguments.output_stride = output_.stride * size;
  arguments.bias =
      kernel.bias ? core_.bias.data() + product * layout.padded_outputs() + column : nullptr;
  arguments.residual = nullptr;
  arguments.residual_stride = 0;
  if (kernel.residual != DataType::kNone) {
    const int64_t residual_size = DataTypeSize(kernel.residual);
    arguments.residual =
        static_cast<const std::byte*>(residual_.data) +
        (range.begin * residual_.stride + product * layout.outputs + column) * residual_size;
    arguments.residual_stride = residual_.stride * residual_size;
  }
  arguments.constants = &core_.constants;
  CallKernels(kernels, arguments, range.end - range.begin, panels.end - panels.begin);
}

void Run::CallKernels(const FloatKernelSet& kernels, kernels::FloatGemmArguments& upper,
                      int64_t rows, int64_t panels) noexcept {
  const plan::RowTiles split = plan::SplitRows(rows, kernels.max_rows);
  if (split.taller == 0) {
    upper.tiles = split.others;
    CallTiles(kernels, split.height, upper, panels);
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
  upper.tiles = split.taller;
  lower.tiles = split.others;
  for (int64_t panel = 0; panel < panels; ++panel) {
    // Each call leaves its arguments pointing at the next panel.
    CallTiles(kernels, split.height + 1, upper, 1);
    CallTiles(kernels, split.height, lower, 1);
  }
}

void Run::CallTiles(const FloatKernelSet& kernels, int height,
                    kernels::FloatGemmArguments& arguments, int64_t panels) noexcept {
  const int64_t streams = kernels.streams[height - 1];
  const int64_t together = streams == 1 ? 0 : panels / streams;
  if (together > 0) {
    arguments.panels = together;
    arguments.stream_bytes = together * arguments.weights_stride;
    arguments.stream_columns = together * core_.layout.panel_columns();
    kernels.several[height - 1](&arguments);
    Skip((streams - 1) * together, arguments);
  }
  arguments.panels = panels - together * streams;
  if (arguments.panels > 0) kernels.one[height - 1](&arguments);
}

void Run::Skip(int64_t panels, kernels::FloatGemmArguments& arguments) const noexcept {
  const kernels::FloatGemmKernel& kernel = core_.kernel;
  const int64_t columns = panels * core_.layout.panel_columns();
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

void Run::MultiplyScalar(Range range, Range columns) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  ref::FloatLinearProblem problem;
  problem.inputs = layout.inputs;
  problem.outputs = layout.outputs;
  problem.input = input_;
  problem.transposed_input = core_.options.transposed_input;
  problem.weights.data = weights_;
  problem.weights.stride = layout.outputs;
  problem.weights.type = layout.type;
  problem.epilogue = core_.epilogue;
  problem.output = output_;
  problem.residual = residual_;
  ref::FloatLinear(problem, {range.begin, range.end, columns.begin, columns.end});
}

}  // namespace

Status ValidateFloatRun(const FloatCore& core, const InputMatrix& input,
                        const InputQuantization& quantization, const OutputMatrix& output,
                        const InputMatrix& residual) noexcept {
  const bool transposed = core.options.transposed_input;
  const int64_t inputs = core.layout.products * core.layout.inputs;
  const int64_t outputs = core.layout.products * core.layout.outputs;
  const int64_t rows = transposed ? input.cols : input.rows;
  QFORGE_RETURN_IF_ERROR(CheckMatrix("input", input, core.options.input, transposed ? inputs : rows,
                                     transposed ? rows : inputs));
  if (quantization.scale != 1.0f || quantization.zero_point != 0 ||
      !quantization.row_scales.empty() || !quantization.row_zero_points.empty()) {
    return Status::Error(StatusCode::kInvalidArgument, "quantization",
                         "given, but float activations have none");
  }
  return CheckOutputs(core.epilogue, input, output, residual, rows, outputs);
}

Status RunFloatLinear(const FloatCore& core, const std::byte* weights, const InputMatrix& input,
                      const OutputMatrix& output, const InputMatrix& residual) noexcept {
  return Run(core, weights, input, output, residual).Execute();
}

}  // namespace qforge
