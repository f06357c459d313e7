#include "ref/activation.h"

#include <bit>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include "base/activation_constants.h"

namespace qforge::ref {
namespace {

// coefficients[0] + coefficients[1] * x + ...
template <size_t kSize>
float Polynomial(const float (&coefficients)[kSize], float x) noexcept {
  float sum = coefficients[kSize - 1];
  for (size_t i = kSize - 1; i-- > 0;) sum = std::fma(sum, x, coefficients[i]);
  return sum;
}

// exp(-a * b) * 2^scale_exponent. What a * b loses by rounding reaches n alone, which may be one of
// two neighbours: r has the exact product.
float ScaledExp(float a, float b, int scale_exponent) noexcept {
  const float offset = base::RoundingOffset(scale_exponent);
  const float shifted = std::fma(a * b, base::kMinusLog2E, offset);
  const float n = shifted - offset;
  float r = std::fma(b, a, n * base::kLn2High);
  r = std::fma(n, base::kLn2Low, r);
  const float power = std::bit_cast<float>(std::bit_cast<uint32_t>(shifted) << 23);
  return Polynomial(base::kExpPolynomial, r) * power;
}

// |x|, no larger than `limit`, which NaN gives.
float Magnitude(float x, float limit) noexcept {
  const float a = std::fabs(x);
  return a < limit ? a : limit;
}

// max(x, 0) - tail, with the sign of x where that is 0, and NaN where x is: a quiet one.
float FromTail(float x, float tail) noexcept { return (x < -0.0f ? -0.0f : x) - tail; }

}  // namespace

// x * F(x) = max(x, 0) - |x| * F(-|x|) for the F(x) = 1 - F(-x) of all three below. Where F(-|x|)
// is small this has the small relative error that its factors have, and elsewhere a smaller one.

float GeluErf(float x) noexcept {
  const float a = Magnitude(x, base::kGeluErfLimit);
  float tail = ScaledExp(a, 0.5f * a, base::kScaleExponent) * a;
  tail = tail * Polynomial(base::kGeluErfNumerator, a);
  return FromTail(x, tail / (Polynomial(base::kGeluErfDenominator, a) * base::kScale));
}

float GeluTanh(float x) noexcept {
  const float a = Magnitude(x, base::kGeluTanhLimit);
  const float slope = std::fma(a * a, base::kGeluTanhCubic, base::kGeluTanhLinear);
  const float e = ScaledExp(a, slope, base::kScaleExponent);
  return FromTail(x, e * a / (e + base::kScale));
}

float Silu(float x) noexcept {
  const float a = Magnitude(x, base::kSiluLimit);
  const float e = ScaledExp(a, 1.0f, base::kScaleExponent);
  return FromTail(x, e * a / (e + base::kScale));
}

float Sigmoid(float x) noexcept {
  if (std::isnan(x)) return x + x;  // quiet
  float w = x < base::kSigmoidLowest ? base::kSigmoidLowest : x;
  w = w > base::kSigmoidHighest ? base::kSigmoidHighest : w;
  const float e = ScaledExp(w, 1.0f, -base::kScaleExponent);
  return base::kInverseScale / (e + base::kInverseScale);
}

}  // namespace qforge::ref
