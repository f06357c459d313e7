#include "plan/algorithm.h"

#include "cpu/isa_table.h"

namespace qforge::plan {

Algorithm Int8Algorithm(Isa isa, kernels::Summation summation) {
  using kernels::Summation;
  if (isa == Isa::kScalar) return {"portable scalar code", "no vector instruction set may be used"};
  switch (summation) {
    case Summation::kDot:
      return {"u8 x s8 dot product", "vpdpbusd sums four products in 32 bits: exact"};
    case Summation::kNarrow:
      return {"sums of 16 bits",
              "vpmaddubsw on weights arranged so that no sum can overflow: exact"};
    case Summation::kSaturating:
      return {"saturating sums of 16 bits", "asked for by name: vpmaddubsw and vpaddsw"};
    default:
      return {"16-bit products",
              "vpmaddubsw could saturate, vpmaddwd on widened values cannot: exact"};
  }
}

Algorithm ArrayAlgorithm(Isa isa) {
  if (isa == Isa::kScalar) return {"portable scalar code", "no vector instruction set may be used"};
  return {"emitted loops", cpu::Traits(isa).evex ? "tails by masks" : "tails by partial moves"};
}

}  // namespace qforge::plan
