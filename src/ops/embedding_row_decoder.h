// Rows of a table as floats, many at a time.
#ifndef QFORGE_OPS_EMBEDDING_ROW_DECODER_H_
#define QFORGE_OPS_EMBEDDING_ROW_DECODER_H_

#include <cstdint>

#include "kernels/embedding_kernel.h"
#include "pack/embedding_table_data.h"
#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge {

// By the kernel that gathers rows, or by the scalar truth where the ISA is kScalar. `table`
// outlives it.
class RowDecoder {
 public:
  static Result<RowDecoder> Create(Isa isa, const pack::EmbeddingTableData& table) noexcept;

  // Rows [begin, end), in the default float environment; `stride` floats from one row of the output
  // to the next. Their codebooks exist. Thread-safe.
  void Decode(int64_t begin, int64_t end, float* output, int64_t stride) const noexcept;

 private:
  RowDecoder(const pack::EmbeddingTableData& table, kernels::EmbeddingFunction* gather) noexcept
      : table_(&table), gather_(gather) {}

  const pack::EmbeddingTableData* table_;
  kernels::EmbeddingFunction* gather_;  // null on the portable path
};

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_ROW_DECODER_H_
