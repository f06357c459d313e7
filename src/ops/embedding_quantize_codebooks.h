// The codebooks of a table: twotier4.
#ifndef QFORGE_OPS_EMBEDDING_QUANTIZE_CODEBOOKS_H_
#define QFORGE_OPS_EMBEDDING_QUANTIZE_CODEBOOKS_H_

#include <cstdint>

#include "base/aligned_buffer.h"
#include "kernels/table_quantize.h"
#include "ops/embedding_quantize_rows.h"
#include "qforge/context.h"
#include "qforge/embedding_table.h"
#include "qforge/half.h"
#include "qforge/views.h"

namespace qforge {

struct Codebooks {
  base::AlignedBuffer stored;  // Half: count x 16, as a table has them
  base::AlignedBuffer books;   // kernels::Codebook, the same centres
  int64_t count = 0;

  const kernels::Codebook* data() const { return books.As<kernels::Codebook>(); }
};

// options.clusters codebooks, or as many as there are rows if those are fewer.
//
// k-means whose points are rows and whose means are codebooks: each row goes to the codebook that
// loses least on it, then each centre to the mean of the values that chose it, for at most
// options.iterations rounds. It starts from the best codebooks of rows that options.seed picks, and
// looks at a sample of rows only, evenly spaced.
Result<Codebooks> TrainCodebooks(const Context& context, const InputMatrix& rows,
                                 const TableQuantizationOptions& options,
                                 const RowFunctions& functions,
                                 QuantizationProgress* progress) noexcept;

struct ChosenCodebook {
  int64_t index;
  float loss;
};

// The codebook that loses least on a row, the first of several. `losses` is memory for one each.
ChosenCodebook ChooseCodebook(const Codebooks& codebooks, const RowFunctions& functions,
                              const float* row, int64_t columns, float* losses) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_EMBEDDING_QUANTIZE_CODEBOOKS_H_
