#include "qforge/sparse_linear.h"

#include <algorithm>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>
#include <optional>
#include <utility>
#include <vector>

#include "base/arithmetic.h"
#include "base/workspace.h"
#include "kernels/sparse_kernel.h"
#include "ops/parallel.h"
#include "ops/sparse_validate.h"
#include "ops/validate.h"
#include "ops/verbose.h"
#include "pack/sparse_form.h"
#include "pack/sparse_rows.h"
#include "plan/sparse.h"
#include "qforge/linear.h"
#include "ref/sparse.h"

namespace qforge {
namespace {

using kernels::SparseArguments;
using kernels::SparseFunction;
using pack::SparsePart;
using plan::Range;

// Rows of a block: 16, 32, 64.
constexpr int kBlockSizes = 3;
constexpr int BlockSize(int index) { return 16 << index; }
constexpr int BlockIndex(int block_rows) { return block_rows / 32; }

// So many rows are filled with zeros, and then each part of K is added to them.
constexpr int64_t kRowsAtOnce = 16;

constexpr int64_t kPanelColumns = kernels::kSparsePanelTiles * kernels::kSparseTileColumns;

// What the portable path reads, a copy of the caller's.
struct PlainColumns {
  std::vector<int64_t> column_offsets;
  std::vector<int64_t> row_indices;
  std::vector<int8_t> values;
};

PlainColumns Copy(const SparseWeights& weights) {
  PlainColumns copy;
  const int64_t entries = weights.values.size();
  copy.column_offsets.assign(weights.column_offsets.data(),
                             weights.column_offsets.data() + weights.outputs + 1);
  copy.values.assign(weights.values.data(), weights.values.data() + entries);
  for (int64_t e = 0; e < entries; ++e) copy.row_indices.push_back(weights.row_indices[e]);
  return copy;
}

plan::SparseShape ShapeOf(const pack::SparseForm& form, Isa isa, bool accumulate) {
  plan::SparseShape shape;
  shape.isa = isa;
  shape.inputs = form.inputs;
  shape.outputs = form.outputs;
  shape.has_all_tiles = form.has_all_tiles;
  shape.accumulates = accumulate;
  for (const SparsePart& part : form.parts) {
    shape.strips += static_cast<int64_t>(part.strips.size());
    shape.tiles += static_cast<int64_t>(part.tiles.size());
    shape.quads += static_cast<int64_t>(part.quads.size());
    shape.columns += static_cast<int64_t>(part.run_columns.size());
    shape.entries += static_cast<int64_t>(part.run_entries.size());
    shape.contiguous = shape.contiguous && part.contiguous;
  }
  return shape;
}

void FillZeros(const MatrixView<int32_t>& output, Range columns) {
  for (int64_t i = 0; i < output.rows; ++i) {
    std::memset(output.data + i * output.stride + columns.begin, 0,
                static_cast<size_t>(columns.end - columns.begin) * sizeof(int32_t));
  }
}

// The tiles of the part that lie in `columns`.
Range TilesIn(const SparsePart& part, Range columns) {
  const auto first_at = [&](int64_t column) {
    return std::lower_bound(
               part.tiles.begin(), part.tiles.end(), column,
               [](const kernels::SparseTile& tile, int64_t value) { return tile.column < value; }) -
           part.tiles.begin();
  };
  return {first_at(columns.begin), first_at(columns.end)};
}

}  // namespace

struct SparseLinear::State {
  explicit State(const Context& context_in) : context(context_in) {}

  Status ResolveKernels();
  Status MakeDenseCopy(const SparseWeights& weights);
  // The bytes in which one task works.
  int64_t TaskBytes() const;
  std::string Describe() const;

