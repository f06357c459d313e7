#include <algorithm>
#include <cstring>

#include "base/arithmetic.h"
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

// Copies rows of a table as they are stored, those that indices of type Index name.
template <class Index>
class RowCopier {
 public:
  explicit RowCopier(const BagLookup& lookup)
      : indices_(static_cast<const Index*>(lookup.input->indices.data())),
        map_(lookup.core->options.row_map.data()),
        table_(lookup.core->table->data),
        stride_(lookup.core->table->layout.stride),
        bytes_(lookup.core->row_bytes),
        distance_(lookup.core->options.prefetch_distance),
        output_(static_cast<std::byte*>(lookup.output->data)),
        output_stride_(lookup.output->stride) {}

  // Writes the output's rows [begin, end).
  void Copy(int64_t begin, int64_t end) const {
    // The first rows are prefetched in one go before any is read, as kernels do it.
    int64_t prefetched = distance_ == 0 ? end : begin;
    for (int64_t p = begin; p < end; ++p) {
      for (const int64_t behind = std::min(p + distance_ + 1, end); prefetched < behind;) {
        Prefetch(Row(prefetched++));
      }
      std::byte* const to = output_ + p * output_stride_;
      if (const std::byte* const row = Row(p)) {
        std::memcpy(to, row, static_cast<size_t>(bytes_));
      } else {
        std::memset(to, 0, static_cast<size_t>(bytes_));
      }
    }
  }

 private:
  // Null where it was pruned.
  const std::byte* Row(int64_t position) const {
    int64_t row = indices_[position];
    if (map_ != nullptr) row = map_[row];
    return row < 0 ? nullptr : table_ + row * stride_;
  }

  void Prefetch(const std::byte* row) const {
    if (row == nullptr) return;
    constexpr int64_t kLineBytes = 64;
    for (int64_t at = 0; at < bytes_; at += kLineBytes) __builtin_prefetch(row + at);
    __builtin_prefetch(row + bytes_ - 1);
  }

  const Index* const indices_;
  const int32_t* const map_;  // null: none
  const std::byte* const table_;
  const int64_t stride_;
  const int64_t bytes_;
  const int64_t distance_;
  std::byte* const output_;
  const int64_t output_stride_;
};

void CopyTableRows(const BagLookup& lookup, int64_t begin, int64_t end) {
  if (lookup.input->indices.element_bytes() == 4) {
    RowCopier<int32_t>(lookup).Copy(begin, end);
  } else {
    RowCopier<int64_t>(lookup).Copy(begin, end);
  }
}

// Whether it takes less time to check all codebooks beforehand than that of each row with the row,
// and all agree with their checksums. If one does not, the rows that name it are found row by row.
bool CodebooksAreSound(const BagLookup& lookup, int64_t begin, int64_t end) {
  const BagCore& core = *lookup.core;
  if (core.sum_codebooks == nullptr) return false;
  const pack::EmbeddingTableData& table = *core.table;
  const int64_t positions =
      lookup.starts == nullptr ? end - begin : lookup.starts[end] - lookup.starts[begin];
  if (table.clusters > positions / core.options.soft_errors.sample_interval) return false;
  const kernels::ScrubArguments codebooks{reinterpret_cast<const std::byte*>(table.codebooks),
                                          kCodebookBytes, table.codebook_checksums, table.clusters};
  return core.sum_codebooks(&codebooks) == 0;
}

int64_t CallKernel(const BagLookup& lookup, kernels::EmbeddingFunction* look_up, int64_t begin,
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
  arguments.second_prefetch_distance = core.second_prefetch_distance;
  arguments.weights = input.weights.data();
  arguments.row_map = core.options.row_map.data();
  arguments.codebooks = core.table->codebooks;
  arguments.output = lookup.output->data;
  arguments.output_stride = lookup.output->stride * core.output_element_bytes;
  if (core.check == kernels::RowCheck::kNone) {
    look_up(&arguments);
    return end;
  }
  arguments.checksums = core.table->checksums;
  arguments.codebook_checksums = core.table->codebook_checksums;
  arguments.last_codebook = LastCodebook(*core.table);
  arguments.first_checked = FirstCheckedFrom(lookup, begin);
  arguments.check_interval = core.options.soft_errors.sample_interval;
  return look_up(&arguments);
}

// (As a Range, begin and end would go through memory, in a store and a load that wait for each
// other: 4 ns of 30.)
void LookUpAny(const BagLookup& lookup, int64_t begin, int64_t end) {
  if (begin == end) return;
  if (lookup.core->check == kernels::RowCheck::kNone) {
    LookUp(lookup, begin, end);
  } else {
    LookUpChecked(lookup, begin, end);
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
      LookUpAny(lookups[i], rows.begin, rows.end);
    }
    before = behind;
  }
}

}  // namespace

int64_t FirstCheckedFrom(const BagLookup& lookup, int64_t row) noexcept {
  const int64_t interval = lookup.core->options.soft_errors.sample_interval;
  const int64_t behind = row - lookup.first_checked;
  if (behind <= 0) return lookup.first_checked;
  return lookup.first_checked + base::CeilDiv(behind, interval) * interval;
}

ref::BagProblem ProblemOf(const BagLookup& lookup) noexcept {
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
  return problem;
}

int64_t LookUp(const BagLookup& lookup, int64_t begin, int64_t end) noexcept {
  const BagCore& core = *lookup.core;
  const BagCore::Functions& functions = core.functions(lookup.input->indices.element_bytes());
  if (core.copies_rows()) {
    CopyTableRows(lookup, begin, end);
    return end;
  }
  if (functions.look_up == nullptr || lookup.end_position() == lookup.first_position()) {
    ref::EmbeddingBag(ProblemOf(lookup), begin, end);  // kernels expect an index somewhere
    return end;
  }
  return CallKernel(
      lookup,
      CodebooksAreSound(lookup, begin, end) ? functions.look_up_sound_codebooks : functions.look_up,
      begin, end);
}

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
  for (int64_t i = 0; i < count; ++i) LookUpAny(lookups[i], 0, lookups[i].output_rows());
}

}  // namespace qforge
