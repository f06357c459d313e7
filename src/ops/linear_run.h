// Drives kernels over a product: prepares rows of A, divides the work, and calls.
#ifndef QFORGE_OPS_LINEAR_RUN_H_
#define QFORGE_OPS_LINEAR_RUN_H_

#include <cstdint>

#include "ops/linear_core.h"
#include "plan/partition.h"
#include "qforge/linear.h"

namespace qforge {

// The weights of one Run: packed once by Linear's caller, or on the way by Gemm.
struct RunWeights {
  const int8_t* data = nullptr;            // panels, or for kScalar the plain K x N matrices
  const int64_t* panel_offsets = nullptr;  // kNarrow: PackedMatrix::panel_offsets
  const std::byte* columns = nullptr;      // see LinearCore::FillColumns; not for kScalar
  float largest_multiplier = 0.0f;         // see LinearCore::LargestMultiplier; not for kScalar
  // kScalar only: one per column, zero_points possibly empty.
  ArrayView<const float> scales;
  ArrayView<const int32_t> zero_points;
  Accumulation accumulation = Accumulation::kExact;
  SparseWeights outliers;
};

// Where the accumulators go instead of `output`.
struct TileSink {
  Linear::TileFunction function = nullptr;
  void* argument = nullptr;
};

// References: copying what the caller has just written, in pieces of other sizes than it was
// written in, would cost more than the smallest product.
struct RunRequest {
  const InputMatrix& input;
  const InputQuantization& quantization;
  const OutputMatrix& output;  // unless sink.function is set
  const InputMatrix& residual;
  const TileSink& sink;
};

// How plan/ sees the product of `rows` rows, and the rows of its tiles.
plan::ProductShape ShapeOf(const LinearCore& core, int64_t rows);
int TileRows(const LinearCore& core);

// The parameters of `rows` rows of A. `quantizes`: floats are quantised with them, so that 1 /
// scale must be finite.
Status CheckQuantization(const LinearCore& core, const InputQuantization& quantization,
                         int64_t rows, bool quantizes) noexcept;

// Everything that changes per call. M comes from the input.
Status ValidateRun(const LinearCore& core, const RunRequest& request) noexcept;

// `request` has been validated. Fails only where there is no memory for the workspace, and then has
// written nothing.
Status RunLinear(const LinearCore& core, const RunWeights& weights,
                 const RunRequest& request) noexcept;

// The same for rows that have failed their check: kDataCorrupted if they do again. Tells no
// monitor.
Status RunLinearAgain(const LinearCore& core, const RunWeights& weights,
                      const RunRequest& request) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_LINEAR_RUN_H_
