// Emitted loops that do nothing but what bounds a kernel: the products of an ISA and their sums,
// with operands in registers or streamed from memory. They know no matrix; limits.h measures with
// them.
#ifndef QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_
#define QFORGE_BENCH_GEMM_LIMIT_LOOPS_H_

#include <cstdint>
#include <string>

#include "qforge/isa.h"
#include "qforge/status.h"
#include "qforge/types.h"

namespace qforge::bench {

// The instructions that products and their sums take.
enum class ProductKind : uint8_t {
  kDotS8,      // vpdpbusd
  kWidenedS8,  // vpmaddwd and vpaddd, and one vpmovsxbw for some of them, which widens weights
  kNarrowS8,   // some vpmaddubsw, one vpaddw less, vpmaddwd and vpaddd
  kDotBF16,    // vdpbf16ps
  kFma,        // vfmadd231ps; f16 and bf16 weights from memory are converted first
};

struct InstructionMix {
  ProductKind kind = ProductKind::kDotS8;
  DataType weights = DataType::kS8;  // kFma: kF32, kF16, or kBF16, two k of a column in 32 bits
  int rows = 1;   // kWidenedS8: of A, by which a tile multiplies what it has widened
  int depth = 1;  // kNarrowS8: vpmaddubsw of a step

  // The end of a benchmark's name: "", "/rows:6", "/depth:2", "/dot:bf16" or "/fma:f16".
  std::string Variant() const;
  std::string Description() const;
};

// Operands of `type` in `count` bytes: s8 of any value, floats between 1/2 and 1 of either sign. A
// core may clock higher on operands that are zero, and be slow on subnormals.
void FillOperands(DataType type, uint32_t seed, uint8_t* bytes, int64_t count);

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
