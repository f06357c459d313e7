// Sparse weights as the kernels of one ISA read them; see kernels/sparse_kernel.h.
#ifndef QFORGE_PACK_SPARSE_FORM_H_
#define QFORGE_PACK_SPARSE_FORM_H_

#include <cstdint>
#include <vector>

#include "kernels/sparse_kernel.h"
#include "qforge/isa.h"
#include "qforge/sparse_weights.h"

namespace qforge::pack {

// The entries of some values of k, at most kSparsePartInputs.
struct SparsePart {
  // The strips of K that the slots stand for, each by its first k, in ascending order.
  std::vector<int64_t> strips;
  bool contiguous = true;  // they are neighbours

  // Tiles in ascending order of columns, those without an entry left out unless the form has all.
  std::vector<kernels::SparseTile> tiles;
  std::vector<int64_t> first_quads;  // of each tile, and behind the last
  std::vector<kernels::SparseQuad> quads;

  // The same entries for one row at a time. Where in the arrays each chunk of columns begins, and
  // where the last one ends.
  struct Chunk {
    int64_t run;
    int64_t column;
    int64_t entry;
  };
  std::vector<Chunk> chunks;
  std::vector<kernels::SparseRun> runs;
  std::vector<int32_t> run_columns;
  std::vector<kernels::SparseEntry> run_entries;

  // Columns [begin, end), which are whole chunks or reach to N.
  kernels::SparseRow Row(int64_t begin, int64_t end) const;
};

struct SparseForm {
  int64_t inputs = 0;   // K
  int64_t outputs = 0;  // N
  // Whether the first part has every tile, so that it may overwrite C: no part has, otherwise.
  bool has_all_tiles = false;
  std::vector<SparsePart> parts;  // of ascending k; none where there are no entries

  int64_t bytes() const;
};

// `weights` are valid. May throw std::bad_alloc.
SparseForm MakeSparseForm(const SparseWeights& weights, Isa isa);

// B as a plain K x N matrix of rows `outputs` wide; false where entries of one position add up to
// what is not s8.
bool MakeDense(const SparseWeights& weights, std::vector<int8_t>* dense);

}  // namespace qforge::pack

#endif  // QFORGE_PACK_SPARSE_FORM_H_
