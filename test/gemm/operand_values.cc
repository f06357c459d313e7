#include "gemm/operand_values.h"

#include <algorithm>

namespace qforge::test {
namespace {

// The sum of 12 values uniform in +-0.5 has a standard deviation of 1.
int8_t NormalWeight(Random& random) {
  float sum = 0.0f;
  for (int i = 0; i < 12; ++i) sum += random.Real(-0.5f, 0.5f);
  return static_cast<int8_t>(std::clamp(sum * (127.0f / 4.0f), -127.0f, 127.0f));
}

// 8 columns are the narrowest vector, and any other begins and ends where some of these do.
bool AtVectorEdge(int64_t j, int64_t outputs) {
  return j % 8 == 0 || j % 8 == 7 || j == outputs - 1;
}

}  // namespace

const char* WeightKindName(WeightKind kind) {
  constexpr const char* kNames[kWeightKindCount] = {"any",
                                                    "zero",
                                                    "tiny",
                                                    "normal",
                                                    "half",
                                                    "fill1",
                                                    "fill2",
                                                    "fill4",
                                                    "fill8",
                                                    "highest",
                                                    "lowest",
                                                    "alternating_by_input",
                                                    "alternating_by_output",
                                                    "unsafe_pair_in_front",
                                                    "unsafe_pair_behind",
                                                    "unsafe_panels"};
  return kNames[static_cast<int>(kind)];
}

int8_t WeightValue(WeightKind kind, int64_t k, int64_t inputs, int64_t j, int64_t outputs,
                   Random& random) {
  const auto tiny = [&] { return random.Integer<int8_t>(-2, 2); };
  const auto pair_at = [&](bool here) -> int8_t {
    if (!here || !AtVectorEdge(j, outputs)) return tiny();
    return j % 16 < 8 ? 127 : -128;
  };
  switch (kind) {
    case WeightKind::kAny:
      return random.Any<int8_t>();
    case WeightKind::kZero:
      return 0;
    case WeightKind::kTiny:
      return tiny();
    case WeightKind::kNormal:
      return NormalWeight(random);
    case WeightKind::kHalf:
      return random.Integer<int8_t>(-64, 64);
    case WeightKind::kFill1:
      return 64;
    case WeightKind::kFill2:
      return -32;
    case WeightKind::kFill4:
      return 16;
    case WeightKind::kFill8:
      return -8;
    case WeightKind::kHighest:
      return 127;
    case WeightKind::kLowest:
      return -128;
    case WeightKind::kAlternatingByInput:
      return k % 2 == 0 ? 127 : -128;
    case WeightKind::kAlternatingByOutput:
      return j % 2 == 0 ? 127 : -128;
    case WeightKind::kUnsafePairInFront:
      return pair_at(k < 2);
    case WeightKind::kUnsafePairBehind:
      return pair_at(k >= inputs - 2);
    case WeightKind::kUnsafePanels:
      return j % 128 < 64 ? tiny() : int8_t{127};
  }
  return 0;
}

int32_t ExtremeActivation(int64_t row, int64_t k, int32_t weight, int32_t maximum, Random& random) {
  bool high = true;
  switch (row % kExtremeRows) {
    case 0:
      break;
    case 1:
      high = weight > 0;
      break;
    case 2:
      high = weight < 0;
      break;
    case 3:
      return random.Integer(0, maximum);
    case 4:
      high = k % 2 == 0;
      break;
    default:
      high = k % 2 != 0;
      break;
  }
  return high ? maximum : 0;
}

}  // namespace qforge::test