  Status Run(const MatrixView<const uint8_t>& input, const MatrixView<int32_t>& output) const;
  // A part of C, whose columns are whole chunks.
  void RunPart(const MatrixView<const uint8_t>& input, const MatrixView<int32_t>& output,
               Range rows, Range columns, std::byte* scratch) const;
  // The same for at most `block_rows` rows as a block, or for a few one by one.
  void RunBlock(const MatrixView<const uint8_t>& input, const MatrixView<int32_t>& output,
                int block_rows, Range columns, std::byte* scratch) const;
  void RunRows(const MatrixView<const uint8_t>& input, const MatrixView<int32_t>& output,
               Range columns, std::byte* scratch) const;

  Context context;
  Isa isa = Isa::kScalar;
  bool accumulate = false;
  int64_t inputs = 0;
  int64_t outputs = 0;
  int64_t entries = 0;
  PlainColumns plain;  // kScalar only; the others have a form
  pack::SparseForm form;
  plan::SparseShape shape;
  SparseFunction* overwriting[kBlockSizes] = {};
  SparseFunction* adding[kBlockSizes] = {};
  std::optional<Linear> dense;  // where it is faster for some numbers of rows
  int64_t dense_bytes = 0;
};

Status SparseLinear::State::ResolveKernels() {
  for (int i = 0; i < kBlockSizes && BlockSize(i) <= kernels::SparseMostRows(isa); ++i) {
    for (const bool adds : {false, true}) {
      kernels::SparseKernel kernel;
      kernel.isa = isa;
      kernel.rows = BlockSize(i);
      kernel.accumulate = adds;
      const Result<const jit::Kernel*> published = kernels::GetSparseKernel(kernel);
      if (!published.ok()) return published.status();
      (adds ? adding : overwriting)[i] = (*published)->As<SparseFunction>();
    }
  }
  return Status();
}

Status SparseLinear::State::MakeDenseCopy(const SparseWeights& weights) {
  std::vector<int8_t> values;
  if (!pack::MakeDense(weights, &values)) return Status();
  PackedWeightsOptions options;
  options.max_isa = isa;
  const Result<PackedWeights> packed =
      PackedWeights::Create(MatrixView<const int8_t>(values.data(), inputs, outputs), options);
  if (!packed.ok()) return packed.status();
  Epilogue epilogue;
  epilogue.output = OutputS32{accumulate};
  const Result<Linear> linear = Linear::Create(context, *packed, epilogue);
  if (!linear.ok()) return linear.status();
  dense = *linear;
  dense_bytes = packed->bytes();
  return Status();
}

int64_t SparseLinear::State::TaskBytes() const {
  const int64_t rows = kernels::SparseMostRows(isa);
  size_t strips = 0;
  for (const SparsePart& part : form.parts) strips = std::max(strips, part.strips.size());
  return (static_cast<int64_t>(strips) * kernels::kSparseStripInputs +
          kPanelColumns * int64_t{sizeof(int32_t)}) *
         rows;
}

Result<SparseLinear> SparseLinear::Create(const Context& context, const SparseWeights& weights,
                                          const SparseLinearOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(ValidateSparseWeights("weights", weights));
  try {
    auto state = std::make_shared<State>(context);
    state->isa = context.isa();
    state->accumulate = options.accumulate;
    state->inputs = weights.inputs;
    state->outputs = weights.outputs;
    state->entries = weights.values.size();
    if (state->isa == Isa::kScalar) {
      state->plain = Copy(weights);
    } else {
      state->form = pack::MakeSparseForm(weights, state->isa);
      state->shape = ShapeOf(state->form, state->isa, options.accumulate);
      QFORGE_RETURN_IF_ERROR(state->ResolveKernels());
      if (plan::KeepsDense(state->shape)) {
        QFORGE_RETURN_IF_ERROR(state->MakeDenseCopy(weights));
      }
    }
    if (Verbose()) PrintCreation(state->Describe(), state->isa);
    return SparseLinear(std::move(state));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "weights", "no memory to lay them out");
  }
}

