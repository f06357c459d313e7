// From floats to quantised values and back, and how to choose the parameters.
//
// Every function is safe to call from any number of threads, gives the same bits on every ISA, runs
// on the calling thread unless it takes a context, and allocates nothing but, on its first use in
// the process, its kernels, and what a RangeMethod other than kMinMax needs. On
// an error nothing is written. Sizes of 0 are legal. An output must not overlap an input, in whole
// or in part.
#ifndef QFORGE_QUANTIZATION_H_
#define QFORGE_QUANTIZATION_H_

#include <cstdint>
#include <limits>

#include "qforge/context.h"
#include "qforge/export.h"
#include "qforge/packed_weights.h"
#include "qforge/status.h"
#include "qforge/types.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// real = scale * (q - zero_point).
struct QuantizationParameters {
  float scale = 1.0f;      // finite, at least the smallest normal float, 1.18e-38
  int32_t zero_point = 0;  // one of the values that are used
  int bits = 8;            // as ParameterOptions::bits: which values Quantize() uses
};

struct ParameterOptions {
  DataType type = DataType::kU8;  // kU8 or kS8
  // Zero is in the middle: zero-point 0 for s8 and 128 for u8, and the range is made symmetric. The
  // 127 steps on either side are used, -128 (u8: 0) is not.
  bool symmetric = false;
  // 2 to 8: only the values from 0 (u8) or -2^(bits-1) (s8) on, 2^bits of them, are used, and what
  // is said of 128 and 127 above holds for 2^(bits-1) and one less. Quantize() keeps to them,
  // though not to one less where they are symmetric.
  int bits = 8;
  // The scale is the smallest power of two that covers the range, 2^127 at most.
  bool power_of_two_scale = false;
};

// The parameters that cover [min, max] with all values of the type. The range is widened where
// needed so that it holds 0, which the zero-point then stands for exactly; infinities count as the
// largest finite float. A range of zero width gives scale 1 and zero-point 0 (symmetric u8:
// 2^(bits-1)). Fails with kInvalidArgument if min or max is NaN, min > max, or the type is none of
// the two, with kOutOfRange if the bits are.
Result<QuantizationParameters> ChooseParameters(float min, float max,
                                                const ParameterOptions& options = {}) noexcept;

// How a range is chosen for values whose distribution is known, or whose histogram is.
enum class RangeMethod : uint8_t {
  // From the smallest to the largest value: nothing is clipped.
  kMinMax,
  // Clips the outermost values: (100 - percentile) / 2 percent of them at either end, or,
  // symmetric, 100 - percentile percent of the largest magnitudes.
  kPercentile,
  // The range of least L2 error (HistogramL2Error) of all whose ends are edges of bins. Some
  // milliseconds for 2048 bins where one end is fixed (symmetric, or values of one sign), up to
  // about a second where both are searched for.
  kL2,
  // The same by steps that go to the best neighbour, half as far when none is better: some tenths
  // of a millisecond.
  kL2Approximate,
  // The range whose quantised distribution can be told least from the original, by their relative
  // entropy (Migacz, 8-bit inference with TensorRT, 2017). Each quantised value is spread over the
  // bins that are rounded to it, those that hold anything, and over parts of bins, so that steps
  // need not be whole bins. Values beyond the range count as its ends in the original and are
  // missing from the quantised distribution, which must have values of its own there. Zeros, exact
  // in both, are left out. Steps are no narrower than bins, no side of 0 is clipped altogether, and
  // where both ends are searched for, they are by turns.
  kKlDivergence,
};

// "minmax", "percentile", "l2", "l2_approximate", "kl".
const char* RangeMethodName(RangeMethod method) noexcept;

struct ValueRange {
  float min = 0.0f;
  float max = 0.0f;
};

// The smallest and largest value, infinities included. NaN is passed over; {0, 0} if there is
// nothing else. A bound of zero is +0.
Result<ValueRange> FindRange(ArrayView<const float> values) noexcept;

