// Tables and look-ups that are alike for all who take part.
#ifndef QFORGE_BENCH_EMBEDDING_TABLE_DATA_H_
#define QFORGE_BENCH_EMBEDDING_TABLE_DATA_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "base/aligned_buffer.h"
#include "embedding/formats.h"
#include "qforge/embedding_table.h"

namespace qforge::bench {

// Rows of random bits, with parameters that keep the values between about -1 and 1 (e4m3: all of
// its values). Large tables repeat a block of rows: no cache knows. Throws std::runtime_error when
// memory runs out.
class TableData {
 public:
  explicit TableData(const Case& which);
  // The rows of another one, with checksums beside them.
  static std::shared_ptr<const TableData> WithChecksums(std::shared_ptr<const TableData> rows);

  const Case& which() const { return which_; }
  const EmbeddingTable& table() const { return table_; }
  const std::byte* rows() const { return static_cast<const std::byte*>(table_.row(0)); }

 private:
  TableData(const Case& which, std::shared_ptr<const TableData> lender);

  const Case which_;
  std::shared_ptr<const TableData> lender_;
  base::AlignedBuffer rows_;
  std::vector<Half> codebooks_;
  EmbeddingTable table_;  // borrows both
};

// Which rows are looked up: a number of calls, again and again. Parties share one, so that each
// takes up where the last one stopped.
class Lookups {
 public:
  explicit Lookups(const Setting& setting);

  // The indices of the next call, rows_per_call() of them.
  const int64_t* Next();
  // The same, without going on to it; `ahead` calls later.
  const int64_t* Peek(int64_t ahead = 0) const;

  const std::vector<int64_t>& offsets() const { return offsets_; }  // bags + 1
  int64_t bags() const { return static_cast<int64_t>(offsets_.size()) - 1; }
  int64_t rows_per_call() const { return offsets_.back(); }

 private:
  int64_t calls_;
  std::vector<int64_t> indices_;
  std::vector<int64_t> offsets_;
  int64_t next_ = 0;
};

// Drives the rows of the next `calls` calls out of all caches.
void FlushRows(const TableData& data, const Lookups& lookups, int64_t calls);

// Whether `output`, bags x dimension, holds the sums of the rows that `indices` name, up to the
// rounding of sums in any order.
bool IsSumOfRows(const TableData& data, const Lookups& lookups, const int64_t* indices,
                 const float* output);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_EMBEDDING_TABLE_DATA_H_
