// Kernels for products with sparse weights, and the form in which they read them.
//
// K is cut into parts of at most kSparsePartInputs values of k, its "slots". The entries of a part
// are ordered by tiles of kSparseTileColumns columns of C, in a tile by columns, and in a column
// four by four: a quad is four entries of one column, filled up with weights of 0. Which four is
// free, since the order of a sum is, as long as SparsePairable() holds.
//
// The block kernel computes up to `rows` rows of C at once, one per byte of a vector, from rows of
// A that have been transposed: slot s of the block is `rows` bytes, one of each row. It interleaves
// the bytes of a quad's four slots, which leaves 4 neighbouring bytes to each row, and multiplies
// them by the quad's four weights. Sums of a tile go through memory, to be transposed and stored as
// rows of C. (Keeping groups of 4 neighbouring k interleaved would save that, and multiply 3 zeros
// with most entries: slower below half of full density.)
#ifndef QFORGE_KERNELS_SPARSE_KERNEL_H_
#define QFORGE_KERNELS_SPARSE_KERNEL_H_

#include <cstdint>
#include <string>

#include "jit/kernel_cache.h"
#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge::kernels {

constexpr int kSparseTileColumns = 16;
// So many tiles are summed before any is stored, so that rows of C are written in pieces of some
// cache lines. 8 were best: with 4, lines whose addresses differ by a power of two drive each other
// out; with 16, sums leave the first-level cache.
constexpr int kSparsePanelTiles = 8;
// A block of 64 rows takes 256 KiB: a part of the second-level cache.
constexpr int kSparsePartInputs = 4096;
// Rows of A are transposed 16 x 16 values at a time.
constexpr int kSparseStripInputs = 16;

struct SparseQuad {
  // 8 times the slot: indexed addressing scales it to 64, 32 and 16 rows.
  uint16_t offsets[4];
  int8_t weights[4];
};

struct SparseTile {
  int64_t column;  // the first one
  // Columns are summed two by two, whose quads alternate: 2^8 times the number of quads of each,
  // plus 2^4 times the position of the second in the tile, plus that of the first. Every position
  // occurs once, in descending order of the number of quads, so that two have about as many, and
  // branches mostly go as they went before.
  uint32_t pairs[kSparseTileColumns / 2];
};

// Whether two weights may be in the same half of a quad. Without VNNI their products with u8 are
// added at 16 bits, where they must fit.
bool SparsePairable(Isa isa, int8_t a, int8_t b);

// Everything that changes the bytes of a block kernel, and nothing that does not.
struct SparseKernel {
  Isa isa = Isa::kAvx512Vnni;
  int rows = 64;  // of a block: 16, 32, or 64 where vectors have as many bytes
  bool accumulate = false;

  // Unique among kernels with different bytes; fit for a symbol and a file name.
  std::string Name() const;
};

// The most rows of a block on `isa`.
int SparseMostRows(Isa isa);

struct SparseArguments {
  const uint8_t* block;     // the transposed rows
  const SparseQuad* quads;  // of the tiles
  const SparseTile* tiles;  // at least one
  const SparseTile* tiles_end;
  int64_t row_count;      // of C: 1 to `rows`
  int32_t* output;        // first row and column of C
  int64_t output_stride;  // bytes
  int64_t outputs;        // N
  int32_t* sums;          // room for kSparsePanelTiles x kSparseTileColumns x rows
};

// Writes, or adds modulo 2^32 to, the columns below N of the tiles in row_count rows, and no other
// byte of C. Needs no alignment. What the block holds of other rows than those has no influence.
using SparseFunction = void(const SparseArguments*);

// The code of a kernel, for inspection and publication.
Result<jit::CodeBytes> EmitSparseKernel(const SparseKernel& kernel) noexcept;

// The published kernel, emitted at the first request.
Result<const jit::Kernel*> GetSparseKernel(const SparseKernel& kernel) noexcept;

// The other way, for few rows or few entries: a row of A as it is. Columns of a part stand in
// chunks of kSparseChunkColumns, and in a chunk by their number of entries, so that the loop over a
// column's entries mostly ends when it did before.
constexpr int kSparseChunkColumns = 256;

struct SparseEntry {
  uint16_t slot;
  int8_t weight;
};

// So many columns of so many entries each.
struct SparseRun {
  int32_t columns;
  int32_t entries;  // at least 1
};

struct SparseRow {
  const SparseRun* runs;
  const SparseRun* runs_end;
  const int32_t* columns;      // of the runs, one after the other
  const SparseEntry* entries;  // of the columns, likewise
};

// output[column] += the column's sum, modulo 2^32, from the part's slots at `input`; fetches the
// same columns of `next_output`, any address, into the cache. Plain C++: an entry is the load of
// one byte from anywhere, to which vectors have nothing to add.
void AddSparseRow(const SparseRow& row, const uint8_t* input, int32_t* output,
                  const int32_t* next_output) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_SPARSE_KERNEL_H_
