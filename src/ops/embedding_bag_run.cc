#include <algorithm>
#include <cstring>

#include "base/float_environment.h"
#include "ops/embedding_bag_core.h"
#include "ops/embedding_rows.h"
#include "ops/parallel.h"
#include "plan/embedding.h"
#include "plan/partition.h"
#include "ref/embedding.h"

namespace qforge {
namespace {

using plan::Range;

plan::LookupShape ShapeOf(const BagLookup& lookup) {
  plan::LookupShape shape;
  shape.output_rows = lookup.output_rows();
  shape.positions = lookup.end_position() - lookup.first_position();
  shape.position_lines = plan::LinesOf(lookup.core->row_bytes);
  shape.output_row_lines =
      plan::LinesOf(lookup.core->output_columns * lookup.core->output_element_bytes);
  shape.starts = lookup.starts;
  return shape;
}

// Output rows [begin, end) as bytes of the table.
void CopyTableRows(const BagLookup& lookup, int64_t begin, int64_t end) {
  const BagCore& core = *lookup.core;
  const size_t bytes = static_cast<size_t>(core.row_bytes);
  const int32_t* const map = core.options.row_map.empty() ? nullptr : core.options.row_map.data();
  for (int64_t p = begin; p < end; ++p) {
    std::byte* const to = static_cast<std::byte*>(lookup.output->data) + p * lookup.output->stride;
    int64_t row = lookup.input->indices[p];
    if (map != nullptr) row = map[row];
    if (row < 0) {
      std::memset(to, 0, bytes);
    } else {
      std::memcpy(to, core.table->data + row * core.table->layout.stride, bytes);
    }
  }
}

void CallReference(const BagLookup& lookup, int64_t begin, int64_t end) {
  const BagCore& core = *lookup.core;
  ref::BagProblem problem;
  problem.rows = RowsOf(*core.table);
  problem.pooling = core.options.pooling;
  problem.weights_kind = core.options.weights;
  problem.indices = lookup.input->indices;
  problem.starts = lookup.starts;
  problem.weights = lookup.input->weights.data();
  problem.row_map = core.options.row_map.data();
  problem.output = *lookup.output;
  ref::EmbeddingBag(problem, begin, end);
}

void CallKernel(const BagLookup& lookup, kernels::EmbeddingFunction* look_up, int64_t begin,
                int64_t end) {
  const BagCore& core = *lookup.core;
  const BagInput& input = *lookup.input;
  kernels::EmbeddingArguments arguments;
  arguments.rows = core.table->data;
  arguments.row_stride = core.table->layout.stride;
  arguments.indices = input.indices.data();
  arguments.starts = lookup.starts;
  arguments.begin = begin;
  arguments.end = end;
  arguments.index_end = lookup.end_position();
  arguments.prefetch_distance = core.options.prefetch_distance;
  arguments.weights = input.weights.data();
  arguments.row_map = core.options.row_map.data();
  arguments.codebooks = core.table->codebooks;
  arguments.output = lookup.output->data;
  arguments.output_stride = lookup.output->stride * core.output_element_bytes;
  look_up(&arguments);
}

// Does the output's rows [begin, end). (As a Range they would go through memory, in a store and a
// load that wait for each other: 4 ns of 30.)
void LookUp(const BagLookup& lookup, int64_t begin, int64_t end) {
  if (begin == end) return;
  const BagCore& core = *lookup.core;
  kernels::EmbeddingFunction* const look_up =
      core.functions(lookup.input->indices.element_bytes()).look_up;
  if (core.copies_rows()) {
    CopyTableRows(lookup, begin, end);
  } else if (look_up == nullptr || lookup.end_position() == lookup.first_position()) {
    CallReference(lookup, begin, end);  // kernels expect at least one index somewhere
  } else {
    CallKernel(lookup, look_up, begin, end);
  }
}

// Does a part of the work of all look-ups, laid end to end.
void LookUpPart(const BagLookup* lookups, int64_t count, Range part) {
  base::FloatEnvironment environment;
  int64_t before = 0;
  for (int64_t i = 0; i < count && before < part.end; ++i) {
    const plan::LookupShape shape = ShapeOf(lookups[i]);
    const int64_t behind = before + shape.work();
    if (behind > part.begin) {
      const Range rows = plan::OutputRowsOf(shape, {part.begin - before, part.end - before});
      LookUp(lookups[i], rows.begin, rows.end);
    }
    before = behind;
  }
}

}  // namespace

void RunLookups(const Context& context, const BagLookup* lookups, int64_t count) noexcept {
  if (context.pool() != nullptr) {
    int64_t work = 0;
    for (int64_t i = 0; i < count; ++i) work += ShapeOf(lookups[i]).work();
    const int64_t parts = plan::LookupParts(work, context.thread_count());
    if (parts > 1) {
      ParallelFor(context.pool(), parts, [&](int64_t part) {
        LookUpPart(lookups, count, plan::PartOf(work, 1, parts, part));
      });
      return;
    }
  }
  base::FloatEnvironment environment;
  for (int64_t i = 0; i < count; ++i) LookUp(lookups[i], 0, lookups[i].output_rows());
}

}  // namespace qforge
