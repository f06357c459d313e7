#include "gemm/targets.h"

#include "cpu/host.h"
#include "cpu/isa_table.h"

namespace qforge::bench {
namespace {

// Those of shapes are for int8 with VNNI.
double Int8Target(Family family, Isa isa, const Shape& shape, bool large) {
  if (cpu::Traits(isa).vnni) return family == Family::kInt8 ? shape.target : 0;
  if (!large || family == Family::kInt8Outlier) return 0;
  return family == Family::kInt8 ? 0.90 : 0.88;
}

}  // namespace

Targets TargetsOf(const Operands& operands, Isa isa, const Shape& shape) {
  const bool large = shape.m >= 6 && shape.n >= 256 && shape.k >= 256;
  Targets targets;
  if (!operands.is_float()) {
    targets.of_limit = Int8Target(operands.family, isa, shape, large);
    return targets;
  }
  const bool in_l2 = operands.WeightBytes(shape) <= static_cast<double>(cpu::Host().l2.bytes);
  if (operands.family == Family::kFp16 && shape.m == 1 && in_l2) {
    targets.of_limit = 0.85;
    targets.speedup = 1.6;
  }
  // With AVX-512, fp32 is to be no slower than peers, and no more.
  const bool peers_alone = operands.family == Family::kFp32 && cpu::Traits(isa).evex;
  if (large && !peers_alone) targets.of_limit = 0.92;
  return targets;
}

}  // namespace qforge::bench
