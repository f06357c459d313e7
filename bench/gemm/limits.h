// What the machine allows, measured: how fast it issues the products of an ISA, and how fast it
// streams weights through them.
#ifndef QFORGE_BENCH_GEMM_LIMITS_H_
#define QFORGE_BENCH_GEMM_LIMITS_H_

#include <cstdint>
#include <string>

#include "gemm/limit_loops.h"
#include "gemm/operands.h"
#include "pack/panel_layout.h"
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

// What bounds a product of `rows` rows with weights of that layout. Where s8 are widened, that is
// the mix with the rows of the tallest tile. Where they are summed in 16 bits it is, for int8, the
// plain use of vpmaddubsw, one group of k in a step, however deep the steps are that packing found;
// for int8_acc16 it is the steps as they are.
InstructionMix LimitingMix(const Operands& operands, const pack::PanelLayout& layout, int64_t rows);

// The issue limit of the mix. Throws std::runtime_error where the loop cannot be emitted; the
// scalar ISA has no limit.
Limit IssueLimit(Isa isa, const InstructionMix& mix, const Context& context);

// The rate at which `bytes` of weights are read again and again, each byte for one product, by the
// fastest of several access patterns: one, two, four or eight parallel streams, left to the
// hardware prefetchers or prefetched at several distances, in small or in huge pages. The patterns
// are tried once per ISA, mix, size and number of threads, with each thread reading its share.
// Throws as above.
Limit StreamLimit(Isa isa, const InstructionMix& mix, int64_t bytes, const Context& context);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_LIMITS_H_
