// Element types, and the arithmetic that every operation of qforge follows.
//
// Numerics
// --------
// Quantised values stand for reals:   real = scale * (q - zero_point).
// Activations of f32, f16 and bf16 are quantised on their way into an int8 product, as
// qforge/linear.h says; those of 16 bits in the f32 that they are equal to.
//
// An int8 product is exact, and the same bits on every ISA and for every number of threads:
//
//   acc[i][j] = sum_k (A[i][k] - a_zero_point[i]) * (B[k][j] - b_zero_point[j]) + bias_s32[j]
//
// Nothing saturates on the way, for all u8, s8 and zero-points in the range of their type. Whether
// acc could leave int32 is decided from the weights: creation is refused where
//   max_j ( 255 * sum_k |B[k][j] - b_zero_point[j]| + |bias_s32[j]| ) > 2^31 - 1
// which no K up to 65,793 can reach without weight zero-points, and none up to 33,025 with them.
//
// The float stages run in binary32, in this order, each line rounded to nearest even once, by
// kernels and by the scalar reference (src/ref/) alike:
//
//   multiplier[i][j] = a_scale[i] * (b_scale[j] / y_scale)
//   r = float(acc) * multiplier                                    without a float bias
//   r = fma(float(acc), multiplier, bias_f32[j] / y_scale)         with one
//   r = fma(float(residual - residual_zero_point), residual_scale / y_scale, r)
//                                   (a residual of floats has the zero-point 0)
//   r = activation(r)               ReLU: max(r, 0); clamp: bounds divided by y_scale
//   f32 output:    y = r                                           (y_scale is 1)
//   f16, bf16:     y = r, rounded to the type to nearest even; beyond its range to infinity
//   u8, s8 output: y = round_half_even(clamp(r, lo - y_zero_point, hi - y_zero_point)) +
//   y_zero_point
//                  with lo, hi the limits of the type; the clamp comes before the conversion, so
//                  that no value, infinities included, wraps around; NaN gives the lower bound,
//                  which is an activation's where that is above the type's (ReLU takes NaN to 0).
//   s32 output:    y = acc, or y = y + acc (modulo 2^32) where accumulation was asked for; no float
//                  stage; ReLU is max(acc, 0), taken before accumulation.
//
// Float products (weights of f32, f16 or bf16; A likewise, each in binary32 once converted)
// ------------------------------------------------------------------------------------------
//   acc[i][j] = sum_k A[i][k] * B[k][j]
//
// K is cut into P parts of 2 * floor(K / 2P) consecutive k each, of which the last one also has
// what is left. The sum of a part begins at +0 and takes acc = fma(A[i][k], B[k][j], acc) for
// ascending k; then the parts are added, the first and the second, then the third, and so on. P is
// 4 where N <= 64 and K >= 256, 2 where N <= 64 and 128 <= K < 256, else 1. A row's result is
// therefore the same bits for any number of rows beside it, for any number of threads, and on every
// ISA.
//
// The one exception is bf16 A with bf16 weights on avx512_bf16, whose dot product takes two k at a
// time, rounds as the hardware does, and takes subnormals for zeros; there, too, neither rows nor
// threads change a bit.
//
// Bounds. Each of the n = K - (P - 1) * 2 * floor(K / 2P) + P - 1 roundings that a product goes
// through at most changes a partial sum by a factor within 1 +- u, u = 2^-24, so that
//   |acc - exact| <= n * u / (1 - n * u) * sum_k |A[i][k] * B[k][j]| + K * 2^-149
// as long as no partial sum overflows; sums that are exact at every step are exact. With the bf16
// dot product K * 2^-149 becomes 2^-126 * sum_k (2 + |A[i][k]| + |B[k][j]|). NaN and infinities go
// through as in any sum.
//
// Then, each line rounded to nearest even once:
//   r = fma(acc, alpha, bias)      acc + bias if alpha is 1; acc * alpha without a bias
//   r = fma(C, beta, r)            if beta is not 0; C is what the output matrix holds
//   r = fma(residual, residual_scale, r)
//   r = activation(r)              ReLU: r < 0 ? 0 : r; clamp: r < min ? min : r, then r > max ?
//                                  max : r; NaN stays NaN; or one of those below
//   y = r, rounded to the output's type to nearest even; beyond its range to infinity
//
// GELU, sigmoid and SiLU are computed in binary32 by the steps of src/ref/activation.cc, with the
// same bits on every ISA. With u = sqrt(2/pi) * (x + 0.044715 * x^3), in units in the last place of
// the exact value (2^-149 at least), they err by no more than
//
//   kGeluErf    x * Phi(x) = x * (1 + erf(x / sqrt(2))) / 2    7 ulp
//   kGeluTanh   x * (1 + tanh(u)) / 2                          3 ulp; where x < -1, 4 * (1 + |u|)
//   kSigmoid    1 / (1 + exp(-x))                              3 ulp
//   kSilu       x / (1 + exp(-x))                              4 ulp
//
// measured over all binary32 for which the result is not x, x / 2, 0 or a constant but for its last
// place, and a part of the others. Results become subnormal, and then 0, where the exact ones do.
// At +infinity they are +infinity, sigmoid 1; at -infinity -0, sigmoid +0; a zero stays the zero
// that it is, sigmoid gives 1/2. A NaN stays one, made quiet.
//
// Where the host program has changed MXCSR (rounding mode, flush-to-zero, denormals-are-zero), an
// operation sets the default for its own duration and restores the host's setting.
#ifndef QFORGE_TYPES_H_
#define QFORGE_TYPES_H_

#include <cstdint>

#include "qforge/export.h"
#include "qforge/half.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

enum class DataType : uint8_t { kNone, kU8, kS8, kS32, kF32, kF16, kBF16 };

// "none", "u8", "s8", "s32", "f32", "f16", "bf16".
const char* DataTypeName(DataType type) noexcept;

// Bytes of one element; 0 for kNone.
constexpr int DataTypeSize(DataType type) {
  switch (type) {
    case DataType::kU8:
    case DataType::kS8:
      return 1;
    case DataType::kF16:
    case DataType::kBF16:
      return 2;
    case DataType::kS32:
    case DataType::kF32:
      return 4;
    case DataType::kNone:
      break;
  }
  return 0;
}

// The DataType of a C++ element type.
template <class T>
struct DataTypeOf;
template <>
struct DataTypeOf<uint8_t> {
  static constexpr DataType kValue = DataType::kU8;
};
template <>
struct DataTypeOf<int8_t> {
  static constexpr DataType kValue = DataType::kS8;
};
template <>
struct DataTypeOf<int32_t> {
  static constexpr DataType kValue = DataType::kS32;
};
template <>
struct DataTypeOf<float> {
  static constexpr DataType kValue = DataType::kF32;
};
template <>
struct DataTypeOf<Half> {
  static constexpr DataType kValue = DataType::kF16;
};
template <>
struct DataTypeOf<BFloat16> {
  static constexpr DataType kValue = DataType::kBF16;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_TYPES_H_
