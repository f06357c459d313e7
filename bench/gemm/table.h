// gemm_bench --table: everything that there is to know about each shape, in one row, and the same
// figures as JSON.
#ifndef QFORGE_BENCH_GEMM_TABLE_H_
#define QFORGE_BENCH_GEMM_TABLE_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "gemm/operands.h"
#include "gemm/shapes.h"
#include "qforge/isa.h"

namespace qforge::bench {

// One table per ISA and family. Prints to the standard output as the figures come, and returns
// them. Peers are measured for the first ISA alone. Call before anything has been emitted.
nlohmann::json PrintTables(const std::vector<Shape>& shapes, const std::vector<Isa>& isas,
                           const OperandsChoice& choice, int rounds);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_TABLE_H_
