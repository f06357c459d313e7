#include <algorithm>
#include <atomic>
#include <bit>
#include <cinttypes>
#include <cstring>
#include <iterator>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "base/workspace.h"
#include "cpu/host.h"
#include "ops/float_calls.h"
#include "ops/float_core.h"
#include "ops/parallel.h"
#include "ops/validate.h"
#include "plan/float_rows.h"
#include "plan/partition.h"
#include "ref/float_linear.h"

namespace qforge {
namespace {

using plan::Range;

// Rows that one task prepares.
constexpr int64_t kRowsPerPreparation = 16;
// Rows that are copied apart begin with a cache line.
constexpr int64_t kLineBytes = 64;

// Rows of a tile of the portable path whose sums are looked at.
constexpr int64_t kScalarTileRows = 16;

// Rows that are multiplied before their sums are checked, so that these stay in the first-level
// cache; and rows of a block where a row's sums come from several tasks.
constexpr int64_t kCheckedRows = 256;
constexpr int64_t kCheckedBlockRows = 4096;
// Rows that one task checks behind the others: fewer are not worth a second thread.
constexpr int64_t kRowsPerCheck = 32;

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

  // If rows are checked: where the sums of the first row go, and whether the injected fault
  // strikes.
  struct Place {
    std::byte* row_sums = nullptr;
    bool strikes = false;
  };

  void Plan() noexcept;
  Rows Prepare(Range block) noexcept;
  void Multiply(const Rows& rows, Range block) noexcept;
  void MultiplyTask(const Rows& rows, Range block, Range range, Range panels,
                    int64_t task) noexcept;
  void MultiplyRows(const Rows& rows, Range range, Range panels, Place place) noexcept;
  void MultiplyPanels(const Rows& rows, Range range, int64_t product, Range panels,
                      const FloatKernelSet& kernels, Place place) noexcept;
  void MultiplyScalar(Range range, Range columns, Place place) noexcept;

  void CheckBlock(const Rows& rows, Range block) noexcept;
  // Checks `range`, whose first row has its sums at `sums`, in `parts` arrays.
  void CheckRows(const Rows& rows, Range range, const std::byte* sums, int64_t parts,
                 int64_t part_stride) noexcept;
  FloatRowCheck::Verdict Judge(const Rows& rows, int64_t row, const std::byte* sums, int64_t parts,
                               int64_t part_stride) const noexcept;
  SoftErrorOutcome Recompute(const Rows& rows, int64_t row) noexcept;
  void Inject(Place place, int64_t first_row,
              kernels::FloatGemmArguments* arguments) const noexcept;

  const FloatCore& core_;
  const std::byte* const weights_;
  const InputMatrix& input_;
  const OutputMatrix& output_;
  const InputMatrix& residual_;
  const int64_t rows_;

