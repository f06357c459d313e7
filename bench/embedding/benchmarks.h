// The entries of embedding_bag_bench, registered with Google Benchmark.
#ifndef QFORGE_BENCH_EMBEDDING_BENCHMARKS_H_
#define QFORGE_BENCH_EMBEDDING_BENCHMARKS_H_

#include <vector>

#include "embedding/formats.h"
#include "qforge/isa.h"

namespace qforge::bench {

// Names: embedding_bag/FORMAT/d:D/rows:R/isa:NAME/threads:1[/VARIANT], where the variants are
// peer:fbgemm, soft_error_check and soft_error_check:beside, and limit/fetch/...;
// bench/README.md says what they measure. FBGEMM is measured beside the first ISA alone. Makes no
// table yet.
void RegisterBenchmarks(const std::vector<Case>& cases, const std::vector<Isa>& isas);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_EMBEDDING_BENCHMARKS_H_
