// Reads emitted code back with a disassembler and says what it must not contain. Nothing is run, so
// code for an ISA that this machine lacks can be inspected as well.
#ifndef QFORGE_TEST_SUPPORT_CODE_INSPECTION_H_
#define QFORGE_TEST_SUPPORT_CODE_INSPECTION_H_

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "qforge/isa.h"

namespace qforge::test {

struct CodeInspection {
  // One line each: "+0x1c vpdpbusd zmm0, zmm1, zmm2: AVX512_VNNI_512 is not in avx2".
  std::vector<std::string> violations;
  // Behind the last instruction that can be reached; what follows is data.
  size_t instruction_bytes = 0;
  int instructions = 0;

  bool ok() const { return violations.empty(); }
  std::string Text() const;
};

// Follows all paths from the first of `size` bytes and checks that
// - every path decodes, stays inside, ends in ret, and no two instructions overlap;
// - every instruction is in `isa`, or in plain x86-64 with cmov and prefetches: no wider vector, no
//   EVEX where the ISA has none, no SSE code that would mix with AVX;
// - the code can be copied: no 64-bit immediate, no absolute address, and what is addressed
// relative
//   to rip lies behind the instructions and inside the code;
// - the System V ABI is kept: callee-saved registers that are written are pushed first and popped
//   before each ret, the stack pointer moves in no other way, nothing is called, and the upper
//   halves of vectors are cleared before each ret.
CodeInspection InspectCode(const uint8_t* code, size_t size, Isa isa);

// The ISA in the name of a kernel, "gemm_avx512_vnni_256_6x2_...".
std::optional<Isa> IsaOfKernel(const std::string& kernel_name);

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_CODE_INSPECTION_H_