  base::Workspace workspace_;
  int64_t block_rows_ = 0;
  int64_t block_bytes_ = 0;  // of A, for a thread
  int most_tile_rows_ = kernels::kMostFloatRows;
  plan::Grid grid_;
  std::byte* prepared_ = nullptr;
  bool prepares_ = false;  // kernels read prepared rows, not the caller's
  bool spreads_ = false;   // as they are, but further apart
  int64_t prepared_stride_ = 0;
  // Sums of rows that are checked: as many rows for each task, whose own they are where it computes
  // whole rows, else the block's for each part of the panels.
  std::byte* row_sums_ = nullptr;
  int64_t row_sums_rows_ = 0;
  int64_t row_sums_count_ = 0;
  bool strikes_ = false;  // the injected fault
  std::atomic<int64_t> not_checked_rows_{0};
  FailedRows failed_rows_;
};

// The rows of a block and of a tile, the grid of tasks, and of how many rows sums are kept.
void Run::Plan() noexcept {
  const int threads = core_.context.thread_count();
  const FloatPreparation& preparation = core_.preparation;
  const auto choose = [&] {
    grid_ = plan::ChooseGrid(core_.ShapeOf(block_rows_), core_.TileRows(), threads);
  };
  block_rows_ = rows_;
  prepares_ = !core_.scalar() && preparation.needed();
  prepared_stride_ = preparation.row_bytes();
  const int64_t stride = prepares_ ? prepared_stride_ : input_.stride * DataTypeSize(input_.type);
  const bool share_sets = prepared_stride_ > 0 && plan::RowsShareSets(stride);
  if (!core_.scalar() && !prepares_ && share_sets &&
      plan::ShouldSpreadRows(rows_, core_.ShapeOf(rows_).panels)) {
    prepares_ = spreads_ = true;
    prepared_stride_ = base::AlignUp(prepared_stride_, kLineBytes);
    if (plan::RowsShareSets(prepared_stride_)) prepared_stride_ += kLineBytes;
  } else if (share_sets) {
    most_tile_rows_ = plan::kMostRowsOfSet;
  }
  block_bytes_ = plan::FloatBlockBytes(core_.layout.bytes(), cpu::Host().l2.bytes,
                                       cpu::Host().l3.bytes, threads);
  if (prepares_) {
    // Prepared rows are read soon after they are written: no more than caches hold.
    block_rows_ = plan::FloatBlockRows(
        rows_, prepared_stride_, threads * block_bytes_,
        std::max<int64_t>(kRowsPerPreparation, int64_t{threads} * core_.TileRows()));
  }
  choose();
  if (!core_.check.active()) return;
  if (grid_.panel_parts > 1 && block_rows_ > kCheckedBlockRows) {
    block_rows_ = kCheckedBlockRows;
    choose();
  }
  if (grid_.panel_parts > 1) {
    row_sums_rows_ = block_rows_;
    row_sums_count_ = grid_.panel_parts;
    return;
  }
  const int64_t whole_tiles =
      std::max<int64_t>(1, kCheckedRows / core_.TileRows()) * core_.TileRows();
  row_sums_rows_ = std::min(block_rows_, whole_tiles);
  row_sums_count_ = grid_.tasks();
}

Status Run::Execute() noexcept {
  if (rows_ == 0 || core_.layout.outputs == 0) return Status();
  const base::FloatEnvironment environment;  // of this thread; tasks on others have theirs
  Plan();
  int64_t prepared_bytes = 0;
  if (prepares_ && (!base::CheckedMultiply(block_rows_, prepared_stride_, &prepared_bytes) ||
                    !base::CheckedAdd<int64_t>(prepared_bytes, 63, &prepared_bytes))) {
    return Status::Error(StatusCode::kResourceExhausted, "input",
                         "the rows are too many to prepare");
  }
  prepared_bytes = base::AlignDown<int64_t>(prepared_bytes, 64);
  const int64_t sums_bytes = row_sums_count_ * row_sums_rows_ * core_.check.sum_bytes();
  if (prepared_bytes + sums_bytes > 0) {
    QFORGE_RETURN_IF_ERROR(workspace_.Lease(static_cast<size_t>(prepared_bytes + sums_bytes)));
    prepared_ = workspace_.data();
    row_sums_ = workspace_.data() + prepared_bytes;
  }
  strikes_ = core_.check.active() && core_.check.TakeInjection(0, rows_);
  for (int64_t row = 0; row < rows_; row += block_rows_) {
    const Range block{row, std::min(rows_, row + block_rows_)};
    Multiply(Prepare(block), block);
  }
  if (!core_.check.active()) return Status();
  const int64_t not_checked = not_checked_rows_.load(std::memory_order_relaxed);
  core_.check.CountChecked(rows_ - not_checked, not_checked);
  return core_.check.OutcomeOf(failed_rows_);
}

Run::Rows Run::Prepare(Range block) noexcept {
  const FloatPreparation& preparation = core_.preparation;
  Rows result;
  if (!prepares_) {
    result.data = static_cast<const std::byte*>(input_.data);
    result.stride = input_.stride * DataTypeSize(input_.type);
    return result;
  }
  const int64_t rows = block.end - block.begin;
  const int64_t tasks =
      std::min(base::CeilDiv(rows, kRowsPerPreparation), 4 * int64_t{core_.context.thread_count()});
  ParallelFor(core_.context.pool(), tasks, [&](int64_t task) {
    const Range part = plan::PartOf(rows, kRowsPerPreparation, tasks, task);
    const base::FloatEnvironment environment;
    if (!spreads_) {
      preparation.PrepareRows(input_, block.begin + part.begin, block.begin + part.end,
                              prepared_ + part.begin * prepared_stride_);
      return;
    }
    const int64_t stride = input_.stride * DataTypeSize(input_.type);
    const std::byte* const from = static_cast<const std::byte*>(input_.data) + block.begin * stride;
    for (int64_t row = part.begin; row < part.end; ++row) {
      std::memcpy(prepared_ + row * prepared_stride_, from + row * stride,
                  static_cast<size_t>(preparation.row_bytes()));
    }
  });
  result.data = prepared_;
  result.stride = prepared_stride_;
  result.first_row = block.begin;
  return result;
}

void Run::Multiply(const Rows& rows, Range block) noexcept {
  const plan::ProductShape shape = core_.ShapeOf(block.end - block.begin);
  if (grid_.tasks() == 1) {
    MultiplyTask(rows, block, block, {0, shape.panels}, 0);
    return;
  }
  ParallelFor(core_.context.pool(), grid_.tasks(), [&](int64_t task) {
    const Range part =
        plan::PartOf(shape.rows, core_.TileRows(), grid_.row_parts, task / grid_.panel_parts);
    const Range panels = plan::PartOf(shape.panels, 1, grid_.panel_parts, task % grid_.panel_parts);
    const base::FloatEnvironment environment;
    MultiplyTask(rows, block, {block.begin + part.begin, block.begin + part.end}, panels, task);
  });
  if (core_.check.active() && grid_.panel_parts > 1) CheckBlock(rows, block);
}

void Run::MultiplyTask(const Rows& rows, Range block, Range range, Range panels,
                       int64_t task) noexcept {
  const bool checks = core_.check.active();
  const bool whole_rows = grid_.panel_parts == 1;
  const int64_t sum_bytes = core_.check.sum_bytes();
  Place place;
  place.strikes = strikes_;
  int64_t row_block = range.end - range.begin;
  if (!core_.scalar() && panels.end - panels.begin > 1) {
    row_block = plan::FloatBlockRows(row_block, rows.stride, block_bytes_, core_.TileRows());
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

void Run::MultiplyRows(const Rows& rows, Range range, Range panels, Place place) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  if (core_.scalar()) {
    const int64_t columns = layout.outputs * layout.products;
    MultiplyScalar(range,
                   {std::min(columns, panels.begin * kScalarFloatColumns),
                    std::min(columns, panels.end * kScalarFloatColumns)},
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

void Run::MultiplyPanels(const Rows& rows, Range range, int64_t product, Range panels,
                         const FloatKernelSet& kernels, Place place) noexcept {
  const pack::PanelLayout& layout = core_.layout;
  const kernels::FloatGemmKernel& kernel = core_.kernel;
  const int64_t column = panels.begin * layout.panel_columns();
  kernels::FloatGemmArguments arguments;
  BeginArguments(core_, arguments);
  arguments.input = rows.data + (range.begin - rows.first_row) * rows.stride +
                    product * layout.inputs * core_.input_bytes();
  arguments.input_stride = rows.stride;
  arguments.weights = weights_ + layout.PanelOffset(product, panels.begin);
  const int64_t size = DataTypeSize(kernel.output);
  arguments.output = static_cast<std::byte*>(output_.data) +
                     (range.begin * output_.stride + product * layout.outputs + column) * size;
  arguments.output_stride = output_.stride * size;
  if (kernel.bias) {
    arguments.bias = core_.bias.data() + product * layout.padded_outputs() + column;
  }
  if (kernel.residual != DataType::kNone) {
    const int64_t residual_size = DataTypeSize(kernel.residual);
    arguments.residual =
        static_cast<const std::byte*>(residual_.data) +
        (range.begin * residual_.stride + product * layout.outputs + column) * residual_size;
    arguments.residual_stride = residual_.stride * residual_size;
  }
  arguments.row_sums = reinterpret_cast<float*>(place.row_sums);
  if (kernel.injects) Inject(place, range.begin, &arguments);
  CallKernels(core_, kernels, std::min(kernels.max_rows, most_tile_rows_), range.end - range.begin,
              panels.end - panels.begin, arguments);
}

void Run::MultiplyScalar(Range range, Range columns, Place place) noexcept {
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
  if (!core_.check.active()) {
    ref::FloatLinear(problem, {range.begin, range.end, columns.begin, columns.end});
    return;
  }
  const SoftErrorInjection* injection = core_.check.options().injection;
  float tile[kScalarTileRows * kScalarFloatColumns];
  for (int64_t row = range.begin; row < range.end; row += kScalarTileRows) {
    for (int64_t column = columns.begin; column < columns.end; column += kScalarFloatColumns) {
      const ref::Block block{row, std::min(range.end, row + kScalarTileRows), column,
                             std::min(columns.end, column + kScalarFloatColumns)};
      ref::FloatProducts(problem, block, tile, kScalarFloatColumns);
      if (place.strikes && injection->row >= block.row_begin && injection->row < block.row_end &&
          injection->column >= block.output_begin && injection->column < block.output_end) {
        float& sum =
            tile[(injection->row - row) * kScalarFloatColumns + injection->column - column];
        sum = std::bit_cast<float>(std::bit_cast<uint32_t>(sum) ^
                                   (uint32_t{1} << (injection->bit & 31)));
      }
      for (int64_t i = block.row_begin; i < block.row_end; ++i) {
        float& sum = reinterpret_cast<float*>(place.row_sums)[i - range.begin];
        for (int64_t j = block.output_begin; j < block.output_end; ++j) {
          sum += tile[(i - row) * kScalarFloatColumns + j - column];
        }
      }
      ref::FinishFloatProducts(problem, block, tile, kScalarFloatColumns);
    }
  }
}

void Run::Inject(Place place, int64_t first_row,
                 kernels::FloatGemmArguments* arguments) const noexcept {
  const SoftErrorInjection& injection = *core_.check.options().injection;
  arguments->flip_output = nullptr;
  const int64_t columns = core_.layout.outputs * core_.layout.products;
  if (!place.strikes || injection.row < first_row || injection.row >= rows_ ||
      injection.column < 0 || injection.column >= columns) {
    return;
  }
  std::fill(std::begin(arguments->flips), std::end(arguments->flips), 0);
  arguments->flips[kernels::kMostFloatColumns] =
      static_cast<int32_t>(uint32_t{1} << (injection.bit & 31));
  arguments->flip_output =
      static_cast<std::byte*>(output_.data) +
      (injection.row * output_.stride + injection.column) * DataTypeSize(core_.kernel.output);
}

FloatRowCheck::Verdict Run::Judge(const Rows& rows, int64_t row, const std::byte* sums,
                                  int64_t parts, int64_t part_stride) const noexcept {
  if (core_.scalar()) {
    double sum = 0.0;
    for (int64_t part = 0; part < parts; ++part) {
      sum += double{*reinterpret_cast<const float*>(sums + part * part_stride)};
    }
    return core_.check.Judge(input_, core_.options.transposed_input, row, sum);
  }
  FloatRowCheck::Rows checked;
  checked.input = rows.data + (row - rows.first_row) * rows.stride;
  checked.input_stride = rows.stride;
  checked.rows = 1;
  checked.sums = sums;
  checked.parts = parts;
  checked.part_stride = part_stride;
  return core_.check.Judge(checked);
}

// Where the sums of rows come from several tasks.
void Run::CheckBlock(const Rows& rows, Range block) noexcept {
  const int64_t count = block.end - block.begin;
  const int64_t tasks = std::min<int64_t>(base::CeilDiv(count, kRowsPerCheck),
                                          4 * int64_t{core_.context.thread_count()});
  const int64_t sum_bytes = core_.check.sum_bytes();
  ParallelFor(core_.context.pool(), tasks, [&](int64_t task) {
    const Range part = plan::PartOf(count, kRowsPerCheck, tasks, task);
    const base::FloatEnvironment task_environment;
    CheckRows(rows, {block.begin + part.begin, block.begin + part.end},
              row_sums_ + part.begin * sum_bytes, grid_.panel_parts, row_sums_rows_ * sum_bytes);
  });
}

void Run::CheckRows(const Rows& rows, Range range, const std::byte* sums, int64_t parts,
                    int64_t part_stride) noexcept {
  if (!core_.scalar()) {
    FloatRowCheck::Rows checked;
    checked.input = rows.data + (range.begin - rows.first_row) * rows.stride;
    checked.input_stride = rows.stride;
    checked.rows = range.end - range.begin;
    checked.sums = sums;
    checked.parts = parts;
    checked.part_stride = part_stride;
    if (core_.check.Pass(checked)) [[likely]]
      return;
  }
  for (int64_t row = range.begin; row < range.end; ++row) {
    const std::byte* row_sums = sums + (row - range.begin) * core_.check.sum_bytes();
    switch (Judge(rows, row, row_sums, parts, part_stride)) {
      case FloatRowCheck::Verdict::kPasses:
        break;
      case FloatRowCheck::Verdict::kNotChecked:
        not_checked_rows_.fetch_add(1, std::memory_order_relaxed);
        break;
      case FloatRowCheck::Verdict::kFails:
        core_.check.Respond(row, &failed_rows_, [&] { return Recompute(rows, row); });
        break;
    }
  }
}

SoftErrorOutcome Run::Recompute(const Rows& rows, int64_t row) noexcept {
  alignas(64) std::byte sums[64] = {};
  Place place;
  place.row_sums = sums;
  place.strikes = core_.check.TakeInjection(row, 1);
  MultiplyRows(rows, {row, row + 1}, {0, core_.ShapeOf(1).panels}, place);
  return Judge(rows, row, sums, 1, 0) == FloatRowCheck::Verdict::kPasses
             ? SoftErrorOutcome::kCorrected
             : SoftErrorOutcome::kPersistent;
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
  QFORGE_RETURN_IF_ERROR(CheckOutputs(core.epilogue, input, output, residual, rows, outputs));
  return core.check.CheckResidual(residual, output);
}

Status RunFloatLinear(const FloatCore& core, const std::byte* weights, const InputMatrix& input,
                      const OutputMatrix& output, const InputMatrix& residual) noexcept {
  return Run(core, weights, input, output, residual).Execute();
}

}  // namespace qforge
