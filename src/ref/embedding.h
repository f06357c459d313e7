// The scalar truth of embedding tables, written so that it can be trusted by eye; and the portable
// path. See qforge/row_layout.h and qforge/embedding_bag.h, whose definitions these are. Nothing
// here validates, allocates or sets the float environment.
#ifndef QFORGE_REF_EMBEDDING_H_
#define QFORGE_REF_EMBEDDING_H_

#include <cstdint>

#include "qforge/embedding_bag.h"
#include "qforge/row_layout.h"

namespace qforge::ref {

// `layout` is valid, with stride, parameters and exponent_bias filled in.
struct EmbeddingRows {
  RowLayout layout;
  const std::byte* data = nullptr;
  const Half* codebooks = nullptr;                // twotier4
  int64_t last_codebook = 65535;                  // stands for those that are not there
  const std::byte* checksums = nullptr;           // of rows that do not end with one
  const std::byte* codebook_checksums = nullptr;  // twotier4
};

// Row `index` as floats, dimension of them.
void DecodeRow(const EmbeddingRows& rows, int64_t index, float* output) noexcept;

// The sum of row `index` and its checksum, and of the codebook that it names and that one's: 0
// unless a bit has flipped. See ref/row_checksum.h.
int64_t RowSum(const EmbeddingRows& rows, int64_t index) noexcept;

struct BagProblem {
  EmbeddingRows rows;
  Pooling pooling = Pooling::kSum;
  BagWeights weights_kind = BagWeights::kNone;
  IndexView indices;
  const int64_t* starts = nullptr;  // bags + 1 positions; without pooling not read
  const float* weights = nullptr;
  const int32_t* row_map = nullptr;  // null: none
  OutputMatrix output;
};

// The row of the table that position `p` names; -1: none.
int64_t RowOf(const BagProblem& problem, int64_t p) noexcept;

// Rows [begin, end) of the output: bags, or positions without pooling.
void EmbeddingBag(const BagProblem& problem, int64_t begin, int64_t end) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_EMBEDDING_H_
