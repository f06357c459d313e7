// What the machine allows, measured: how fast it issues the dot products of an ISA, and how fast it
// streams weights through them.
#ifndef QFORGE_BENCH_GEMM_LIMITS_H_
#define QFORGE_BENCH_GEMM_LIMITS_H_

#include <cstdint>
#include <string>

#include "gemm/shapes.h"
#include "qforge/context.h"
#include "qforge/isa.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// A loop that runs at the limit, on all threads of a context at once.
struct Limit {
  Work work;
  double amount = 0;  // operations or bytes per repetition, all threads together
  std::string description;
};

// The rows of A that share each widening of weights in the exact kernel without VNNI, which are
// those of the tallest tiles that the product is cut into; 1 with VNNI, which widens nothing.
int RowsPerWidening(Isa isa, const Shape& shape);

// The issue limit of the dot product with VNNI, and without it of the instruction mix of the exact
// kernel. Throws std::runtime_error where the loop cannot be emitted; the scalar ISA has no limit.
Limit IssueLimit(Isa isa, int rows_per_widening, const Context& context);

// The rate at which `bytes` of weights are read again and again, each byte for one product, by the
// fastest of several access patterns: one, two, four or eight parallel streams, left to the
// hardware prefetchers or prefetched at several distances, in small or in huge pages. The patterns
// are tried once per ISA, size and number of threads, with each thread reading its share. Throws as
// above.
Limit StreamLimit(Isa isa, int64_t bytes, const Context& context);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_LIMITS_H_
