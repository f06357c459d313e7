// embedding_bag_bench --table: everything that there is to know about each format and dimension, in
// one row, and the same figures as JSON.
#ifndef QFORGE_BENCH_EMBEDDING_TABLE_H_
#define QFORGE_BENCH_EMBEDDING_TABLE_H_

#include <nlohmann/json.hpp>
#include <vector>

#include "embedding/formats.h"
#include "qforge/isa.h"

namespace qforge::bench {

// Prints to the standard output as the figures come, and returns them. FBGEMM is measured beside
// the first ISA alone.
nlohmann::json PrintTables(const std::vector<Case>& cases, const std::vector<Isa>& isas,
                           int rounds);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_EMBEDDING_TABLE_H_
