// How embedding rows are stored, as users choose it.
#ifndef QFORGE_BENCH_DLRM_EMBEDDING_FORMAT_H_
#define QFORGE_BENCH_DLRM_EMBEDDING_FORMAT_H_

#include <string>
#include <vector>

#include "qforge/embedding_table.h"
#include "qforge/row_layout.h"

namespace dlrm {

struct EmbeddingFormat {
  std::string name = "fp32";  // or "u8", "codebook"
  qforge::RowFormat rows = qforge::RowFormat::kF32;
  qforge::RangeSearch method = qforge::RangeSearch::kMinMax;
  bool has_method = false;  // whether `method` makes a difference

  // "u4_greedy", "codebook".
  std::string FullName() const;
  // What a row holds.
  std::string Description() const;
};

// What EmbeddingFormats() knows.
std::vector<std::string> EmbeddingFormatNames();
std::vector<std::string> EmbeddingMethodNames();

// Each of the formats `names`, with each of `methods` where that makes a difference, in this order.
// Without methods, the sensible ones: min-max for u8, whose rows lose next to nothing; also greedy
// for u4 and u2. Throws Error for a name that is not known.
std::vector<EmbeddingFormat> EmbeddingFormats(const std::vector<std::string>& names,
                                              const std::vector<std::string>& methods);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_EMBEDDING_FORMAT_H_
