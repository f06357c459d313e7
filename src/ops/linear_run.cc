#include "ops/linear_run.h"

#include <algorithm>
#include <limits>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "cpu/host.h"
#include "ops/linear_runner.h"
#include "ops/parallel.h"
#include "ops/validate.h"
#include "plan/partition.h"
#include "plan/row_tiles.h"

namespace qforge {
namespace {

using plan::Range;

// Rows that one task prepares.
constexpr int64_t kRowsPerPreparation = 64;

}  // namespace

int64_t TileBytes(const LinearCore& core) {
  const int64_t columns = core.scalar() ? kScalarPanelColumns : core.layout.panel_columns();
  return kCallbackRows * columns * int64_t{sizeof(int32_t)};
}

Status LinearRunner::PlanWorkspace() noexcept {
  const RowPreparation& preparation = core_.preparation;
  const bool sink = request_.sink.function != nullptr;
  block_rows_ = rows_;
  // Nothing to divide and nothing to prepare: a small product takes little longer than planning.
  const bool checks = core_.check.active();
  if (pool_ == nullptr && !preparation.needed() && !sink && !checks) return Status();
  const int64_t threads = core_.context.thread_count();
  if (preparation.copies()) {
    // Prepared rows are read soon after they are written: no more than caches hold.
    const int64_t fitting =
        threads * cpu::Host().l2.bytes / 2 / std::max<int64_t>(1, preparation.row_bytes());
    const int64_t unit = std::max<int64_t>(kRowsPerPreparation, threads * TileRows(core_));
    block_rows_ = std::min(rows_, std::max(unit, base::AlignDown(fitting, unit)));
  }
  grid_ = plan::ChooseGrid(ShapeOf(core_, block_rows_), TileRows(core_), static_cast<int>(threads));
  if (checks) PlanCheck(threads);
  if (!preparation.needed() && !sink && !checks) return Status();

  preparation_tasks_ = std::min(base::CeilDiv(block_rows_, kRowsPerPreparation), 4 * threads);
  const int64_t block_parameters = preparation.parameters_per_row() ? block_rows_ : 0;
  const int64_t block_terms = preparation.row_terms() ? block_rows_ * core_.layout.products : 0;
  struct Part {
    std::byte** to;
    int64_t count;
    int64_t size;
  };
  std::byte *row_data, *scales, *zero_points, *row_terms;
  const Part parts[] = {
      {&row_data, preparation.copies() ? block_rows_ : 0, preparation.row_bytes()},
      {&scales, block_parameters, sizeof(float)},
      {&zero_points, block_parameters, sizeof(int32_t)},
      {&row_terms, block_terms, sizeof(int32_t)},
      {&scratch_, preparation_tasks_, preparation.scratch_bytes()},
      {&tiles_, sink ? grid_.tasks() : 0, TileBytes(core_)},
      {&row_sums_, row_sums_count_ * row_sums_rows_, core_.check.sum_bytes()},
  };
  int64_t total = 0;
  for (const Part& part : parts) {
    int64_t bytes;
    if (!base::CheckedMultiply(part.count, part.size, &bytes) ||
        !base::CheckedAdd<int64_t>(bytes, 63, &bytes) || !base::CheckedAdd(total, bytes, &total)) {
      return Status::Error(StatusCode::kResourceExhausted, "input",
                           "the rows are too many to prepare");
    }
  }
  QFORGE_RETURN_IF_ERROR(workspace_.Lease(static_cast<size_t>(total)));
  std::byte* next = workspace_.data();
  for (const Part& part : parts) {
    *part.to = next;
    next += base::AlignUp<int64_t>(part.count * part.size, 64);
  }
  target_.rows = row_data;
  target_.scales = reinterpret_cast<float*>(scales);
  target_.zero_points = reinterpret_cast<int32_t*>(zero_points);
  target_.row_terms = reinterpret_cast<int32_t*>(row_terms);
  target_.row_terms_stride = block_rows_;
  return Status();
}

Status LinearRunner::Execute() noexcept {
  if (rows_ == 0 || core_.layout.outputs == 0) return Status();
  QFORGE_RETURN_IF_ERROR(PlanWorkspace());
  const base::FloatEnvironment environment;  // of this thread; tasks on others have theirs
  if (core_.options.scaling == InputScaling::kDynamicPerTensor) FindRange();
  bounded_ = core_.Bounded(quantization_->scale, weights_.largest_multiplier);
  kernel_zero_point_ = core_.preparation.KernelZeroPoint(quantization_->zero_point);
  strikes_ = core_.check.active() && core_.check.TakeInjection(0, rows_);
  for (int64_t row = 0; row < rows_; row += block_rows_) {
    const Range block{row, std::min(rows_, row + block_rows_)};
    Multiply(Prepare(block), block);
  }
  if (!core_.check.active()) return Status();
  if (!verifies_) core_.check.CountChecked(rows_, 0);
  return core_.check.OutcomeOf(failed_rows_);
}

// Minima and maxima do not depend on the order in which they are taken, so that tasks may each take
// a part.
void LinearRunner::FindRange() noexcept {
  constexpr int kMostTasks = 64;
  const int64_t stored_rows = request_.input.rows;
  const int64_t tasks =
      std::min<int64_t>({kMostTasks, 4 * int64_t{core_.context.thread_count()}, stored_rows});
  float minima[kMostTasks];
  float maxima[kMostTasks];
  ParallelFor(pool_, tasks, [&](int64_t task) {
    const Range part = plan::PartOf(stored_rows, 1, tasks, task);
    float min = std::numeric_limits<float>::infinity();
    float max = -min;
    base::FloatEnvironment environment;
    core_.preparation.UpdateRange(request_.input, part.begin, part.end, &min, &max);
    minima[task] = min;
    maxima[task] = max;
  });
  float min = std::numeric_limits<float>::infinity();
  float max = -min;
  for (int64_t task = 0; task < tasks; ++task) {
    min = std::min(min, minima[task]);
    max = std::max(max, maxima[task]);
  }
  const QuantizationParameters found = ref::ChooseDynamicParameters(min, max);
  found_ = InputQuantization(found.scale, found.zero_point);
  quantization_ = &found_;
}

LinearRunner::Rows LinearRunner::Prepare(Range block) noexcept {
  const RowPreparation& preparation = core_.preparation;
  if (preparation.needed()) {
    const int64_t rows = block.end - block.begin;
    const int64_t tasks = std::min(preparation_tasks_, base::CeilDiv(rows, kRowsPerPreparation));
    ParallelFor(pool_, tasks, [&](int64_t task) {
      const Range part = plan::PartOf(rows, kRowsPerPreparation, tasks, task);
      RowPreparation::Target target = target_;
      target.scratch = scratch_ + task * preparation.scratch_bytes();
      base::FloatEnvironment environment;
      preparation.PrepareRows(request_.input, *quantization_, block.begin + part.begin,
                              block.begin + part.end, block.begin, target);
    });
  }
  Rows result;
  result.first_row = block.begin;
  if (preparation.copies()) {
    result.data = target_.rows;
    result.stride = preparation.row_bytes();
    result.segment_bytes = preparation.segment_bytes();
  } else {
    const int64_t size = DataTypeSize(request_.input.type);
    result.stride = request_.input.stride * size;
    result.data = static_cast<const std::byte*>(request_.input.data) + block.begin * result.stride;
    result.segment_bytes = core_.layout.inputs * size;
  }
  if (preparation.parameters_per_row()) {
    result.scales = target_.scales;
    result.zero_points = target_.zero_points;
  } else if (core_.options.scaling == InputScaling::kPerRow) {
    result.scales = quantization_->row_scales.data() + block.begin;
    result.zero_points = quantization_->row_zero_points.data() + block.begin;
  } else {
    result.scales = &quantization_->scale;
    result.zero_points = &kernel_zero_point_;
  }
  if (preparation.row_terms()) result.row_terms = target_.row_terms;
  return result;
}

void LinearRunner::Multiply(const Rows& rows, Range block) noexcept {
  const plan::ProductShape shape = ShapeOf(core_, block.end - block.begin);
  if (grid_.tasks() == 1) {
    MultiplyTask(rows, block, block, {0, shape.panels}, 0);
    return;
  }
  ParallelFor(pool_, grid_.tasks(), [&](int64_t task) {
    const Range part =
        plan::PartOf(shape.rows, TileRows(core_), grid_.row_parts, task / grid_.panel_parts);
    const Range panels = plan::PartOf(shape.panels, 1, grid_.panel_parts, task % grid_.panel_parts);
    base::FloatEnvironment environment;
    MultiplyTask(rows, block, {block.begin + part.begin, block.begin + part.end}, panels, task);
  });
  if (core_.check.active() && grid_.panel_parts > 1) CheckBlock(rows, block);
}

void LinearRunner::MultiplyTask(const Rows& rows, Range block, Range range, Range panels,
                                int64_t task) noexcept {
  const bool checks = core_.check.active();
  const bool whole_rows = grid_.panel_parts == 1;
  const int64_t sum_bytes = core_.check.sum_bytes();
  Place place;
  place.task = task;
  place.strikes = strikes_;
  plan::ProductShape shape;
  shape.rows = range.end - range.begin;
  shape.row_bytes = rows.stride;
  shape.panels = panels.end - panels.begin;
  int64_t row_block = shape.rows;
  if (!core_.scalar()) {
    row_block = plan::ChooseRowBlock(shape, TileRows(core_), cpu::Host().l2.bytes);
  }
  if (checks && whole_rows) {
    row_block = std::min(row_block, row_sums_rows_);
    place.row_sums = row_sums_ + task * row_sums_rows_ * sum_bytes;
  }
  for (int64_t row = range.begin; row < range.end; row += row_block) {
    const Range part{row, std::min(range.end, row + row_block)};
    if (checks) {
      if (!whole_rows) {
        const int64_t panel_part = task % grid_.panel_parts;
        place.row_sums =
            row_sums_ + (panel_part * row_sums_rows_ + part.begin - block.begin) * sum_bytes;
      }
      std::fill_n(place.row_sums, (part.end - part.begin) * sum_bytes, std::byte{0});
    }
    MultiplyRows(rows, part, panels, place);
    if (checks && whole_rows) CheckRows(rows, part, place.row_sums, 1, 0);
  }
}

void LinearRunner::MultiplyRows(const Rows& rows, Range range, Range panels, Place place) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  if (core_.scalar()) {
    const int64_t columns = layout.outputs * layout.products;
    constexpr int64_t per_panel = kScalarPanelColumns;
    MultiplyScalar(rows, range,
                   {std::min(columns, panels.begin * per_panel),
                    panels.end * per_panel >= columns ? columns : panels.end * per_panel},
                   place);
    return;
  }
  for (int64_t panel = panels.begin; panel < panels.end;) {
    const int64_t product = layout.products == 1 ? 0 : panel / layout.panels;
    const int64_t first = panel - product * layout.panels;
    const int64_t end = std::min(layout.panels, first + panels.end - panel);
    const int64_t full_end = core_.odd_last_panel() ? std::min(end, layout.panels - 1) : end;
    if (first < full_end) {
      MultiplyPanels(rows, range, product, {first, full_end}, core_.full_panels, place);
    }
    if (full_end < end) {
      MultiplyPanels(rows, range, product, {std::max(first, full_end), end}, core_.last_panel,
                     place);
    }
    panel += end - first;
  }
}

