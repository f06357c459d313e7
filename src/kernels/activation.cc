#include "kernels/activation.h"

#include <bit>
#include <cstddef>
#include <cstdint>

#include "base/activation_constants.h"

namespace qforge::kernels {

using jit::Address;
using jit::Emitter;
using jit::Vec;

namespace {

constexpr float kMinusZero = -0.0f;

Address Constant(Emitter& e, float value) { return e.Constant32(std::bit_cast<uint32_t>(value)); }

// sum = (coefficients[0] + coefficients[1] * x + ...) * scale. `scale` is a power of two, so that
// it makes no difference where it is multiplied.
template <size_t kSize>
void Polynomial(Emitter& e, Vec sum, Vec x, const float (&coefficients)[kSize],
                float scale = 1.0f) {
  e.Load(sum, Constant(e, coefficients[kSize - 1] * scale));
  for (size_t i = kSize - 1; i-- > 0;) e.FmaF32(sum, x, Constant(e, coefficients[i] * scale));
}

// result = exp(-r) * 2^n, with 2^n in the lowest bits of `shifted`. NaN in r comes through: a
// product of two NaNs is the first of them.
void FinishExp(Emitter& e, Vec result, Vec r, Vec shifted) {
  Polynomial(e, result, r, base::kExpPolynomial);
  e.ShiftLeft32(shifted, shifted, 23);
  e.MulF32(result, result, e.Full(shifted));
}

// result = exp(-w) * 2^scale_exponent. Clobbers `w` and `shifted`.
void ScaledExp(Emitter& e, Vec result, Vec w, Vec shifted, int scale_exponent) {
  const Address offset = Constant(e, base::RoundingOffset(scale_exponent));
  const Vec n = result;
  e.Load(shifted, offset);
  e.FmaAddF32(shifted, w, Constant(e, base::kMinusLog2E));
  e.SubF32(n, shifted, offset);
  // n * kLn2High is exact, so that this rounds once, as the reference does.
  e.FmaAddF32(w, n, Constant(e, base::kLn2High));
  e.FmaAddF32(w, n, Constant(e, base::kLn2Low));
  FinishExp(e, result, w, shifted);
}

// result = exp(-a * b) * 2^kScaleExponent. Clobbers `b` and `shifted`.
void ScaledExpOfProduct(Emitter& e, Vec result, Vec a, Vec b, Vec shifted) {
  const Address offset = Constant(e, base::RoundingOffset(base::kScaleExponent));
  const Vec n = result;
  e.MulF32(result, a, e.Full(b));
  e.Load(shifted, offset);
  e.FmaAddF32(shifted, result, Constant(e, base::kMinusLog2E));
  e.SubF32(n, shifted, offset);
  e.MulF32(n, n, Constant(e, base::kLn2High));
  e.FmaF32(b, a, e.Full(n));
  e.SubF32(n, shifted, offset);  // again, rather than in one more register
  e.FmaAddF32(b, n, Constant(e, base::kLn2Low));
  FinishExp(e, result, b, shifted);
}

// to = |x|, no larger than `limit`, which NaN gives.
void Magnitude(Emitter& e, Vec to, Vec x, float limit) {
  constexpr uint32_t kAllButSign = 0x7FFFFFFF;
  e.And(to, x, e.Constant32(kAllButSign));
  e.MinF32(to, to, Constant(e, limit));
}

// value = max(value, -0) - tail. The maximum is the second operand where it is NaN, or both are
// zeros.
void FromTail(Emitter& e, Vec value, Vec tail, Vec scratch) {
  e.Load(scratch, Constant(e, kMinusZero));
  e.MaxF32(value, scratch, e.Full(value));
  e.SubF32(value, value, e.Full(tail));
}

// value = max(value, -0) - a * E / (E + 1), where `exp` holds E = exp(-z) times kScale. Clobbers
// `a`.
void FromExp(Emitter& e, Vec value, Vec exp, Vec a) {
  e.MulF32(a, exp, e.Full(a));
  e.AddF32(exp, exp, Constant(e, base::kScale));
  e.DivF32(a, a, e.Full(exp));
  FromTail(e, value, a, exp);
}

void EmitGeluErf(Emitter& e, Vec value, const Vec* scratch) {
  const Vec a = scratch[0], b = scratch[1], tail = scratch[2];
  Magnitude(e, a, value, base::kGeluErfLimit);
  e.MulF32(b, a, Constant(e, 0.5f));
  ScaledExpOfProduct(e, tail, a, b, scratch[3]);
  e.MulF32(tail, tail, e.Full(a));
  Polynomial(e, b, a, base::kGeluErfNumerator);
  e.MulF32(tail, tail, e.Full(b));
  Polynomial(e, b, a, base::kGeluErfDenominator, base::kScale);
  e.DivF32(tail, tail, e.Full(b));
  FromTail(e, value, tail, a);
}

void EmitGeluTanh(Emitter& e, Vec value, const Vec* scratch) {
  const Vec a = scratch[0], slope = scratch[1], exp = scratch[2];
  Magnitude(e, a, value, base::kGeluTanhLimit);
  e.MulF32(exp, a, e.Full(a));
  e.Load(slope, Constant(e, base::kGeluTanhLinear));
  e.FmaAddF32(slope, exp, Constant(e, base::kGeluTanhCubic));
  ScaledExpOfProduct(e, exp, a, slope, scratch[3]);
  FromExp(e, value, exp, a);
}

void EmitSilu(Emitter& e, Vec value, const Vec* scratch) {
  const Vec a = scratch[0], exp = scratch[1];
  Magnitude(e, a, value, base::kSiluLimit);
  ScaledExp(e, exp, a, scratch[2], base::kScaleExponent);
  Magnitude(e, a, value, base::kSiluLimit);  // again, rather than in one more register
  FromExp(e, value, exp, a);
}

void EmitSigmoid(Emitter& e, Vec value, const Vec* scratch) {
  const Vec exp = scratch[0];
  const Address inverse_scale = Constant(e, base::kInverseScale);
  // With the bound as the first operand, NaN stays.
  e.Load(exp, Constant(e, base::kSigmoidLowest));
  e.MaxF32(value, exp, e.Full(value));
  e.Load(exp, Constant(e, base::kSigmoidHighest));
  e.MinF32(value, exp, e.Full(value));
  ScaledExp(e, exp, value, scratch[1], -base::kScaleExponent);
  e.AddF32(exp, exp, inverse_scale);
  e.Load(value, inverse_scale);
  e.DivF32(value, value, e.Full(exp));
}

}  // namespace

bool NeedsExponential(Activation activation) { return ActivationScratch(activation) > 0; }

int ActivationScratch(Activation activation) {
  switch (activation) {
    case Activation::kGeluErf:
    case Activation::kGeluTanh:
      return 4;
    case Activation::kSilu:
      return 3;
    case Activation::kSigmoid:
      return 2;
    case Activation::kNone:
    case Activation::kRelu:
    case Activation::kClamp:
      break;
  }
  return 0;
}

void EmitActivation(Emitter& emitter, Activation activation, Vec value, const Vec* scratch) {
  switch (activation) {
    case Activation::kGeluErf:
      return EmitGeluErf(emitter, value, scratch);
    case Activation::kGeluTanh:
      return EmitGeluTanh(emitter, value, scratch);
    case Activation::kSilu:
      return EmitSilu(emitter, value, scratch);
    case Activation::kSigmoid:
      return EmitSigmoid(emitter, value, scratch);
    case Activation::kNone:
    case Activation::kRelu:
    case Activation::kClamp:
      break;
  }
  throw jit::EmissionError("an activation without an exponential");
}

}  // namespace qforge::kernels
