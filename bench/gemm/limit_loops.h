// Emitted loops that do nothing but what bounds a kernel: the products of an ISA and their sums,
// with operands in registers or streamed from memory. They know no matrix; limits.h measures with
// them.
#ifndef QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_
#define QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_

#include <cstdint>
#include <string>

#include "kernels/gemm_kernel.h"
#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge::bench {

// The instructions that products and their sums take.
struct InstructionMix {
  // kDot: vpdpbusd. kWidened: vpmaddwd and vpaddd per product of 16-bit pairs, and one vpmovsxbw
  // that widens a vector of weights for every `rows` of them, as many as the rows of A that a tile
  // multiplies it by. kNarrow: steps of `depth` vpmaddubsw, one vpaddw less, vpmaddwd and vpaddd.
  kernels::Summation summation = kernels::Summation::kDot;
  int rows = 1;
  int depth = 1;

  // The end of a benchmark's name: "", "/rows:6" or "/depth:2".
  std::string Variant() const;
  std::string Description() const;
};

// Independent products, nothing read from memory.
struct IssueLoop {
  void (*run)(int64_t turns) = nullptr;
  int64_t operations_per_turn = 0;  // a multiplication and an addition count as two
};

Result<IssueLoop> MakeIssueLoop(Isa isa, const InstructionMix& mix) noexcept;

// How a stream loop walks over its block of memory.
struct StreamPattern {
  int streams = 1;   // equal parts of the block, read side by side: 1, 2, 4 or 8
  int prefetch = 0;  // bytes ahead in each part; 0: left to the hardware
};

// Products whose weights come from memory, each used once.
struct StreamLoop {
  // Reads `passes` times `streams` parts of `turns` times bytes_per_turn bytes, the parts
  // `part_bytes` apart.
  void (*run)(const void* block, int64_t part_bytes, int64_t turns, int64_t passes) = nullptr;
  int64_t bytes_per_turn = 0;  // of one part
};
// `mix.rows` must be 1, and `mix.depth` divide 16.
Result<StreamLoop> MakeStreamLoop(Isa isa, const InstructionMix& mix,
                                  const StreamPattern& pattern) noexcept;

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_
