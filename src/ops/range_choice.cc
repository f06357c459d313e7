#include "ops/range_choice.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <new>

#include "base/float_environment.h"
#include "ops/range_density.h"
#include "ops/range_search.h"
#include "ops/validate.h"
#include "ref/reference.h"

namespace qforge {
namespace {

using FloatLimits = std::numeric_limits<float>;

Status CheckActivation(const RangeOptions& options) {
  if (options.activation > Activation::kClamp) {
    return Status::Error(StatusCode::kInvalidArgument, "options.activation",
                         "%d is none of kNone, kRelu and kClamp",
                         static_cast<int>(options.activation));
  }
  if (options.activation != Activation::kClamp) return Status();
  if (std::isnan(options.clamp_max)) {
    return Status::Error(StatusCode::kInvalidArgument, "options.clamp_max", "is NaN");
  }
  if (!(options.clamp_min <= options.clamp_max)) {
    return Status::Error(StatusCode::kInvalidArgument, "options.clamp_min",
                         "%g is not <= clamp_max, %g", static_cast<double>(options.clamp_min),
                         static_cast<double>(options.clamp_max));
  }
  if (std::isinf(options.clamp_min) && options.clamp_min == options.clamp_max) {
    return Status::Error(StatusCode::kInvalidArgument, "options.clamp_min",
                         "and clamp_max are both %g, which leaves no finite value",
                         static_cast<double>(options.clamp_min));
  }
  return Status();
}

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "histogram", "no memory to work on it");
}

// The smallest x in [0, end] with holds(x), which holds from somewhere on and at `end`.
template <class Condition>
float LeastWith(float end, Condition&& holds) {
  double low = 0.0;
  double high = static_cast<double>(end);
  if (holds(low)) return 0.0f;
  constexpr int kHalvings = 50;  // more digits than a float has
  for (int i = 0; i < kHalvings; ++i) {
    const double middle = 0.5 * (low + high);
    (holds(middle) ? high : low) = middle;
  }
  return static_cast<float>(high);
}

QuantizationParameters ChooseByPercentile(const RangeDensity& density,
                                          const RangeOptions& options) {
  const double allowed = density.finite_count() * (100.0 - options.percentile) / 100.0;
  const float low = std::max(-density.range().min, 0.0f);
  const float high = std::max(density.range().max, 0.0f);
  if (options.parameters.symmetric) {
    const float end = LeastWith(std::max(low, high), [&](double x) {
      return density.CountBelow(-x) + density.CountAbove(x) <= allowed;
    });
    return ref::ChooseParameters(-end, end, options.parameters);
  }
  return ref::ChooseParameters(
      -LeastWith(low, [&](double x) { return density.CountBelow(-x) <= 0.5 * allowed; }),
      LeastWith(high, [&](double x) { return density.CountAbove(x) <= 0.5 * allowed; }),
      options.parameters);
}

QuantizationParameters ChooseFrom(const RangeDensity& density, const RangeOptions& options) {
  if (options.method == RangeMethod::kPercentile) return ChooseByPercentile(density, options);
  if (options.method == RangeMethod::kMinMax) {
    return ref::ChooseParameters(density.range().min, density.range().max, options.parameters);
  }
  const RangeCandidates candidates(density, options.parameters);
  RangeIndex found;
  if (options.method == RangeMethod::kL2) found = SearchL2(density, candidates);
  if (options.method == RangeMethod::kL2Approximate) {
    found = SearchL2Approximately(density, candidates);
  }
  if (options.method == RangeMethod::kKlDivergence) found = SearchKlDivergence(density, candidates);
  return candidates.Parameters(found.low, found.high);
}

float ToFloat(double value) {
  return static_cast<float>(std::clamp(value, static_cast<double>(FloatLimits::lowest()),
                                       static_cast<double>(FloatLimits::max())));
}

Status CheckOptions(const RangeOptions& options) {
  return CheckRangeOptions(options, "options.parameters.type", "options.parameters.bits");
}

}  // namespace

Status CheckRangeOptions(const RangeOptions& options, const char* type_field,
                         const char* bits_field) noexcept {
  if (options.method > RangeMethod::kKlDivergence) {
    return Status::Error(StatusCode::kInvalidArgument, "options.method", "%d is no method",
                         static_cast<int>(options.method));
  }
  QFORGE_RETURN_IF_ERROR(CheckParameterOptions(type_field, bits_field, options.parameters));
  if (!(options.percentile > 50.0 && options.percentile <= 100.0)) {
    return Status::Error(StatusCode::kOutOfRange, "options.percentile", "%g is not in (50, 100]",
                         options.percentile);
  }
  return CheckActivation(options);
}

const char* RangeMethodName(RangeMethod method) noexcept {
  switch (method) {
    case RangeMethod::kMinMax:
      return "minmax";
    case RangeMethod::kPercentile:
      return "percentile";
    case RangeMethod::kL2:
      return "l2";
    case RangeMethod::kL2Approximate:
      return "l2_approximate";
    case RangeMethod::kKlDivergence:
      return "kl";
  }
  return "unknown";
}

Result<double> HistogramL2Error(const Histogram& histogram,
                                const QuantizationParameters& parameters,
                                const RangeOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options));
  QFORGE_RETURN_IF_ERROR(CheckScale("parameters.scale", parameters.scale));
  const int32_t lowest = LowestOf(options.parameters);
  const int32_t highest = HighestOf(options.parameters);
  if (parameters.zero_point < lowest || parameters.zero_point > highest) {
    return Status::Error(StatusCode::kOutOfRange, "parameters.zero_point",
                         "%d is not in [%d, %d], the quantised values", parameters.zero_point,
                         lowest, highest);
  }
  if (histogram.finite_count() == 0) return 0.0;
  const base::FloatEnvironment environment;
  try {
    return RangeDensity(histogram, options)
        .L2Error(QuantizationSteps(parameters, options.parameters));
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<ChosenRange> ChooseRange(const Histogram& histogram, const RangeOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options));
  if (histogram.finite_count() == 0) {
    return Status::Error(StatusCode::kInvalidArgument, "histogram", "has counted no finite value");
  }
  const base::FloatEnvironment environment;
  try {
    const RangeDensity density(histogram, options);
    ChosenRange chosen;
    chosen.parameters = ChooseFrom(density, options);
    const QuantizationSteps steps(chosen.parameters, options.parameters);
    chosen.range = {ToFloat(steps.lowest * steps.scale), ToFloat(steps.highest * steps.scale)};
    chosen.l2_error = density.L2Error(steps);
    return chosen;
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

}  // namespace qforge
