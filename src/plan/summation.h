// How int8 products are summed where the ISA has no dot product of bytes, and what that costs.
#ifndef QFORGE_PLAN_SUMMATION_H_
#define QFORGE_PLAN_SUMMATION_H_

#include <cstdint>

namespace qforge::plan {

// Costs are for one row of A by one vector of columns. Two bounds are added, because which of them
// is reached first differs among machines: multiplications, of which a core starts two in a cycle,
// and vector operations in all, of which it starts three or four.
constexpr double VectorCost(int multiplications, int operations) {
  return multiplications / 2.0 + operations / 3.0;
}

// A step of `depth` groups of 4 k: as many vpmaddubsw, one vpaddw less, and vpmaddwd and vpaddd.
constexpr double NarrowStepCost(int depth) { return VectorCost(depth + 1, 2 * depth + 1); }

// A group that takes s16 weights: vpand, vpsrlw, 2 vpmaddwd, 2 vpaddd.
constexpr double kWideGroupCost = VectorCost(2, 6);

// 4 k of the product that is widened as a whole: 2 vpmaddwd, 2 vpaddd. Weights are widened once for
// all rows of a tile, and activations once for all columns, which is left out.
constexpr double kWidenedGroupCost = VectorCost(2, 4);

// Groups of a step that are considered. More than 8 would gain little: of 16 multiplications one.
inline constexpr int kNarrowDepths[] = {1, 2, 4, 8};

// With fewer k there is not enough choice for steps.
inline constexpr int64_t kFewestNarrowInputs = 16;

// The largest sum of weights of one sign whose products with activations in [0, activation_maximum]
// fit into 16 bits.
constexpr int32_t LargestNarrowSum(int32_t activation_maximum) {
  return 32767 / activation_maximum;
}

}  // namespace qforge::plan

#endif  // QFORGE_PLAN_SUMMATION_H_
