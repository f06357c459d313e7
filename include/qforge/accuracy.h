// What quantisation costs: a layer in float beside the same layer in int8, and the choice of the
// layers that should stay in higher precision.
//
//   ErrorStatistics error;                                     // of this layer, over all batches
//   status = ShadowRun(context, float_layer, linear, batch, {x_scale, x_zero_point}, &error);
//   error.SignalToNoise();                                     // in dB
#ifndef QFORGE_ACCURACY_H_
#define QFORGE_ACCURACY_H_

#include <cmath>
#include <cstdint>
#include <limits>

#include "qforge/context.h"
#include "qforge/epilogue.h"
#include "qforge/export.h"
#include "qforge/linear.h"
#include "qforge/packed_weights.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// Differences between values and what they should be, added up in double precision. With r the
// reference, v the value and sums over all pairs of which both are finite:
struct ErrorStatistics {
  int64_t count = 0;          // pairs of finite numbers
  int64_t not_finite = 0;     // pairs of which one is NaN or infinite; in none of the sums
  double signal = 0.0;        // sum of r^2
  double noise = 0.0;         // sum of (v - r)^2
  double sum = 0.0;           // of v - r
  double absolute_sum = 0.0;  // of |v - r|
  double max_absolute = 0.0;  // the largest |v - r|

  void Add(double reference, double value) noexcept {
    const double error = value - reference;
    if (!std::isfinite(error)) {
      ++not_finite;
      return;
    }
    ++count;
    signal += reference * reference;
    noise += error * error;
    sum += error;
    absolute_sum += std::abs(error);
    max_absolute = std::abs(error) > max_absolute ? std::abs(error) : max_absolute;
  }
  void Merge(const ErrorStatistics& other) noexcept {
    count += other.count;
    not_finite += other.not_finite;
    signal += other.signal;
    noise += other.noise;
    sum += other.sum;
    absolute_sum += other.absolute_sum;
    max_absolute = other.max_absolute > max_absolute ? other.max_absolute : max_absolute;
  }

  // noise / signal: 0 without noise, infinite where there is noise and no signal.
  double RelativeNoise() const noexcept { return noise == 0.0 ? 0.0 : noise / signal; }
  // The signal-to-quantisation-noise ratio, 10 log10(signal / noise) dB; infinite without noise.
  double SignalToNoise() const noexcept { return -10.0 * std::log10(RelativeNoise()); }
  // Means over the pairs, 0 where there are none.
  double MeanError() const noexcept { return Mean(sum); }  // the bias
  double MeanAbsoluteError() const noexcept { return Mean(absolute_sum); }
  double MeanSquaredError() const noexcept { return Mean(noise); }

 private:
  double Mean(double total) const noexcept {
    return count == 0 ? 0.0 : total / static_cast<double>(count);
  }
};

// activation(A x B + bias) in float.
struct FloatLayer {
  MatrixView<const float> weights = {};  // as PackedWeights::Create takes quantised ones
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  int64_t groups = 1;
  ArrayView<const float> bias = {};           // G*N values, or none
  Activation activation = Activation::kNone;  // or kRelu, kClamp
  float clamp_min = 0.0f;                     // kClamp: clamp_min <= clamp_max, neither NaN
  float clamp_max = 0.0f;
};

// Runs `layer` and `linear`, which was made of it, on `input`, M x (G*K), and adds the differences
// of their outputs to *statistics. The float layer multiplies and adds in double precision. The
// int8 layer gets `input` quantised with `quantization`, as Linear::Run() takes it, no larger than
// the activation_maximum that its weights were packed for, or rounded to f16 or bf16 if it takes
// those, and its output is dequantised: so all of the quantisation of the layer counts, of its
// input, its weights and its output. Results are the same for any number of threads, those of
// `context`.
//
// Safe to call from any number of threads with statistics of their own. On an error *statistics is
// unchanged: kInvalidArgument and kOutOfRange as from Linear::Run(); kUnsupported for a `linear`
// with a residual, s32 output or transposed input; kResourceExhausted, as it takes memory for
// quantised input and output.
Status ShadowRun(const Context& context, const FloatLayer& layer, const Linear& linear,
                 const MatrixView<const float>& input, const InputQuantization& quantization,
                 ErrorStatistics* statistics) noexcept;

// A layer for which a precision is chosen.
struct LayerError {
  ErrorStatistics error = {};  // when it is quantised; in higher precision it counts as exact
  double cost = 1.0;           // of higher precision: multiply-adds, or time; finite, >= 0
  double weight = 1.0;         // of its noise in the total; finite, >= 0
};

struct ErrorBudget {
  // Every quantised layer has at least this SignalToNoise(), in dB. Not NaN.
  double min_signal_to_noise = -std::numeric_limits<double>::infinity();
  // The sum of weight * RelativeNoise() over the quantised layers is at most this, >= 0. Relative
  // noise of one layer after the other adds up where layers pass signal and noise on alike and
  // noises are independent: a first approximation, which the weights can correct.
  double max_total_noise = std::numeric_limits<double>::infinity();
};

enum class LayerPrecision : uint8_t { kQuantized, kHigher };

struct PrecisionChoice {
  int64_t higher = 0;        // layers in higher precision
  double cost = 0.0;         // of these
  double total_noise = 0.0;  // of the others, as in ErrorBudget
  bool optimal = true;       // no choice within the budget costs less
};

// Chooses the layers that stay in higher precision, at the least cost that meets the budget, and
// writes one precision per layer. A layer below min_signal_to_noise, or with results that are not
// finite, has to stay. Of the others those with the most noise per cost are taken until the budget
// is met, and then as many of them as it allows, the dearest first, are given back. From there
// branch and bound looks for a cheaper choice until there is none, or for a million steps, then
// `optimal` is false; so it is with more than 1000 layers to choose from. Deterministic, on the
// calling thread.
//
// On an error nothing is written: kInvalidArgument or kOutOfRange for bad costs, weights or budgets
// and for a `precisions` not as long as `layers`, kResourceExhausted.
Result<PrecisionChoice> ChoosePrecisions(ArrayView<const LayerError> layers,
                                         const ErrorBudget& budget,
                                         ArrayView<LayerPrecision> precisions) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_ACCURACY_H_
