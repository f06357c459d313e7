// Products with sparse weights in gemm_bench, beside FBGEMM's.
#ifndef QFORGE_BENCH_GEMM_SPARSE_H_
#define QFORGE_BENCH_GEMM_SPARSE_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "qforge/isa.h"

namespace qforge::bench {

// Names: int8_sparse/MxNxK/density:D/isa:NAME/threads:N[/accumulate][/peer:fbgemm].
void RegisterSparseBenchmarks(const std::vector<Isa>& isas);

// gemm_bench --sparse: one row per shape and density, to the standard output as the figures come.
nlohmann::json PrintSparseTables(const std::vector<Isa>& isas, int rounds);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_SPARSE_H_