Status SparseLinear::Run(const MatrixView<const uint8_t>& input,
                         const MatrixView<int32_t>& output) const noexcept {
  const InputMatrix a(input);
  const InputMatrix c = AsInput(OutputMatrix(output));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("input", a, DataType::kU8, input.rows, inputs()));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("output", c, DataType::kS32, input.rows, outputs()));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("output", c, "input", a));
  return state_->Run(input, output);
}

Status SparseLinear::State::Run(const MatrixView<const uint8_t>& input,
                                const MatrixView<int32_t>& output) const {
  const int64_t rows = input.rows;
  if (rows == 0 || outputs == 0) return Status();
  if (isa == Isa::kScalar) {
    ref::SparseProblem problem;
    problem.weights = {inputs, outputs, plain.column_offsets, plain.row_indices, plain.values};
    problem.input = input;
    problem.output = output;
    problem.accumulate = accumulate;
    const int64_t tasks = std::min<int64_t>(rows, context.thread_count());
    ParallelFor(context.pool(), tasks, [&](int64_t task) {
      const Range part = plan::PartOf(rows, 1, tasks, task);
      ref::SparseLinear(problem, part.begin, part.end);
    });
    return Status();
  }
  if (form.parts.empty()) {
    if (!accumulate) FillZeros(output, {0, outputs});
    return Status();
  }
  if (dense && plan::PrefersDense(shape, rows)) {
    return dense->Run(InputMatrix(input), InputQuantization(), OutputMatrix(output));
  }
  const plan::Grid grid = plan::ChooseSparseGrid(shape, rows, context.thread_count());
  base::Workspace workspace;
  QFORGE_RETURN_IF_ERROR(workspace.Lease(static_cast<size_t>(grid.tasks() * TaskBytes())));
  ParallelFor(context.pool(), grid.tasks(), [&](int64_t task) {
    RunPart(
        input, output,
        plan::PartOf(rows, kernels::SparseMostRows(isa), grid.row_parts, task / grid.panel_parts),
        plan::PartOf(outputs, kernels::kSparseChunkColumns, grid.panel_parts,
                     task % grid.panel_parts),
        workspace.data() + task * TaskBytes());
  });
  return Status();
}

void SparseLinear::State::RunPart(const MatrixView<const uint8_t>& input,
                                  const MatrixView<int32_t>& output, Range rows, Range columns,
                                  std::byte* scratch) const {
  if (columns.begin == columns.end) return;
  int64_t row = rows.begin;
  while (row < rows.end) {
    const int block = plan::NextBlockRows(shape, rows.end - row);
    const int64_t count = std::min<int64_t>(rows.end - row, block == 0 ? kRowsAtOnce : block);
    const MatrixView<const uint8_t> a(input.data + row * input.stride, count, inputs, input.stride);
    const MatrixView<int32_t> c(output.data + row * output.stride, count, outputs, output.stride);
    if (block == 0) {
      RunRows(a, c, columns, scratch);
    } else {
      RunBlock(a, c, block, columns, scratch);
    }
    row += count;
  }
}

void SparseLinear::State::RunBlock(const MatrixView<const uint8_t>& input,
                                   const MatrixView<int32_t>& output, int block_rows, Range columns,
                                   std::byte* scratch) const {
  const int index = BlockIndex(block_rows);
  bool overwrites = !accumulate && form.has_all_tiles;
  if (!accumulate && !overwrites) FillZeros(output, columns);
  SparseArguments arguments;
  arguments.sums = reinterpret_cast<int32_t*>(scratch);
  uint8_t* block = reinterpret_cast<uint8_t*>(arguments.sums + kPanelColumns * block_rows);
  arguments.block = block;
  arguments.row_count = output.rows;
  arguments.output = output.data;
  arguments.output_stride = output.stride * int64_t{sizeof(int32_t)};
  arguments.outputs = outputs;
  for (const SparsePart& part : form.parts) {
    const Range tiles = TilesIn(part, columns);
    if (tiles.begin < tiles.end) {
      pack::TransposeRows(input, part, block_rows, block);
      arguments.tiles = part.tiles.data() + tiles.begin;
      arguments.tiles_end = part.tiles.data() + tiles.end;
      arguments.quads = part.quads.data() + part.first_quads[static_cast<size_t>(tiles.begin)];
      (overwrites ? overwriting : adding)[index](&arguments);
    }
    overwrites = false;
  }
}

