// Weights that are chosen to meet each way of summing their products, and the activations that make
// sums of 16 bits as large as the weights allow.
#ifndef QFORGE_TEST_GEMM_OPERAND_VALUES_H_
#define QFORGE_TEST_GEMM_OPERAND_VALUES_H_

#include <cstdint>

#include "support/random.h"

namespace qforge::test {

enum class WeightKind : uint8_t {
  kAny,     // uniform over s8
  kZero,    //
  kTiny,    // -2 to 2
  kNormal,  // normal, with 127 at 4 standard deviations, where it is clipped
  kHalf,    // uniform in -64 to 64
  // All the same, so that with activations up to 255 steps of 1, 2, 4 and 8 groups come to the very
  // limit of 16 bits.
  kFill1,
  kFill2,
  kFill4,
  kFill8,
  kHighest,              // 127
  kLowest,               // -128
  kAlternatingByInput,   // 127 and -128
  kAlternatingByOutput,  // likewise
  // kTiny, with 127 and 127, or -128 and -128, as the first or the last two weights of the columns
  // where a vector of any ISA begins or ends.
  kUnsafePairInFront,
  kUnsafePairBehind,
  kUnsafePanels,  // 64 columns of kTiny, 64 of kHighest, and so on
};
inline constexpr int kWeightKindCount = 16;

// "unsafe_pair_behind".
const char* WeightKindName(WeightKind kind);

// Of input `k` of `inputs` and output `j` of `outputs`.
int8_t WeightValue(WeightKind kind, int64_t k, int64_t inputs, int64_t j, int64_t outputs,
                   Random& random);

// Of row `row` and input `k`, from 0 to `maximum`. Rows take turns: all at the maximum; the maximum
// and 0 by turns, from either; the maximum where `weight` is of one sign, and 0 elsewhere; any.
int32_t ExtremeActivation(int64_t row, int64_t k, int32_t weight, int32_t maximum, Random& random);
inline constexpr int kExtremeRows = 6;

}  // namespace qforge::test

#endif  // QFORGE_TEST_GEMM_OPERAND_VALUES_H_