// q = round_half_even(clamp(x * (1 / scale), lo - zero_point, hi - zero_point)) + zero_point, with
// lo and hi the limits of the values that are used: of the type for 8 bits, else as for
// ParameterOptions::bits. NaN gives lo. `output` is as long as `input`.
Status Quantize(ArrayView<const float> input, const QuantizationParameters& parameters,
                ArrayView<uint8_t> output) noexcept;
Status Quantize(ArrayView<const float> input, const QuantizationParameters& parameters,
                ArrayView<int8_t> output) noexcept;

// x = scale * float(q - zero_point). `output` is as long as `input`.
Status Dequantize(ArrayView<const uint8_t> input, const QuantizationParameters& parameters,
                  ArrayView<float> output) noexcept;
Status Dequantize(ArrayView<const int8_t> input, const QuantizationParameters& parameters,
                  ArrayView<float> output) noexcept;

struct RequantizeOptions {
  // input scale / output scale: one value, or one per column. Each finite and > 0.
  ArrayView<const float> multipliers;
  int32_t zero_point = 0;  // of the output, in the range of its type
  // The output is kept between these two as well as between the limits of its type; clamp_min =
  // zero_point is a ReLU. clamp_min <= clamp_max, and the two ranges must meet.
  int32_t clamp_min = std::numeric_limits<int32_t>::min();
  int32_t clamp_max = std::numeric_limits<int32_t>::max();
};

// y = round_half_even(clamp(float(x) * multiplier[j], lo - zero_point, hi - zero_point)) +
// zero_point with [lo, hi] what the type and the clamp leave. `output` is u8 or s8 and of the size
// of `input`.
Status Requantize(const MatrixView<const int32_t>& input, const RequantizeOptions& options,
                  const OutputMatrix& output) noexcept;

// What shares one scale and zero-point.
enum class Granularity : uint8_t {
  kPerTensor,
  kPerGroup,
  kPerChannel,  // output channel: a column of B, one of G * N
};

struct WeightsQuantizationOptions {
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  int64_t groups = 1;  // as in PackedWeightsOptions
  Granularity granularity = Granularity::kPerChannel;
  // Symmetric weights need no sums of the activations when they are multiplied.
  bool symmetric = true;
  // How the range of each tensor, group or channel is chosen. kMinMax takes the range that
  // FindRange finds; the others look at a histogram (qforge/range_choice.h), of which infinities
  // are no part.
  RangeMethod method = RangeMethod::kMinMax;
  double percentile = 99.99;  // kPercentile: (50, 100]
  // As in ParameterOptions; but no quantised weight lies outside of the values that are used, so
  // that symmetric ones are never -2^(bits-1). NaN becomes the lowest of them.
  int bits = 8;
  bool power_of_two_scale = false;
};

// Quantises `weights`, finite or not, to s8 with parameters of their own for each tensor, group or
// channel: those that ChooseParameters gives for its range. `weights` and `quantized` are
// (G*K) x N or (G*N) x K, as options.layout says. `scales` takes 1, G or G*N values, as
// options.granularity says; `zero_points` as many, or none if options.symmetric. The three outputs
// are what PackedWeights::Create takes.
Status QuantizeWeights(const MatrixView<const float>& weights,
                       const WeightsQuantizationOptions& options,
                       const MatrixView<int8_t>& quantized, ArrayView<float> scales,
                       ArrayView<int32_t> zero_points = {}) noexcept;
// The same, bit for bit, on the threads of `context`. Threads take one tensor, group or channel
// at a time. The search for each takes well below a millisecond by kPercentile and kL2Approximate,
// some by kL2, up to some hundred by kKlDivergence and up to about a second by asymmetric kL2.
Status QuantizeWeights(const Context& context, const MatrixView<const float>& weights,
                       const WeightsQuantizationOptions& options,
                       const MatrixView<int8_t>& quantized, ArrayView<float> scales,
                       ArrayView<int32_t> zero_points = {}) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_QUANTIZATION_H_
