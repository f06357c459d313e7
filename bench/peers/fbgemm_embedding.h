// FBGEMM's pooled look-up, measured beside qforge's in the same process.
#ifndef QFORGE_BENCH_PEERS_FBGEMM_EMBEDDING_H_
#define QFORGE_BENCH_PEERS_FBGEMM_EMBEDDING_H_

#include <memory>

#include "embedding/table_data.h"
#include "qforge/isa.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// Whether FBGEMM is installed and has a kernel for such rows.
bool FbgemmHas(RowFormat format);

// Whether that kernel can be kept to `isa`. Those for u4 and u2 take AVX-512 wherever there is any.
bool FbgemmFollows(RowFormat format, Isa isa);

// Sums the rows of one call per repetition into `output`, bags x dimension: the same bytes, 64-bit
// indices and offsets, rows prefetched 16 positions ahead. Kept to `isa` where FBGEMM follows.
// Throws std::runtime_error where it cannot do it.
Work FbgemmLookup(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups, Isa isa,
                  float* output);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_PEERS_FBGEMM_EMBEDDING_H_
