// What products are to reach on one thread.
#ifndef QFORGE_BENCH_GEMM_TARGETS_H_
#define QFORGE_BENCH_GEMM_TARGETS_H_

#include "gemm/operands.h"
#include "gemm/shapes.h"
#include "qforge/isa.h"

namespace qforge::bench {

struct Targets {
  double of_limit = 0;  // 0: none
  double speedup = 1;   // over each peer
};

Targets TargetsOf(const Operands& operands, Isa isa, const Shape& shape);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_TARGETS_H_
