// The numbers that the activations of qforge/types.h are computed with, in kernels and in the
// reference alike: they are part of the definition, to the bit.
#ifndef QFORGE_BASE_ACTIVATION_CONSTANTS_H_
#define QFORGE_BASE_ACTIVATION_CONSTANTS_H_

namespace qforge::base {

// exp(-w) = 2^n * p(r) with n = round(-w * log2(e)) and r = w + n * ln(2). The upper part of ln(2)
// has 15 bits: its product with an n of up to 9 bits is exact.
inline constexpr float kMinusLog2E = -0x1.715476p+0f;
inline constexpr float kLn2High = 0x1.62e4p-1f;
inline constexpr float kLn2Low = 0x1.7f7d1cp-20f;

// p(r), from r^0 to r^6: least relative error to exp(-r), 2^-27.7, for |r| <= 0.3468 among those
// that begin with 1 - r.
inline constexpr float kExpPolynomial[] = {
    1.0f, -1.0f, 0x1.fffffcp-2f, -0x1.555490p-3f, 0x1.5558f4p-5f, -0x1.123a36p-7f, 0x1.6a23b4p-10f};

// exp(-w) is computed times 2^64, or 2^-64 where -w may be large, so that what becomes subnormal
// does so, and is rounded, in the last division and not before.
inline constexpr int kScaleExponent = 64;
inline constexpr float kScale = 0x1p64f;
inline constexpr float kInverseScale = 0x1p-64f;

// Adding it to n rounds to an integer, and leaves in the lowest bits of the sum the exponent field
// of the float 2^(n + scale_exponent).
constexpr float RoundingOffset(int scale_exponent) {
  return 0x1.8p23f + static_cast<float>(127 + scale_exponent);
}

// |x| beyond which x * sigmoid(-|x|), or its like, rounds to 0; and for the sigmoid alone the least
// and the largest argument that count.
inline constexpr float kSiluLimit = 108.75f;
inline constexpr float kGeluTanhLimit = 10.8125f;
inline constexpr float kGeluErfLimit = 14.375f;
inline constexpr float kSigmoidLowest = -104.0f;
inline constexpr float kSigmoidHighest = 40.0f;

// 2 * sqrt(2 / pi), and that times 0.044715.
inline constexpr float kGeluTanhLinear = 0x1.988454p+0f;
inline constexpr float kGeluTanhCubic = 0x1.2444f2p-4f;

// exp(a^2 / 2) * Phi(-a) = p(a) / q(a), from a^0 to the highest power: least relative error for
// 0 <= a <= 14.4 among quotients of these degrees that are 1/2 at 0; 2^-25.3 as rounded. All
// coefficients are positive, so that nothing cancels.
inline constexpr float kGeluErfNumerator[] = {0.5f, 0x1.bfe3bcp-2f, 0x1.75d796p-3f, 0x1.4ae2bap-5f,
                                              0x1.0b4394p-8f};
inline constexpr float kGeluErfDenominator[] = {1.0f,           0x1.ac340cp+0f, 0x1.331dcap+0f,
                                                0x1.deda22p-2f, 0x1.9ebb18p-4f, 0x1.4ef630p-7f};

}  // namespace qforge::base

#endif  // QFORGE_BASE_ACTIVATION_CONSTANTS_H_
