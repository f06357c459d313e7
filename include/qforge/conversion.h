// Conversions between arrays of binary32 and of 16-bit floats, element by element as ToFloat(),
// ToHalf() and ToBFloat16() of qforge/half.h convert one.
//
// Every function is safe to call from any number of threads, gives the same bits on every ISA and
// in every float environment of the host, runs on the calling thread, and allocates nothing but, on
// its first use in the process, its kernel. `output` is as long as `input` and must not overlap it,
// in whole or in part. Where sizes differ, an array is null or misaligned, or the two overlap, they
// fail with kInvalidArgument, for a negative size with kOutOfRange, and nothing is written. Sizes
// of 0 are legal.
#ifndef QFORGE_CONVERSION_H_
#define QFORGE_CONVERSION_H_

#include "qforge/export.h"
#include "qforge/half.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct ConversionOptions {
  // Values beyond the largest finite number of the type, 65504 (f16) or 3.39e38 (bf16), become that
  // number with their sign, infinities included. Otherwise what rounds beyond it becomes infinity.
  bool clip_to_finite = false;
};

// Rounds to the nearest, ties to even, into subnormals where the result is one. A NaN stays one,
// made quiet, with its sign and the upper bits of its payload.
Status Convert(ArrayView<const float> input, ArrayView<Half> output,
               const ConversionOptions& options = {}) noexcept;
Status Convert(ArrayView<const float> input, ArrayView<BFloat16> output,
               const ConversionOptions& options = {}) noexcept;

// Exact; a NaN stays one, made quiet, with its sign and payload.
Status Convert(ArrayView<const Half> input, ArrayView<float> output) noexcept;
Status Convert(ArrayView<const BFloat16> input, ArrayView<float> output) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_CONVERSION_H_
