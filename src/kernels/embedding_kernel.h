// The kernels of embedding look-up: pooling or gathering rows of one format and dimension.
//
// Contract. Called with EmbeddingArguments, a kernel writes the output's rows [begin,
// end), bags or, without pooling, positions, and exactly dimension elements of each. It reads of
// each row of the table that it is told to exactly RowBytes(), of the indices those in
// [starts[begin], starts[end]) (without pooling [begin, end)), and beyond them, for prefetching,
// none at or behind index_end. Nothing is checked: rows out of the table are read where indices say
// so. No alignment is required. Results are those of qforge/embedding_bag.h, bit for bit, provided
// that MXCSR holds its default. Kernels keep no state.
//
// A kernel that checks also adds up the bytes of all rows of a bag with their checksums
// (qforge/row_layout.h), and with checks_codebooks those of the codebooks that they name; without
// pooling a row is a bag. It returns `end`, or the first row of the output for which the total is
// not 0: with that one written, it goes no further. Sums are of 32 bits, so that a bit which has
// flipped goes unseen where its row stands in the bag a multiple of 2^25 times. What a kernel
// returns that does not check means nothing.
#ifndef QFORGE_KERNELS_EMBEDDING_KERNEL_H_
#define QFORGE_KERNELS_EMBEDDING_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "jit/kernel_cache.h"
#include "qforge/embedding_bag.h"
#include "qforge/isa.h"
#include "qforge/row_layout.h"
#include "qforge/status.h"

namespace qforge::kernels {

// How rows are prefetched, which depends on where they come from.
enum class RowPrefetch : uint8_t {
  kNone,
  kFromCaches,
  kFromMemory,
  kFromMemoryTwice,  // again when the row's turn is nearer
};

// Where kernels find the checksums of rows.
enum class RowCheck : uint8_t {
  kNone,
  kInRow,
  kBeside,  // EmbeddingArguments::checksums
};

// Everything that changes the bytes of a kernel, and nothing that does not.
struct EmbeddingKernel {
  Isa isa = Isa::kAvx512;  // not kScalar; only where rows are checked VNNI makes a difference
  RowFormat format = RowFormat::kF32;
  int64_t dimension = 1;
  DataType parameters = DataType::kNone;  // u8: kF32 or kF16
  ParameterPlace place = ParameterPlace::kLast;
  int exponent_bias = 0;  // e4m3, e5m2
  Pooling pooling = Pooling::kSum;
  BagWeights weights = BagWeights::kNone;
  int index_bytes = 8;  // 4 or 8
  bool mapped = false;  // through row_map
  RowPrefetch prefetch = RowPrefetch::kNone;
  // No row lies in more cache lines than one that begins with a line. Only for what is prefetched:
  // nothing relies on it.
  bool fewest_lines = false;
  // The machine multiplies subnormal numbers as fast as others. Only of pooled e4m3, which has a
  // shorter way then.
  bool fast_subnormals = false;
  DataType output = DataType::kF32;  // kF32, kF16, kBF16
  RowCheck check = RowCheck::kNone;
  bool sampled = false;           // not all bags are checked
  bool checks_codebooks = false;  // twotier4 that is checked: those that rows name, with each row

  // Unique among kernels with different bytes; fit for a symbol and a file name.
  std::string Name() const;
};

struct EmbeddingArguments {
  const std::byte* rows;
  int64_t row_stride;  // bytes
  const void* indices;
  const int64_t* starts;  // positions where bags start, and where the last one ends
  int64_t begin;
  int64_t end;
  int64_t index_end;                 // no index is read at or behind this position; > 0
  int64_t prefetch_distance;         // positions; not of RowPrefetch::kNone
  int64_t second_prefetch_distance;  // likewise, smaller; only of kFromMemoryTwice
  const float* weights;
  const int32_t* row_map;
  const Half* codebooks;
  void* output;           // row 0 of the whole output
  int64_t output_stride;  // bytes

  // Of kernels that check.
  const std::byte* checksums;           // kBeside: one behind the other
  const std::byte* codebook_checksums;  // checks_codebooks
  int64_t last_codebook;                // twotier4; is taken for those that are not there
  int64_t first_checked;                // sampled: this row of the output, and from there on
  int64_t check_interval;               // every so many
};

using EmbeddingFunction = int64_t(const EmbeddingArguments*);

// The code of a kernel, for inspection and publication.
Result<jit::CodeBytes> EmitEmbeddingKernel(const EmbeddingKernel& kernel) noexcept;

// The published kernel, emitted at the first request.
Result<const jit::Kernel*> GetEmbeddingKernel(const EmbeddingKernel& kernel) noexcept;

// Looks for the first of `count` successive rows that does not agree with its checksum, and returns
// its number, or `count`. A row is `bytes` bytes without the checksum.
struct ScrubArguments {
  const std::byte* rows;
  int64_t row_stride;
  const std::byte* checksums;  // kBeside; may be read up to a vector behind the last one
  int64_t count;
};
using ScrubFunction = int64_t(const ScrubArguments*);
Result<jit::CodeBytes> EmitScrub(Isa isa, int64_t bytes, RowCheck check) noexcept;
Result<const jit::Kernel*> GetScrub(Isa isa, int64_t bytes, RowCheck check) noexcept;

// The sum of such rows and their checksums, in 32 bits: 0 unless a bit of any of them has flipped.
using RowSumFunction = int64_t(const ScrubArguments*);
Result<jit::CodeBytes> EmitRowSum(Isa isa, int64_t bytes, RowCheck check) noexcept;
Result<const jit::Kernel*> GetRowSum(Isa isa, int64_t bytes, RowCheck check) noexcept;

// Whether all of `count` indices of 4 or 8 bytes lie in [0, rows): the pass that comes before a
// look-up. 1 or 0.
using CheckIndicesFunction = int64_t(const void* indices, int64_t count, int64_t rows);
Result<jit::CodeBytes> EmitCheckIndices(Isa isa, int index_bytes) noexcept;
Result<const jit::Kernel*> GetCheckIndices(Isa isa, int index_bytes) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_KERNEL_H_
