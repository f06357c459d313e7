// What the memory allows: how fast random rows can be fetched by a loop that does nothing else.
#ifndef QFORGE_BENCH_EMBEDDING_FETCH_LIMIT_H_
#define QFORGE_BENCH_EMBEDDING_FETCH_LIMIT_H_

#include <memory>
#include <string>

#include "embedding/table_data.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

struct FetchLimit {
  Work work;                // fetches the rows of a call per repetition
  std::string description;  // the pattern
};

// Touches every cache line of the rows, prefetching as far ahead, and in that order, as has proved
// best for this table: the patterns are tried first.
FetchLimit FindFetchLimit(std::shared_ptr<const TableData> data, std::shared_ptr<Lookups> lookups);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_EMBEDDING_FETCH_LIMIT_H_
