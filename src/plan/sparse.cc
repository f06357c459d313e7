#include "plan/sparse.h"

#include <algorithm>

#include "base/arithmetic.h"
#include "cpu/isa_table.h"
#include "kernels/sparse_kernel.h"

namespace qforge::plan {
namespace {

// Measured on Zen 5. What matters is where the ways cross, and there they differ by factors.
constexpr double kStripCycles = 50;  // transposing 16 rows of 16 bytes
constexpr double kTileCycles = 40;   // the 16 columns of a tile, before any entry
constexpr double kStoreCycles = 10;  // 4 rows of a tile from sums to C
constexpr double kRowCycles = 20;    // one row, before any entry
constexpr double kColumnCycles = 1.6;
constexpr double kEntryCycles = 1.4;
constexpr double kGatherCycles = 1.5;  // copying 16 bytes
constexpr double kFillCycles = 2;      // 16 zeros of C
constexpr int64_t kTileColumns = kernels::kSparseTileColumns;

double QuadCycles(Isa isa) { return cpu::Traits(isa).vnni ? 5 : 8; }

// Products per cycle of the dense kernels, and weights that they read at most.
double DenseProducts(Isa isa) {
  const cpu::IsaTraits& traits = cpu::Traits(isa);
  return traits.vector_bytes * (traits.vnni ? 1.8 : 0.8);
}
constexpr double kDenseBytes = 36;
constexpr double kDenseCycles = 100;  // one call

double FillCycles(const SparseShape& shape, int64_t rows) {
  if (shape.accumulates) return 0;
  return static_cast<double>(rows * base::CeilDiv(shape.outputs, kTileColumns)) * kFillCycles;
}

}  // namespace

double BlockCycles(const SparseShape& shape, int64_t rows, int block_rows) {
  const double blocks = static_cast<double>(base::CeilDiv<int64_t>(rows, block_rows));
  return static_cast<double>(base::CeilDiv<int64_t>(rows, 16) * shape.strips) * kStripCycles +
         blocks * static_cast<double>(shape.quads) * QuadCycles(shape.isa) +
         blocks * static_cast<double>(shape.tiles) * kTileCycles +
         static_cast<double>(base::CeilDiv<int64_t>(rows, 4) * shape.tiles) * kStoreCycles +
         (shape.has_all_tiles ? 0 : FillCycles(shape, rows));
}

double RowByRowCycles(const SparseShape& shape, int64_t rows) {
  const double row = kRowCycles + static_cast<double>(shape.columns) * kColumnCycles +
                     static_cast<double>(shape.entries) * kEntryCycles +
                     (shape.contiguous ? 0 : static_cast<double>(shape.strips) * kGatherCycles);
  return static_cast<double>(rows) * row + FillCycles(shape, rows);
}

double DenseCycles(const SparseShape& shape, int64_t rows) {
  const double products = static_cast<double>(shape.inputs) * static_cast<double>(shape.outputs);
  const double issue = products * static_cast<double>(rows) / DenseProducts(shape.isa);
  return kDenseCycles + std::max(issue, products / kDenseBytes);
}

int NextBlockRows(const SparseShape& shape, int64_t rows) {
  const int most = cpu::Traits(shape.isa).vector_bytes;
  rows = std::min<int64_t>(rows, most);
  int block = 16;
  while (block < rows) block *= 2;
  return RowByRowCycles(shape, rows) < BlockCycles(shape, rows, block) ? 0 : block;
}

double SparseCycles(const SparseShape& shape, int64_t rows) {
  const int most = cpu::Traits(shape.isa).vector_bytes;
  if (NextBlockRows(shape, rows) == 0) return RowByRowCycles(shape, rows);
  const int64_t whole = base::AlignDown<int64_t>(rows, most);
  const double cycles = BlockCycles(shape, whole, most);
  if (whole == rows) return cycles;
  const int block = NextBlockRows(shape, rows - whole);
  return cycles + (block == 0 ? RowByRowCycles(shape, rows - whole)
                              : BlockCycles(shape, rows - whole, block));
}

bool PrefersDense(const SparseShape& shape, int64_t rows) {
  return DenseCycles(shape, rows) < SparseCycles(shape, rows);
}

bool KeepsDense(const SparseShape& shape) {
  for (const int64_t rows : {1, 6, 16, 64, 1024}) {
    if (PrefersDense(shape, rows)) return true;
  }
  return false;
}

Grid ChooseSparseGrid(const SparseShape& shape, int64_t rows, int threads) {
  // Waking a thread costs a few microseconds.
  constexpr double kCyclesPerTask = 3e4;
  constexpr int64_t kTasksPerThread = 4;
  Grid grid;
  if (threads <= 1) return grid;
  const auto worthwhile = static_cast<int64_t>(std::min<double>(
      SparseCycles(shape, rows) / kCyclesPerTask, static_cast<double>(kTasksPerThread * threads)));
  if (worthwhile < 2) return grid;
  // By rows as far as there are blocks: parts of the columns transpose the same rows again.
  const int64_t blocks = base::CeilDiv<int64_t>(rows, cpu::Traits(shape.isa).vector_bytes);
  const int64_t column_chunks = base::CeilDiv<int64_t>(shape.outputs, kernels::kSparseChunkColumns);
  grid.row_parts = std::min(blocks, worthwhile);
  if (grid.row_parts < threads) {
    grid.panel_parts = std::clamp<int64_t>(worthwhile / grid.row_parts, 1, column_chunks);
    grid.panel_parts = std::min<int64_t>(grid.panel_parts, threads);
  }
  return grid;
}

}  // namespace qforge::plan
