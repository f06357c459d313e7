// What code generation has to know about each instruction set: one row per Isa.
#ifndef QFORGE_CPU_ISA_TABLE_H_
#define QFORGE_CPU_ISA_TABLE_H_

#include "qforge/isa.h"

namespace qforge::cpu {

// A property of the instruction set as qforge uses it, not of the machine that runs it: nothing
// here may be replaced by a hardware query, or a capped ISA would no longer match its buffers.
struct IsaTraits {
  Isa isa;
  const char* name;
  int vector_bytes;      // width that kernels use; 0 for kScalar
  int vector_registers;  // 16, or 32 with EVEX; 0 for kScalar
  bool evex;             // EVEX encoding: mask registers, and registers 16 to 31
  bool vnni;             // vpdpbusd exists, in the encoding that `evex` says
  bool bf16;             // vdpbf16ps exists
};

// `isa` must be one of the enumerators.
const IsaTraits& Traits(Isa isa) noexcept;

// Whether this build may use `isa`: CMake's option QFORGE_ISAS. Always kScalar.
bool IsEnabled(Isa isa) noexcept;

// Whether `isa` is one of the enumerators, that is, may be given to Traits().
constexpr bool IsKnown(Isa isa) noexcept { return static_cast<int>(isa) < kIsaCount; }

}  // namespace qforge::cpu

#endif  // QFORGE_CPU_ISA_TABLE_H_
