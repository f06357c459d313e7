// From the activations of a layer to the parameters that they are quantised with:
//
//   auto histogram = Histogram::Create();
//   for (const std::vector<float>& batch : calibration) status = histogram->Observe(batch);
//   const auto chosen = ChooseRange(*histogram);  // chosen->parameters, chosen->l2_error
//
// Functions are safe to call from any number of threads and run on the calling thread. They
// allocate some 100 bytes per bin.
#ifndef QFORGE_RANGE_CHOICE_H_
#define QFORGE_RANGE_CHOICE_H_

#include "qforge/epilogue.h"
#include "qforge/export.h"
#include "qforge/histogram.h"
#include "qforge/quantization.h"
#include "qforge/status.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct RangeOptions {
  RangeMethod method = RangeMethod::kL2;
  // Type, bits, symmetry, power-of-two scale. Zero is represented exactly in every case: a
  // zero-point is a quantised value.
  ParameterOptions parameters = {};
  double percentile = 99.99;  // kPercentile: (50, 100]
  // What follows the layer, as in Epilogue, unless it was observed behind it: the parts of the
  // histogram that a ReLU or a clamp would move to its bounds count as values there.
  Activation activation = Activation::kNone;  // or kRelu, kClamp
  float clamp_min = 0.0f;                     // kClamp: clamp_min <= clamp_max, neither NaN,
  float clamp_max = 0.0f;                     // and not both the same infinity
};

// The L2 error of quantising what `histogram` has counted: the mean of (x - real(q(x)))^2 over all
// finite values, where q rounds to the nearest of the 2^bits quantised values, clipping, and
//
//   * values are spread evenly over their bin, of which the part outside [min, max] is cut off, so
//     that the mean over a bin is an integral, taken exactly: with u = x / scale and
//     n = round(u) within the quantised values, the integral of the squared error up to x is
//     scale^3 * (n / 12 + (u - n)^3 / 3), plus a constant;
//   * zeros are exact and add nothing;
//   * what options.activation moves to a bound lies there.
//
// Of `options`, parameters.type, parameters.bits and the activation count, and not the bits of
// `parameters`. It is evaluated in double precision; 0 for an empty histogram.
Result<double> HistogramL2Error(const Histogram& histogram,
                                const QuantizationParameters& parameters,
                                const RangeOptions& options = {}) noexcept;

struct ChosenRange {
  QuantizationParameters parameters;
  ValueRange range;       // what the smallest and the largest quantised value stand for
  double l2_error = 0.0;  // HistogramL2Error() of the parameters, whatever the method
};

// Chooses by options.method, see RangeMethod. The error of kL2 is never above that of
// kL2Approximate, and that never above that of kMinMax, on any histogram and with any options: the
// one search starts where the other ends. Fails with kInvalidArgument or kOutOfRange for bad
// options and for a histogram that has counted no finite value, and with kResourceExhausted.
Result<ChosenRange> ChooseRange(const Histogram& histogram,
                                const RangeOptions& options = {}) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_RANGE_CHOICE_H_
