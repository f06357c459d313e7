// The int8 micro-kernel: a tile of rows x vectors accumulators over all of K, then the epilogue, in
// registers from the first product to the stored output.
//
// Contract. Called as void(GemmArguments*), it computes `panels` panels of columns, and in each
// `tiles` tiles of rows below each other. It reads of each row of A exactly the
// bytes of K, or, widened to 16 bits, `groups` groups of 4 bytes; of the packed weights exactly its
// panels; writes exactly the columns of C that exist. Afterwards weights, columns, output and
// residual point behind the panels, and `panels` is 0: to go on, a caller sets it again. No
// alignment is required of A, C or the residual. The integer result is exact modulo 2^32; the float
// stages are those of qforge/types.h, bit for bit, provided that MXCSR holds its default.
//
// The weights stand in panels of `vectors` vectors of columns; a panel is a sequence of groups of
// consecutive k (2 where A and B are widened, else 4), and a group holds for each column the bytes
// of those k. A panel therefore streams through the kernel once per tile, front to back. Panels
// that are summed in 16 bits, and such with outliers, consist of sections, see below.
#ifndef QFORGE_KERNELS_GEMM_KERNEL_H_
#define QFORGE_KERNELS_GEMM_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "jit/kernel_cache.h"
#include "qforge/isa.h"
#include "qforge/status.h"
#include "qforge/types.h"

namespace qforge::kernels {

// How products become sums of 32 bits.
enum class Summation : uint8_t {
  kDot,         // by the u8 x s8 dot product: VNNI
  kWidened,     // A and B widened to 16 bits, by vpmaddwd
  kNarrow,      // by vpmaddubsw, some groups in 16 bits, of which packing proves that they fit
  kSaturating,  // by vpmaddubsw and vpaddsw in 16 bits that may saturate, widened every 256 k
};

// Groups of k that kSaturating sums before it widens.
constexpr int kSaturatingGroups = 64;

// Panels of kNarrow are two sections: one of narrow steps, and one of wide groups; behind them
// stands the next panel. With GemmKernel::outliers a section of wide groups per vector follows each
// panel of kDot. In a section, any group of k can stand in any place, and more than once: what B
// holds for it is the sum of them. A section starts with this, `moves` follow it, then the weights
// at a multiple of a vector's bytes, which end where the next section starts.
struct SectionHeader {
  int64_t count;         // of steps, or of wide groups
  int64_t weights_from;  // bytes from here
  // int32_t moves[]: for each group the bytes of A between it and the one before it in the panel;
  // what comes first moves from the row's first byte, with kDot from behind the whole groups. Each
  // group lies within the row.
};
// A step is `depth` groups of s8, 4 for each column: no sum of their products in the first two nor
// in the last two bytes of a column leaves 16 bits. A wide group is two vectors of s16 for each of
// its vectors, with 2 for each column: of its first and third k, and of its second and fourth.

constexpr int kCountedGroups = -1;
// Beyond so many groups a loop costs nothing that unrolling would save.
constexpr int kMostFixedGroups = 16;

// Everything that changes the bytes of a kernel, and nothing that does not.
struct GemmKernel {
  Isa isa = Isa::kAvx512Vnni;
  Summation summation = Summation::kDot;
  int depth = 0;          // kNarrow: groups of a step
  bool outliers = false;  // kDot: panels end with wide groups
  int rows = 1;           // of a tile
  int vectors = 1;        // of a panel
  int tail_lanes = 0;     // columns in the panel's last vector; 0: all
  int k_tail = 0;         // k beyond the last whole group; 0 for kWidened and kNarrow
  // So many whole groups, unrolled without a loop; kCountedGroups: as many as the arguments say,
  // which are more than kMostFixedGroups.
  int fixed_groups = kCountedGroups;
  bool prefetch = false;       // of weights, from beyond the second-level cache
  bool near_prefetch = false;  // kNarrow: of weights, from that cache; unless `prefetch`

  DataType output = DataType::kU8;
  bool accumulate = false;  // kS32: add to C
  bool float_bias = false;
  bool per_row = false;             // scale and zero-point of A differ per row
  bool weight_zero_points = false;  // rows carry a correction, columns a zero-point
  DataType residual = DataType::kNone;
  bool bounded = false;      // u8, s8: |r| < 2^31 is known
  bool lower_clamp = false;  // the activation has a lower bound; u8, s8: above the type's
  bool upper_clamp = false;  // likewise; u8, s8: only if bounded, else there always is one
  // Rows of accumulators are summed into GemmArguments::row_sums before the epilogue.
  bool sums_rows = false;
  // Only with sums_rows: bits of an accumulator are flipped before that, to see them detected.
  bool injects = false;

