// The one place where an instruction set is chosen. Implements qforge/isa.h.
#ifndef QFORGE_CPU_DISPATCH_H_
#define QFORGE_CPU_DISPATCH_H_

#include <string>

#include "cpu/features.h"
#include "qforge/isa.h"

namespace qforge::cpu {

// The environment variable that caps the instruction set for the whole process.
inline constexpr char kMaxIsaVariable[] = "QFORGE_MAX_ISA";

// Whether `isa` may be used under `cap`: it is no higher in preference, and its vectors are no
// wider. The second matters where a cap ends in 256 and its CPU lacks VNNI: what comes next in
// preference is a 512-bit set, which is what the cap is there to avoid.
bool IsWithinCap(Isa isa, Isa cap) noexcept;

// The cap that `value`, the text of QFORGE_MAX_ISA, stands for: the highest Isa when it is null or
// empty; kInvalidArgument that lists the known names when it is not one of them.
Result<Isa> ParseEnvironmentCap(const char* value) noexcept;

// ParseEnvironmentCap of this process's environment, which is read on the first call only.
const Result<Isa>& EnvironmentCap() noexcept;

// The highest Isa that is supported by `features` and within both caps. kScalar always is.
Isa ChooseIsa(Isa cap, Isa environment_cap, const CpuFeatures& features) noexcept;

// Why ChooseIsa may not take `isa`, for reports: "CPU lacks avx512_vnni", "above the cap
// QFORGE_MAX_ISA=avx2", "wider than the cap avx512_vnni_256". Empty when it may. May throw
// std::bad_alloc.
std::string WhyRefused(Isa isa, Isa cap, Isa environment_cap, const CpuFeatures& features);

}  // namespace qforge::cpu

#endif  // QFORGE_CPU_DISPATCH_H_
