// What an EmbeddingBag is made of, and what one call of it works on.
#ifndef QFORGE_OPS_EMBEDDING_BAG_CORE_H_
#define QFORGE_OPS_EMBEDDING_BAG_CORE_H_

#include <atomic>
#include <cstdint>
#include <limits>
#include <memory>
#include <string>

#include "kernels/embedding_kernel.h"
#include "pack/embedding_table_data.h"
#include "qforge/context.h"
#include "qforge/embedding_bag.h"
#include "qforge/embedding_table.h"
#include "qforge/status.h"
#include "ref/embedding.h"

namespace qforge {

// Created once, read by any number of threads.
struct BagCore {
  explicit BagCore(const Context& own_context) noexcept : context(own_context) {}

  // Validates everything that does not change per call, and resolves the kernels. May throw
  // std::bad_alloc.
  static Result<BagCore> Create(const Context& context, const EmbeddingTable& table,
                                const EmbeddingBagOptions& options);
  std::string Describe() const;

  bool pooled() const { return options.pooling != Pooling::kNone; }
  bool scalar() const { return context.isa() == Isa::kScalar; }
  // Kernels check as they go.
  bool kernel_checks() const {
    return check != kernels::RowCheck::kNone && !copies_rows() && !scalar();
  }
  bool copies_rows() const { return options.output == DataType::kU8; }
  // Indices are in [0, index_limit).
  int64_t index_limit() const {
    return options.row_map.empty() ? table->rows : options.row_map.size();
  }

  Context context;
  std::shared_ptr<const pack::EmbeddingTableData> table;
  EmbeddingBagOptions options;  // prefetch_distance resolved
  bool from_memory = false;     // where rows come from
  int second_prefetch_distance = 0;
  int64_t row_bytes = 0;
  int64_t output_columns = 0;
  int64_t output_element_bytes = 0;
  int64_t table_bytes = 0;  // from the first to behind the last byte of a row
  int64_t codebook_bytes = 0;

  // kNone where rows are not checked: there are no checksums, or nobody wants to know.
  kernels::RowCheck check = kernels::RowCheck::kNone;

  // For indices of 4 and of 8 bytes; null on the portable path.
  struct Functions {
    kernels::EmbeddingFunction* look_up = nullptr;
    // twotier4 that is checked: where all codebooks agree with their checksums.
    kernels::EmbeddingFunction* look_up_sound_codebooks = nullptr;
    kernels::CheckIndicesFunction* check = nullptr;
  };
  Functions functions_32;
  Functions functions_64;
  const Functions& functions(int index_bytes) const {
    return index_bytes == 4 ? functions_32 : functions_64;
  }
  kernels::RowSumFunction* sum_codebooks = nullptr;  // likewise

 private:
  kernels::RowPrefetch Prefetch() const;
  void ResolveCheck();
  // Kernels check codebooks, too.
  bool checks_codebooks() const {
    return kernel_checks() && table->layout.format == RowFormat::kTwoTier4;
  }
  kernels::EmbeddingKernel Kernel(int index_bytes) const;
  Status Resolve(int index_bytes, Functions* functions) const;
  Status ResolveCodebookCheck();
};

// One look-up of a call. What it points to outlives the call.
struct BagLookup {
  const BagCore* core;
  const BagInput* input;
  const OutputMatrix* output;
  const int64_t* starts;  // where bags begin, and where the last one ends; null without pooling
  // Where rows are checked: the first row of the output that is, and every sample_interval-th from
  // there on; and the first of them that failed, which any thread may write.
  int64_t first_checked = 0;
  mutable std::atomic<int64_t> first_failed{kNoRow};

  static constexpr int64_t kNoRow = std::numeric_limits<int64_t>::max();
  int64_t output_rows() const { return output->rows; }
  int64_t first_position() const { return starts == nullptr ? 0 : starts[0]; }
  int64_t end_position() const { return starts == nullptr ? output_rows() : starts[output_rows()]; }
};

// What can be seen from sizes and addresses: shapes, null, alignment, overlap. Reads no array.
Status ValidateBagShapes(const BagCore& core, const BagInput& input,
                         const OutputMatrix& output) noexcept;

// The number of starts to make room for: 0 where bounds are used as they are, or there are none.
inline int64_t StartsToMake(const BagCore& core, const BagInput& input) noexcept {
  if (!core.pooled()) return 0;
  if (core.options.bounds != BagBounds::kOffsets) return input.bounds.size() + 1;
  return input.bounds.element_bytes() == 8 ? 0 : input.bounds.size();
}

// Sets lookup->starts, to the bounds themselves or to `room`; checks bounds, and the weights that
// they ask for, unless the caller vouches for them. The shapes are valid.
Status ValidateBagBounds(BagLookup* lookup, int64_t* room) noexcept;

// Whether all indices are in range, but for those that callers vouch for. On the threads of
// `context` where they are many. The bounds are valid.
bool IndicesAreInRange(const Context& context, const BagLookup* lookups, int64_t count) noexcept;
// Where they are not: names the first one in order, which is in look-up *number.
Status FindBadIndex(const BagLookup* lookups, int64_t count, int64_t* number) noexcept;

// All of this for one look-up.
Status ValidateBagContents(BagLookup* lookup, int64_t* room) noexcept;

// No output has a byte in common with what another look-up reads. `room`: 2 * count numbers.
Status CheckOutputsApart(const BagLookup* lookups, int64_t count, uintptr_t* room) noexcept;

// The first row of the output from `row` on that is checked.
int64_t FirstCheckedFrom(const BagLookup& lookup, int64_t row) noexcept;

// The look-up as the scalar truth takes it.
ref::BagProblem ProblemOf(const BagLookup& lookup) noexcept;

// Does the output's rows [begin, end), where they are not checked, or as far as the kernel goes:
// returns the first one that did not pass, or `end`.
int64_t LookUp(const BagLookup& lookup, int64_t begin, int64_t end) noexcept;
// The same where they are: every row, and whatever the policy asks for where one fails.
void LookUpChecked(const BagLookup& lookup, int64_t begin, int64_t end) noexcept;

// Of a look-up that checks, behind RunLookups(): counts, and whether it fails.
Status FinishChecks(const BagLookup& lookup) noexcept;

// Does the look-ups, which are valid, on the threads of `context`.
void RunLookups(const Context& context, const BagLookup* lookups, int64_t count) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_BAG_CORE_H_