const int8_t* LinearRunner::Panel(int64_t product, int64_t panel) const noexcept {
  const pack::PanelLayout& layout = core_.layout;
  const int64_t* offsets = weights_.panel_offsets;
  return weights_.data + (offsets == nullptr ? layout.PanelOffset(product, panel)
                                             : offsets[product * layout.panels + panel]);
}

void LinearRunner::MultiplyPanels(const Rows& rows, Range range, int64_t product, Range panels,
                                  const KernelSet& kernels, Place place) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  const int64_t row = range.begin - rows.first_row;
  const int64_t first_column = panels.begin * layout.panel_columns();
  const bool per_row = core_.kernel.per_row;
  kernels::GemmArguments arguments;
  arguments.input = rows.data + row * rows.stride + product * rows.segment_bytes;
  arguments.input_stride = rows.stride;
  arguments.weights = Panel(product, panels.begin);
  arguments.weights_stride = layout.panel_bytes;
  arguments.groups = core_.kernel_groups();
  arguments.columns = weights_.columns + (product * layout.padded_outputs() + first_column) *
                                             kernels::ColumnFieldCount(core_.kernel) * 4;
  arguments.input_scale = rows.scales + (per_row ? row : 0);
  arguments.input_zero_point = rows.zero_points + (per_row ? row : 0);
  arguments.row_terms =
      rows.row_terms == nullptr ? nullptr : rows.row_terms + product * block_rows_ + row;
  arguments.constants = &core_.constants;
  arguments.residual = nullptr;
  arguments.residual_stride = 0;
  arguments.panels = panels.end - panels.begin;
  arguments.row_sums = reinterpret_cast<int32_t*>(place.row_sums);
  if (core_.kernel.injects) Inject(place.strikes, range.begin, product, panels, &arguments);
  if (core_.kernel.prefetch) {
    const int64_t tiles = plan::PrefetchingTiles((range.end - range.begin) / kernels.max_rows,
                                                 layout.panel_bytes, cpu::Host().l2.bytes);
    arguments.prefetch_tiles = tiles;
    arguments.prefetch_per_group =
        layout.panel_bytes / layout.k_groups / std::max<int64_t>(1, tiles);
  }

  const int64_t column = product * layout.outputs + first_column;
  if (request_.sink.function == nullptr) {
    const int64_t size = DataTypeSize(core_.kernel.output);
    arguments.output = static_cast<std::byte*>(request_.output.data) +
                       (range.begin * request_.output.stride + column) * size;
    arguments.output_stride = request_.output.stride * size;
    if (core_.kernel.residual != DataType::kNone) {
      const int64_t residual_size = DataTypeSize(core_.kernel.residual);
      arguments.residual = static_cast<const std::byte*>(request_.residual.data) +
                           (range.begin * request_.residual.stride + column) * residual_size;
      arguments.residual_stride = request_.residual.stride * residual_size;
    }
    CallKernels(kernels, arguments, range.end - range.begin);
    return;
  }
  int32_t* tile = reinterpret_cast<int32_t*>(tiles_ + place.task * TileBytes(core_));
  arguments.output = tile;
  arguments.output_stride = layout.panel_columns() * int64_t{sizeof(int32_t)};
  arguments.panels = 1;
  for (int64_t panel = panels.begin; panel < panels.end; ++panel) {
    arguments.weights = Panel(product, panel);
    const int64_t begin = panel * layout.panel_columns();
    const Range columns{
        product * layout.outputs + begin,
        product * layout.outputs + std::min(layout.outputs, begin + layout.panel_columns())};
    kernels::GemmArguments part = arguments;
    for (int64_t i = range.begin; i < range.end; i += kCallbackRows) {
      const int64_t count = std::min(kCallbackRows, range.end - i);
      kernels::GemmArguments call = part;
      CallKernels(kernels, call, count);
      HandOver(tile, layout.panel_columns(), {i, i + count}, columns);
      part.input = static_cast<const std::byte*>(part.input) + count * rows.stride;
      if (per_row) {
        part.input_scale += count;
        part.input_zero_point += count;
      }
      if (part.row_terms != nullptr) part.row_terms += count;
      MoveSums(count, &part);
    }
    arguments.columns = static_cast<const std::byte*>(arguments.columns) +
                        layout.panel_columns() * kernels::ColumnFieldCount(core_.kernel) * 4;
  }
}

