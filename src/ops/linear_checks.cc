#include <algorithm>
#include <iterator>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "ops/linear_runner.h"
#include "ops/parallel.h"

namespace qforge {
namespace {

// Rows that are multiplied before their sums are checked, so that these stay in the first-level
// cache; and rows of a block where a row's sums come from several tasks.
constexpr int64_t kCheckedRows = 256;
constexpr int64_t kCheckedBlockRows = 4096;
// Rows that one task checks behind the others: fewer are not worth a second thread.
constexpr int64_t kRowsPerCheck = 32;

}  // namespace

void LinearRunner::PlanCheck(int64_t threads) noexcept {
  const auto choose = [&] {
    return plan::ChooseGrid(ShapeOf(core_, block_rows_), TileRows(core_),
                            static_cast<int>(threads));
  };
  if (grid_.panel_parts > 1 && block_rows_ > kCheckedBlockRows) {
    block_rows_ = kCheckedBlockRows;
    grid_ = choose();
  }
  if (grid_.panel_parts > 1) {
    row_sums_rows_ = block_rows_;
    row_sums_count_ = grid_.panel_parts;
    return;
  }
  const int64_t whole_tiles =
      std::max<int64_t>(1, kCheckedRows / TileRows(core_)) * TileRows(core_);
  row_sums_rows_ = std::min(block_rows_, whole_tiles);
  row_sums_count_ = grid_.tasks();
}

Status LinearRunner::ExecuteAgain() noexcept {
  verifies_ = true;
  return Execute();
}

void LinearRunner::Inject(bool strikes, int64_t first_row, int64_t product, Range panels,
                          kernels::GemmArguments* arguments) const noexcept {
  const pack::PanelLayout& layout = core_.layout;
  const SoftErrorInjection& injection = *core_.check.options().injection;
  const int64_t column = injection.column - product * layout.outputs;
  const int64_t panel = column / layout.panel_columns();
  arguments->flip_row = -1;
  arguments->flip_weights = nullptr;
  std::fill(std::begin(arguments->flips), std::end(arguments->flips), 0);
  if (!strikes || column < 0 || column >= layout.outputs || panel < panels.begin ||
      panel >= panels.end || injection.row < first_row) {
    return;
  }
  arguments->flip_row = 4 * (injection.row - first_row);
  arguments->flip_weights = Panel(product, panel);
  arguments->flips[column % layout.panel_columns()] =
      static_cast<int32_t>(uint32_t{1} << (injection.bit & 31));
}

// To the sums of a later row.
void LinearRunner::MoveSums(int64_t rows, kernels::GemmArguments* arguments) const noexcept {
  if (!core_.check.active()) return;
  arguments->row_sums += rows * core_.check.sum_bytes() / int64_t{sizeof(int32_t)};
  if (core_.kernel.injects) arguments->flip_row -= 4 * rows;
}

bool LinearRunner::Passes(const Rows& rows, Range range, const std::byte* sums, int64_t parts,
                          int64_t part_stride) const noexcept {
  if (core_.scalar()) {
    const ref::LinearProblem problem = ScalarProblem(rows);
    const int64_t shift = core_.preparation.copies() ? rows.first_row : 0;
    for (int64_t row = range.begin; row < range.end; ++row) {
      uint32_t sum = 0;
      for (int64_t part = 0; part < parts; ++part) {
        sum += reinterpret_cast<const uint32_t*>(sums + part * part_stride)[row - range.begin];
      }
      if (!core_.check.Passes(problem, row - shift, static_cast<int32_t>(sum))) return false;
    }
    return true;
  }
  RowCheck::Rows checked;
  checked.input = rows.data + (range.begin - rows.first_row) * rows.stride;
  checked.input_stride = rows.stride;
  checked.rows = range.end - range.begin;
  checked.sums = sums;
  checked.parts = parts;
  checked.part_stride = part_stride;
  checked.input_zero_point = core_.kernel.per_row ? 0 : *rows.zero_points;
  return core_.check.Passes(checked);
}

// Where the sums of rows come from several tasks.
void LinearRunner::CheckBlock(const Rows& rows, Range block) noexcept {
  const int64_t count = block.end - block.begin;
  const int64_t tasks = std::min<int64_t>(base::CeilDiv(count, kRowsPerCheck),
                                          4 * int64_t{core_.context.thread_count()});
  const int64_t sum_bytes = core_.check.sum_bytes();
  ParallelFor(pool_, tasks, [&](int64_t task) {
    const Range part = plan::PartOf(count, kRowsPerCheck, tasks, task);
    base::FloatEnvironment environment;
    CheckRows(rows, {block.begin + part.begin, block.begin + part.end},
              row_sums_ + part.begin * sum_bytes, grid_.panel_parts, row_sums_rows_ * sum_bytes);
  });
}

void LinearRunner::CheckRows(const Rows& rows, Range range, const std::byte* sums, int64_t parts,
                             int64_t part_stride) noexcept {
  if (Passes(rows, range, sums, parts, part_stride)) [[likely]]
    return;
  const int64_t sum_bytes = core_.check.sum_bytes();
  for (int64_t row = range.begin; row < range.end; ++row) {
    const std::byte* row_sums = sums + (row - range.begin) * sum_bytes;
    if (Passes(rows, {row, row + 1}, row_sums, parts, part_stride)) continue;
    if (verifies_) {
      failed_rows_.Add(row);
      continue;
    }
    core_.check.Respond(row, &failed_rows_, [&] { return Recompute(rows, row); });
  }
}

SoftErrorOutcome LinearRunner::Recompute(const Rows& rows, int64_t row) noexcept {
  alignas(64) std::byte sums[64] = {};
  Place place;
  place.row_sums = sums;
  place.strikes = core_.check.TakeInjection(row, 1);
  const Range range{row, row + 1};
  MultiplyRows(rows, range, {0, ShapeOf(core_, 1).panels}, place);
  return Passes(rows, range, sums, 1, 0) ? SoftErrorOutcome::kCorrected
                                         : SoftErrorOutcome::kPersistent;
}

}  // namespace qforge
