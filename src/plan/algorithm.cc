#include "plan/algorithm.h"

#include "cpu/isa_table.h"

namespace qforge::plan {

Algorithm Int8Algorithm(Isa isa) {
  if (isa == Isa::kScalar) return {"portable scalar code", "no vector instruction set may be used"};
  if (cpu::Traits(isa).vnni) {
    return {"u8 x s8 dot product", "vpdpbusd sums four products in 32 bits: exact"};
  }
  return {"16-bit products", "vpmaddubsw could saturate, vpmaddwd on widened values cannot: exact"};
}

Algorithm ArrayAlgorithm(Isa isa) {
  if (isa == Isa::kScalar) return {"portable scalar code", "no vector instruction set may be used"};
  return {"emitted loops", cpu::Traits(isa).evex ? "tails by masks" : "tails by partial moves"};
}

}  // namespace qforge::plan
