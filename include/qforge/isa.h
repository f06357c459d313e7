// Instruction sets that qforge has kernels for, what this CPU has, and how the choice is capped.
#ifndef QFORGE_ISA_H_
#define QFORGE_ISA_H_

#include <cstdint>

#include "qforge/export.h"
#include "qforge/status.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// In order of preference: where several are supported, the highest is taken. A name ending in 256
// uses the EVEX encoding (32 registers, masks) on 256-bit vectors only, for hosts that lose clock
// on wide ones; it is preferred only where it is the cap.
enum class Isa : uint8_t {
  kScalar,         // "scalar": portable C++
  kAvx2,           // "avx2": AVX2, FMA, F16C
  kAvxVnni,        // "avx_vnni": kAvx2 and the VEX-encoded vpdpbusd
  kAvx512_256,     // "avx512_256": AVX-512 F, BW, DQ, VL on 256-bit vectors
  kAvx512,         // "avx512": AVX-512 F, BW, DQ, VL
  kAvx512Vnni256,  // "avx512_vnni_256": kAvx512_256 and AVX512_VNNI
  kAvx512Vnni,     // "avx512_vnni": kAvx512 and AVX512_VNNI
  kAvx512Bf16,     // "avx512_bf16": kAvx512Vnni and AVX512_BF16
};
inline constexpr int kIsaCount = 8;
inline constexpr Isa kHighestIsa = Isa::kAvx512Bf16;

// The name in quotes above.
const char* IsaName(Isa isa) noexcept;

// The inverse of IsaName(). kInvalidArgument lists the known names. `name` may be null.
Result<Isa> ParseIsa(const char* name) noexcept;

// Whether CPU and operating system (XCR0) can run `isa`, and this build has it (CMake's options
// QFORGE_ISAS and QFORGE_JIT). Not influenced by any cap.
bool IsaSupported(Isa isa) noexcept;

// The highest supported ISA that is no higher than `cap` and than the environment variable
// QFORGE_MAX_ISA, and whose vectors are no wider than those of either: capped to avx512_vnni_256, a
// CPU without VNNI uses avx512_256. The variable is read once per process; unset or empty it caps
// nothing. kInvalidArgument when it holds an unknown name, or `cap` is not one of the above.
Result<Isa> BestIsa(Isa cap = kHighestIsa) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_ISA_H_
