// Emitted loops that do nothing but what bounds a kernel: the dot products of an ISA, with operands
// in registers or streamed from memory. They know no matrix; limits.h measures with them.
#ifndef QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_
#define QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_

#include <cstdint>

#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge::bench {

// Independent dot products, nothing read from memory.
struct IssueLoop {
  void (*run)(int64_t turns) = nullptr;
  int64_t operations_per_turn = 0;  // a multiplication and an addition count as two
};

// Without VNNI the loop is the instruction mix of the exact kernel: vpmaddwd and vpaddd per product
// of 16-bit pairs, and one vpmovsxbw that widens a vector of weights for every `rows` of them, as
// many as the rows of A that a tile multiplies it by. With VNNI `rows` has no influence.
Result<IssueLoop> MakeIssueLoop(Isa isa, int rows) noexcept;

// How a stream loop walks over its block of memory.
struct StreamPattern {
  int streams = 1;   // equal parts of the block, read side by side: 1, 2, 4 or 8
  int prefetch = 0;  // bytes ahead in each part; 0: left to the hardware
};

// Dot products whose weights come from memory, each used once.
struct StreamLoop {
  // Reads `passes` times `streams` parts of `turns` times bytes_per_turn bytes, the parts
  // `part_bytes` apart.
  void (*run)(const void* block, int64_t part_bytes, int64_t turns, int64_t passes) = nullptr;
  int64_t bytes_per_turn = 0;  // of one part
};
Result<StreamLoop> MakeStreamLoop(Isa isa, const StreamPattern& pattern) noexcept;

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_
