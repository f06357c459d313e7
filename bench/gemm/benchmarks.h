// The entries of gemm_bench, registered with Google Benchmark.
#ifndef QFORGE_BENCH_GEMM_BENCHMARKS_H_
#define QFORGE_BENCH_GEMM_BENCHMARKS_H_

#include <vector>

#include "gemm/operands.h"
#include "gemm/shapes.h"
#include "qforge/isa.h"

namespace qforge::bench {

// Names: FAMILY/MxNxK/isa:NAME/threads:N[/variant], limit/..., create/..., emit/...;
// bench/README.md says what they measure. Peers are registered for the first ISA alone: a library
// can be kept to one instruction set per process. Emits and measures nothing yet.
void RegisterBenchmarks(const std::vector<Shape>& shapes, const std::vector<Isa>& isas,
                        const OperandsChoice& choice);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_BENCHMARKS_H_
