// What quantisation does with rows, whatever the format: the functions of an ISA, reading a row,
// and walking over all rows on a context's threads.
#ifndef QFORGE_OPS_EMBEDDING_QUANTIZE_ROWS_H_
#define QFORGE_OPS_EMBEDDING_QUANTIZE_ROWS_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <mutex>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "base/workspace.h"
#include "kernels/table_quantize.h"
#include "ops/parallel.h"
#include "qforge/context.h"
#include "qforge/embedding_table.h"
#include "qforge/status.h"
#include "qforge/views.h"

namespace qforge {

// Emitted kernels, or the scalar truth where the ISA is kScalar. Their contracts stand in
// kernels/table_quantize.h.
struct RowFunctions {
  kernels::LoadRowFunction* load = nullptr;
  kernels::RangeLossesFunction* range_losses = nullptr;
  kernels::EncodeRangeFunction* encode_range = nullptr;
  kernels::CodebookLossesFunction* codebook_losses = nullptr;
  kernels::EncodeCodebookFunction* encode_codebook = nullptr;
};

// For rows of type `source`, f32 or f16, and codes of `bits` bits.
Result<RowFunctions> GetRowFunctions(Isa isa, DataType source, int bits) noexcept;
// Loading alone.
Result<kernels::LoadRowFunction*> GetLoadRow(Isa isa, DataType source) noexcept;

// Is f32 or f16 and otherwise as CheckMatrix wants it, with at least one column.
Status CheckRows(const char* field, const InputMatrix& rows) noexcept;

// The columns of a row in a workspace, where kernels may read whole blocks.
inline int64_t PaddedColumns(int64_t columns) { return base::AlignUp(columns, kernels::kRowBlock); }

// Cuts a block of memory into arrays that are aligned to cache lines; or, from null, adds up how
// much is needed.
class MemoryCutter {
 public:
  explicit MemoryCutter(std::byte* memory) : memory_(memory) {}
  template <class T>
  T* Cut(int64_t count) {
    T* const part = memory_ == nullptr ? nullptr : reinterpret_cast<T*>(memory_ + bytes_);
    bytes_ += base::AlignUp(static_cast<size_t>(count) * sizeof(T), size_t{64});
    return part;
  }
  size_t bytes() const { return bytes_; }

 private:
  std::byte* const memory_;
  size_t bytes_ = 0;
};

// Rows as floats in a workspace, read one at a time.
class RowReader {
 public:
  RowReader(const InputMatrix& rows, kernels::LoadRowFunction* load, MemoryCutter& memory)
      : rows_(rows),
        load_(load),
        source_(memory.Cut<float>(PaddedColumns(rows.cols))),
        row_(memory.Cut<float>(PaddedColumns(rows.cols))) {}

  // The range's zeros are positive.
  kernels::ValueBounds Read(int64_t index) const noexcept;
  float* row() const { return row_; }

 private:
  const InputMatrix rows_;
  kernels::LoadRowFunction* const load_;
  float* const source_;
  float* const row_;
};

// Counts rows that are done, tells the caller now and then, and knows whether to go on.
class QuantizationProgress {
 public:
  QuantizationProgress(const TableQuantizationOptions& options, int64_t rows)
      : callback_(options.progress), argument_(options.progress_argument), rows_(rows) {}

  // `rows` more are done. Thread-safe.
  void Advance(int64_t rows) noexcept;
  bool cancelled() const noexcept { return cancelled_.load(std::memory_order_relaxed); }

 private:
  // So many calls in all are enough for any display, and for stopping soon.
  static constexpr int64_t kCalls = 1000;

  bool (*const callback_)(void*, int64_t, int64_t) noexcept;
  void* const argument_;
  const int64_t rows_;
  std::mutex mutex_;
  int64_t done_ = 0;  // guarded by mutex_, as is reported_
  int64_t reported_ = 0;
  std::atomic<bool> cancelled_{false};
};

struct RowWalk {
  int64_t rows = 0;
  int64_t rows_at_a_time = 1;
  size_t memory_bytes = 0;                   // that a thread needs
  QuantizationProgress* progress = nullptr;  // null: none
  bool rows_are_done = true;                 // otherwise progress is asked only whether to go on
};

// Calls body(begin, end, memory) for parts of the rows, on the context's threads and in the default
// float environment, until all are done or the caller cancels. `body` must not throw.
template <class Body>
Status WalkRows(const Context& context, const RowWalk& walk, const Body& body) noexcept {
  const int64_t parts = base::CeilDiv(walk.rows, walk.rows_at_a_time);
  const int64_t threads = std::min<int64_t>(context.thread_count(), parts);
  std::atomic<int64_t> next_part{0};
  std::atomic<bool> out_of_memory{false};
  ParallelFor(context.pool(), threads, [&](int64_t) {
    base::Workspace workspace;
    if (!workspace.Lease(walk.memory_bytes).ok()) {
      out_of_memory.store(true);
      return;
    }
    for (;;) {
      if (out_of_memory.load() || (walk.progress != nullptr && walk.progress->cancelled())) return;
      const int64_t part = next_part.fetch_add(1);
      if (part >= parts) return;
      const int64_t begin = part * walk.rows_at_a_time;
      const int64_t end = std::min(begin + walk.rows_at_a_time, walk.rows);
      {
        const base::FloatEnvironment environment;
        body(begin, end, workspace.data());
      }
      if (walk.progress != nullptr) walk.progress->Advance(walk.rows_are_done ? end - begin : 0);
    }
  });
  if (out_of_memory.load()) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory of %zu bytes for a row",
                         walk.memory_bytes);
  }
  if (walk.progress != nullptr && walk.progress->cancelled()) {
    return Status::Error(StatusCode::kCancelled, "options.progress", "asked to stop");
  }
  return Status();
}

// How many rows to do at a time: little enough to share out, enough to pay for it.
inline int64_t RowsAtATime(int64_t columns) {
  constexpr int64_t kValues = 8192;
  return std::max<int64_t>(kValues / columns, 1);
}

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_QUANTIZE_ROWS_H_
