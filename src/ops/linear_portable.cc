#include <algorithm>

#include "ops/linear_runner.h"

namespace qforge {

ref::LinearProblem LinearRunner::ScalarProblem(const Rows& rows) const noexcept {
  const pack::PanelLayout& layout = core_.layout;
  ref::LinearProblem problem;
  problem.rows = rows_;
  problem.inputs = layout.inputs;
  problem.outputs = layout.outputs;
  problem.groups = layout.products;
  problem.input = request_.input;
  problem.transposed_input = core_.options.transposed_input;
  problem.quantization = *quantization_;
  problem.weights = weights_.data;
  problem.layout = WeightsLayout::kInputsByOutputs;
  problem.weights_stride = layout.outputs;
  problem.scales = weights_.scales;
  problem.zero_points = weights_.zero_points;
  problem.accumulation = weights_.accumulation;
  problem.outliers = weights_.outliers;
  problem.epilogue = core_.epilogue;
  problem.output = request_.output;
  problem.residual = request_.residual;
  if (!core_.preparation.copies()) return problem;
  // Quantised rows of this block: the problem is the block.
  problem.input = InputMatrix(reinterpret_cast<const uint8_t*>(rows.data), block_rows_,
                              layout.inputs * layout.products);
  problem.transposed_input = false;
  if (core_.kernel.per_row) {
    problem.quantization =
        InputQuantization(ArrayView<const float>(rows.scales, block_rows_),
                          ArrayView<const int32_t>(rows.zero_points, block_rows_));
  }
  problem.rows = block_rows_;
  if (request_.sink.function == nullptr) {
    problem.output.data =
        static_cast<std::byte*>(problem.output.data) +
        rows.first_row * problem.output.stride * DataTypeSize(problem.output.type);
  }
  if (problem.residual.data != nullptr) {
    problem.residual.data =
        static_cast<const std::byte*>(problem.residual.data) +
        rows.first_row * problem.residual.stride * DataTypeSize(problem.residual.type);
  }
  return problem;
}

void LinearRunner::MultiplyScalar(const Rows& rows, Range range, Range columns,
                                  Place place) noexcept {
  const ref::LinearProblem problem = ScalarProblem(rows);
  const int64_t shift = core_.preparation.copies() ? rows.first_row : 0;
  if (request_.sink.function == nullptr && !core_.check.active()) {
    ref::Linear(problem, {range.begin - shift, range.end - shift, columns.begin, columns.end});
    return;
  }
  MultiplyScalarTiles(problem, range, shift, columns, place);
}

// Tile by tile, for what looks at accumulators.
void LinearRunner::MultiplyScalarTiles(const ref::LinearProblem& problem, Range range,
                                       int64_t shift, Range columns, Place place) noexcept {
  int32_t own_tile[kCallbackRows * kScalarPanelColumns];
  const bool sink = request_.sink.function != nullptr;
  int32_t* const tile =
      sink ? reinterpret_cast<int32_t*>(tiles_ + place.task * TileBytes(core_)) : own_tile;
  for (int64_t row = range.begin; row < range.end; row += kCallbackRows) {
    for (int64_t column = columns.begin; column < columns.end; column += kScalarPanelColumns) {
      const int64_t row_end = std::min(range.end, row + kCallbackRows);
      const int64_t column_end = std::min(columns.end, column + kScalarPanelColumns);
      const ref::Block block{row - shift, row_end - shift, column, column_end};
      ref::Accumulators(problem, block, tile, kScalarPanelColumns);
      if (core_.check.active()) {
        const SoftErrorInjection* injection = core_.check.options().injection;
        if (place.strikes && injection->row >= row && injection->row < row_end &&
            injection->column >= column && injection->column < column_end) {
          tile[(injection->row - row) * kScalarPanelColumns + injection->column - column] ^=
              static_cast<int32_t>(uint32_t{1} << (injection->bit & 31));
        }
        for (int64_t i = row; i < row_end; ++i) {
          auto* sum = reinterpret_cast<uint32_t*>(place.row_sums) + (i - range.begin);
          for (int64_t j = column; j < column_end; ++j) {
            *sum += static_cast<uint32_t>(tile[(i - row) * kScalarPanelColumns + j - column]);
          }
        }
      }
      if (sink) {
        HandOver(tile, kScalarPanelColumns, {row, row_end}, {column, column_end});
      } else {
        ref::StoreAccumulators(problem, block, tile, kScalarPanelColumns);
      }
    }
  }
}

}  // namespace qforge
