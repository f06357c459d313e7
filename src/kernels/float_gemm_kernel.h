// The float micro-kernel: a tile of rows x vectors accumulators over all of K, then the epilogue,
// in registers from the first product to the stored output.
//
// Contract. Called as void(FloatGemmArguments*), it computes `panels` panels of columns, or so many
// in each of `streams` places side by side, and in each panel `tiles` tiles of rows below each
// other. It reads of each row of A exactly K elements; of the packed weights and of `bias` exactly
// its panels, whole vectors; of C, if beta is used, and of the residual exactly the elements that
// it then writes in C. Afterwards weights, bias, output and residual point behind the panels of the
// first place, and `panels` is 0: to go on, a caller sets it again. No alignment is required of A,
// C or the residual. Results are those of qforge/types.h, bit for bit but for `dot`, provided that
// MXCSR holds its default.
//
// The weights stand in panels of `vectors` vectors of columns; a panel is a sequence of steps of
// one k, for bf16 of two: then each column has 32 bits, the first k in the lower half.
#ifndef QFORGE_KERNELS_FLOAT_GEMM_KERNEL_H_
#define QFORGE_KERNELS_FLOAT_GEMM_KERNEL_H_

#include <cstdint>
#include <string>

#include "jit/kernel_cache.h"
#include "qforge/epilogue.h"
#include "qforge/isa.h"
#include "qforge/status.h"
#include "qforge/types.h"

namespace qforge::kernels {

// Everything that changes the bytes of a kernel, and nothing that does not.
struct FloatGemmKernel {
  Isa isa = Isa::kAvx512;
  DataType weights = DataType::kF32;  // or kF16, kBF16
  bool dot = false;                   // A is bf16 too, and products are summed in pairs
  int rows = 1;                       // of a tile
  int vectors = 1;                    // of a panel
  int tail_lanes = 0;                 // columns in the panel's last vector; 0: all
  // Parts of K, each with accumulators that start from 0, which are then added in order.
  int parts = 1;
  // What is computed side by side so that there are enough independent sums: 1, or if there are
  // parts, all of them, else panels. These are far apart: each stream walks through its own part of
  // the weights, which for the prefetchers is one sequence from panel to panel.
  int streams = 1;
  bool odd = false;  // bf16: one k is left behind all steps
  // Weights are prefetched so far ahead of their use, all streams together: a multiple of 64 times
  // kMostFloatStreams; 0: not at all.
  int prefetch_bytes = 0;
  bool prefetch_rows = false;  // of A, for tiles further down; not if split()

  DataType output = DataType::kF32;  // or kF16, kBF16
  bool scaled = false;               // by alpha
  bool accumulate = false;           // add beta * C
  bool bias = false;
  DataType residual = DataType::kNone;  // or kF32, kF16, kBF16
  Activation activation = Activation::kNone;
  // Rows of sums are added up into FloatGemmArguments::row_sums before the epilogue.
  bool sums_rows = false;
  // Only with sums_rows: bits of a sum are flipped before that, to see them detected.
  bool injects = false;

  // Whether streams are parts of K.
  bool split() const { return parts > 1 && streams > 1; }
  // Consecutive k of a step.
  int step_inputs() const { return weights == DataType::kBF16 ? 2 : 1; }

  // Unique among kernels with different bytes; fit for a symbol and a file name.
  std::string Name() const;
};

inline constexpr int kMostFloatStreams = 4;
inline constexpr int kMostFloatRows = 12;
// Accumulators of a tile.
inline constexpr int kMostFloatAccumulators = 24;

// The most vectors a panel may have.
inline constexpr int kMostFloatVectors = 2;
// Columns of such a panel.
inline constexpr int kMostFloatColumns = 16 * kMostFloatVectors;
// The most rows of a tile in panels of `vectors` vectors.
int MaxFloatRows(Isa isa, int vectors);
// How many panels, or parts if there are more than one, are best computed side by side.
int FloatStreams(Isa isa, int rows, int vectors, int parts);

// Each repeated over a full vector, so that every ISA can use them as plain memory operands.
struct alignas(64) FloatEpilogueConstants {
  float alpha[16];
  float beta[16];
  float residual_scale[16];
  float lower[16];
  float upper[16];
};

struct alignas(64) FloatGemmArguments {
  const void* input;         // first row
  int64_t input_stride;      // bytes
  const void* weights;       // first panel
  int64_t weights_stride;    // bytes from panel to panel
  int64_t stream_bytes;      // of weights, from stream to stream
  int64_t stream_columns;    // likewise, unless streams are parts of K
  int64_t steps;             // of each part
  int64_t rest;              // steps behind the last part, which belong to it
  int64_t part_input_bytes;  // of the steps of a part in a row of A
  void* output;              // first row and column
  int64_t output_stride;     // bytes
  const float* bias;         // of the first column, whole vectors
  const void* residual;      // as output
  int64_t residual_stride;   // bytes
  const FloatEpilogueConstants* constants;
  int64_t tiles;   // >= 1
  int64_t panels;  // >= 1, of each stream
  // Used by the kernel itself.
  const void* tile_input;
  int64_t parts_left;
  alignas(64) float totals[kMostFloatAccumulators * 16];
  // kernel.sums_rows: a vector per row, to whose lanes the row's sums are added. Columns that do
  // not exist count, as 0.
  float* row_sums;
  float* tile_row_sums;  // used by the kernel itself
  // kernel.injects: the sum that goes to `flip_output` is combined with flips[kMostFloatColumns]
  // by xor; all other flips are 0.
  const void* flip_output;
  int32_t flips[2 * kMostFloatColumns];
};

using FloatGemmFunction = void(FloatGemmArguments*);

// The code of a kernel, for inspection and publication.
Result<jit::CodeBytes> EmitFloatGemmKernel(const FloatGemmKernel& kernel) noexcept;

// The published kernel, emitted at the first request.
Result<const jit::Kernel*> GetFloatGemmKernel(const FloatGemmKernel& kernel) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_FLOAT_GEMM_KERNEL_H_
