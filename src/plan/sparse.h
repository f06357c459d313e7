// Which way a product with sparse weights takes, from a model of what each costs.
#ifndef QFORGE_PLAN_SPARSE_H_
#define QFORGE_PLAN_SPARSE_H_

#include <cstdint>

#include "plan/partition.h"
#include "qforge/isa.h"

namespace qforge::plan {

struct SparseShape {
  Isa isa = Isa::kAvx512Vnni;  // not kScalar
  int64_t inputs = 0;          // K
  int64_t outputs = 0;         // N
  // Of the packed form, all parts together: 16s of k, tiles of columns, fours of entries, columns
  // that have an entry, entries.
  int64_t strips = 0;
  int64_t tiles = 0;
  int64_t quads = 0;
  int64_t columns = 0;
  int64_t entries = 0;
  bool contiguous = true;      // else rows that are taken one by one are gathered first
  bool has_all_tiles = false;  // else blocks, too, need C filled with zeros, unless
  bool accumulates = false;
};

// The ways, in cycles of a core with warm caches. Of the sparse ones for up to `rows` rows, of
// which a block computes as many as fill `block_rows`; of the dense one for all rows.
double BlockCycles(const SparseShape& shape, int64_t rows, int block_rows);
double RowByRowCycles(const SparseShape& shape, int64_t rows);
double DenseCycles(const SparseShape& shape, int64_t rows);

// How to go on where `rows` rows are left: the rows of the next block, 16, 32 or 64, at most what
// the ISA's vectors hold; or 0, to take all of them row by row.
int NextBlockRows(const SparseShape& shape, int64_t rows);

// The cycles of all rows, taken that way.
double SparseCycles(const SparseShape& shape, int64_t rows);

// Whether the dense kernels are faster.
bool PrefersDense(const SparseShape& shape, int64_t rows);

// Whether they are for any number of rows, so that a dense copy is worth its memory.
bool KeepsDense(const SparseShape& shape);

// Row parts times parts of C's columns, at multiples of 16.
Grid ChooseSparseGrid(const SparseShape& shape, int64_t rows, int threads);

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_SPARSE_H_