void SparseLinear::State::RunRows(const MatrixView<const uint8_t>& input,
                                  const MatrixView<int32_t>& output, Range columns,
                                  std::byte* scratch) const {
  if (!accumulate) FillZeros(output, columns);
  for (const SparsePart& part : form.parts) {
    const kernels::SparseRow entries = part.Row(columns.begin, columns.end);
    if (entries.runs == entries.runs_end) continue;
    for (int64_t i = 0; i < input.rows; ++i) {
      const uint8_t* a = input.data + i * input.stride;
      const uint8_t* slots = a + part.strips.front();
      if (!part.contiguous) {
        uint8_t* gathered = reinterpret_cast<uint8_t*>(scratch);
        pack::GatherRow(a, inputs, part, gathered);
        slots = gathered;
      }
      int32_t* c = output.data + i * output.stride;
      kernels::AddSparseRow(entries, slots, c, i + 1 < input.rows ? c + output.stride : c);
    }
  }
}

std::string SparseLinear::State::Describe() const {
  char text[256];
  const double positions = static_cast<double>(inputs) * static_cast<double>(outputs);
  std::snprintf(text, sizeof(text),
                "sparse int8 product %" PRId64 " -> %" PRId64 ", %" PRId64
                " entries, density %.3g, isa %s, %d thread(s)\n",
                inputs, outputs, entries,
                positions == 0 ? 0.0 : static_cast<double>(entries) / positions, IsaName(isa),
                context.thread_count());
  std::string description = text;
  if (isa == Isa::kScalar) {
    return description +
           "  all rows: portable scalar code (no vector instruction set may be used)\n";
  }
  std::snprintf(text, sizeof(text),
                "  form: %zu part(s) of K, %" PRId64 " strips of 16 k, %" PRId64
                " tiles of 16 columns, %" PRId64 " quads of entries\n",
                form.parts.size(), shape.strips, shape.tiles, shape.quads);
  description += text;

  // The way of each number of rows, neighbours with the same one together.
  const auto way = [&](int64_t rows) -> std::string {
    if (dense && plan::PrefersDense(shape, rows)) return "dense kernels";
    const int block = plan::NextBlockRows(shape, rows);
    if (block == 0) return "row by row";
    kernels::SparseKernel kernel;
    kernel.isa = isa;
    kernel.rows = block;
    kernel.accumulate = accumulate || !form.has_all_tiles;
    return "blocks of " + std::to_string(block) + " transposed rows, " + kernel.Name();
  };
  const int most = kernels::SparseMostRows(isa);
  for (int64_t begin = 1; begin <= most;) {
    int64_t end = begin + 1;
    while (end <= most && way(end) == way(begin)) ++end;
    description += "  from " + std::to_string(begin) + " row(s): " + way(begin) + "\n";
    begin = end;
  }
  if (plan::KeepsDense(shape) && !dense) {
    description += "  no dense kernels: entries of one position add up to more than s8 holds\n";
  }
  return description;
}

int64_t SparseLinear::inputs() const noexcept { return state_->inputs; }
int64_t SparseLinear::outputs() const noexcept { return state_->outputs; }
Isa SparseLinear::isa() const noexcept { return state_->isa; }

int64_t SparseLinear::bytes() const noexcept {
  const PlainColumns& plain = state_->plain;
  return state_->form.bytes() + state_->dense_bytes +
         static_cast<int64_t>((plain.column_offsets.size() + plain.row_indices.size()) *
                                  sizeof(int64_t) +
                              plain.values.size());
}

std::string SparseLinear::Describe() const noexcept {
  try {
    return state_->Describe();
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
