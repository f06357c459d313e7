// How the sums of a float product are cut, which is part of its definition: see qforge/types.h.
#ifndef QFORGE_BASE_FLOAT_PRODUCT_H_
#define QFORGE_BASE_FLOAT_PRODUCT_H_

#include <cstdint>

namespace qforge::base {

// The parts of K. Where columns are few, one row has too few sums to keep multipliers busy.
constexpr int PartsOfFloatProduct(int64_t inputs, int64_t outputs) {
  constexpr int64_t kFewColumns = 64;
  constexpr int64_t kShortestPart = 64;
  if (outputs > kFewColumns) return 1;
  if (inputs >= 4 * kShortestPart) return 4;
  return inputs >= 2 * kShortestPart ? 2 : 1;
}

// k of each part; the last one also has what is left.
constexpr int64_t InputsOfPart(int64_t inputs, int parts) { return inputs / (2 * parts) * 2; }

}  // namespace qforge::base

#endif  // QFORGE_BASE_FLOAT_PRODUCT_H_