void LinearRunner::HandOver(const int32_t* data, int64_t stride, Range rows,
                            Range columns) const noexcept {
  AccumulatorTile tile;
  tile.data = data;
  tile.stride = stride;
  tile.row = rows.begin;
  tile.column = columns.begin;
  tile.rows = rows.end - rows.begin;
  tile.columns = columns.end - columns.begin;
  request_.sink.function(request_.sink.argument, tile);
}

void LinearRunner::CallKernels(const KernelSet& kernels, kernels::GemmArguments& arguments,
                               int64_t rows) const noexcept {
  const plan::RowTiles split = plan::SplitRows(rows, kernels.max_rows);
  kernels::GemmFunction* const* functions = bounded_ ? kernels.bounded : kernels.any;
  if (split.taller == 0) {
    arguments.tiles = split.others;
    functions[split.height - 1](&arguments);
    return;
  }
  // Two kernels. Panel by panel, so that the second finds the panel in the cache.
  kernels::GemmArguments upper = arguments;
  const int64_t upper_rows = split.taller * (split.height + 1);
  kernels::GemmArguments lower = arguments;
  lower.input = static_cast<const std::byte*>(lower.input) + upper_rows * lower.input_stride;
  lower.output = static_cast<std::byte*>(lower.output) + upper_rows * lower.output_stride;
  if (lower.residual != nullptr) {
    lower.residual =
        static_cast<const std::byte*>(lower.residual) + upper_rows * lower.residual_stride;
  }
  if (core_.kernel.per_row) {
    lower.input_scale += upper_rows;
    lower.input_zero_point += upper_rows;
  }
  if (lower.row_terms != nullptr) lower.row_terms += upper_rows;
  MoveSums(upper_rows, &lower);
  upper.prefetch_tiles -= split.others;  // which come behind its own
  upper.tiles = split.taller;
  lower.tiles = split.others;
  for (int64_t panel = 0; panel < arguments.panels; ++panel) {
    // Each call leaves its arguments pointing at the next panel.
    upper.panels = 1;
    functions[split.height](&upper);
    lower.panels = 1;
    functions[split.height - 1](&lower);
  }
}

plan::ProductShape ShapeOf(const LinearCore& core, int64_t rows) {
  plan::ProductShape shape;
  shape.rows = rows;
  shape.row_bytes = core.layout.inputs;
  shape.panel_columns = core.scalar() ? kScalarPanelColumns : core.layout.panel_columns();
  shape.panels =
      core.scalar() ? base::CeilDiv(core.layout.outputs, kScalarPanelColumns) * core.layout.products
                    : core.layout.panels * core.layout.products;
  return shape;
}

int TileRows(const LinearCore& core) {
  if (core.scalar()) return 1;
  return core.full_panels.max_rows != 0 ? core.full_panels.max_rows : core.last_panel.max_rows;
}

Status RunLinear(const LinearCore& core, const RunWeights& weights,
                 const RunRequest& request) noexcept {
  return LinearRunner(core, weights, request).Execute();
}

Status RunLinearAgain(const LinearCore& core, const RunWeights& weights,
                      const RunRequest& request) noexcept {
  return LinearRunner(core, weights, request).ExecuteAgain();
}

}  // namespace qforge