  // Whether multipliers exist: every output but s32.
  bool scaled() const { return output != DataType::kS32; }

  // Unique among kernels with different bytes; fit for a symbol and a file name.
  std::string Name() const;
};

// What suits any weights.
Summation AnySummation(Isa isa);

// Consecutive k of a column that stand together in a panel.
constexpr int GroupSize(Summation summation) { return summation == Summation::kWidened ? 2 : 4; }

// Columns of a full panel's vector.
int VectorColumns(Isa isa);

// The most rows that a tile of `vectors` vectors leaves registers for.
int MaxRows(Isa isa, Summation summation, int vectors);
// The most vectors a panel may have; `depth` is that of kNarrow.
int MaxVectors(Isa isa, Summation summation, int depth = 0);

// Constants of an epilogue, each repeated over a full vector, so that every ISA can use them as
// plain memory operands.
struct alignas(64) EpilogueConstants {
  float upper[16];         // of r
  float lower[16];         // of r, float outputs only
  int16_t zero_point[32];  // of the output
  int8_t lower_byte[64];   // of the output, as u8 or s8
  int8_t upper_byte[64];
  float residual_scale[16];  // residual_scale / y_scale
  int32_t residual_zero_point[16];
};

// Per-column values stand interleaved by vector: for each vector of a panel one vector of each
// field that the kernel uses, in the order of this enumeration.
enum class ColumnField : int {
  kOffset,      // s32: -sum_k B, which a_zero_point multiplies
  kBias,        // s32
  kMultiplier,  // f32: b_scale / y_scale; only if scaled()
  kFloatBias,   // f32: bias / y_scale; only if float_bias
  kZeroPoint,   // s32: b_zero_point; only if weight_zero_points
};
// The position of `field` among the fields that `kernel` has, and their number.
int ColumnFieldIndex(const GemmKernel& kernel, ColumnField field);
int ColumnFieldCount(const GemmKernel& kernel);

struct alignas(64) GemmArguments {
  const void* input;                // first row
  int64_t input_stride;             // bytes
  const void* weights;              // first panel
  int64_t weights_stride;           // bytes from panel to panel; not used by kNarrow
  int64_t groups;                   // whole groups of k
  void* output;                     // first row and column
  int64_t output_stride;            // bytes
  const void* columns;              // see ColumnField
  const float* input_scale;         // one, or one per row
  const int32_t* input_zero_point;  // one, or one per row
  const int32_t* row_terms;         // weight_zero_points: K * a_zero_point - sum_k A, per row
  const void* residual;             // as output
  int64_t residual_stride;          // bytes
  const EpilogueConstants* constants;
  // kernel.prefetch: the last tiles of a panel prefetch the next panel, tile t, counted down to 1,
  // the part prefetch_tiles - t of it, whose size is prefetch_per_group bytes for each of `groups`
  // and at most the panel's 1 / kFewestPrefetchingTiles. Other tiles, for which that is below 0,
  // prefetch weights a little ahead of their use.
  int64_t prefetch_tiles;
  int64_t prefetch_per_group;
  int64_t tiles;   // >= 1
  int64_t panels;  // >= 1
  // Used by the kernel itself.
  const void* tile_input;
  // Unless they differ per row: what a panel's accumulators start from, and their multipliers.
  alignas(64) int32_t panel_start[64];
  float panel_multiplier[64];
  // kernel.sums_rows: a vector of s32 per row, to whose lanes the row's accumulators are added,
  // modulo 2^32, as they are behind the product: from their start on (see
  // GemmEpilogue::StartRow()), without the corrections that differ between rows. Columns that do
  // not exist count, as 0.
  int32_t* row_sums;
  // kernel.injects: the accumulators of row flip_row / 4 in the panel whose weights are at
  // `flip_weights` are combined with `flips` by xor.
  int64_t flip_row;
  const void* flip_weights;
  int32_t flips[64];
};

// At least so many tiles share the prefetching of a panel.
constexpr int kFewestPrefetchingTiles = 4;

using GemmFunction = void(GemmArguments*);

// The code of a kernel, for inspection and publication.
Result<jit::CodeBytes> EmitGemmKernel(const GemmKernel& kernel) noexcept;

// The published kernel, emitted at the first request.
Result<const jit::Kernel*> GetGemmKernel(const GemmKernel& kernel) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_GEMM_KERNEL_H_
