// What a CPU and its operating system can run, as plain data, and which Isa follows from it. Pure
// functions: tests feed them CPUs that are not at hand.
#ifndef QFORGE_CPU_FEATURES_H_
#define QFORGE_CPU_FEATURES_H_

#include "qforge/isa.h"

namespace qforge::cpu {

struct CpuFeatures {
  // The CPU has the instructions, usable or not.
  bool avx = false;
  bool avx512f = false;
  // The operating system saves the registers on a context switch (XCR0): the upper halves of
  // ymm0-15, then the mask registers, the upper halves of zmm0-15, and zmm16-31.
  bool ymm_state = false;
  bool zmm_state = false;
  // The CPU has the instructions. Where the operating system does not save the registers they work
  // on, these may be false as well.
  bool avx2 = false;
  bool fma = false;
  bool f16c = false;
  bool avx_vnni = false;
  bool avx512bw = false;
  bool avx512dq = false;
  bool avx512vl = false;
  bool avx512_vnni = false;
  bool avx512_bf16 = false;
};

// Why this build cannot run `isa`, as the first thing that is missing: "CPU lacks avx512_vnni".
// nullptr when it can. `isa` must be an enumerator.
const char* WhyUnsupported(Isa isa, const CpuFeatures& features) noexcept;

inline bool Supported(Isa isa, const CpuFeatures& features) noexcept {
  return WhyUnsupported(isa, features) == nullptr;
}

}  // namespace qforge::cpu

#endif  // QFORGE_CPU_FEATURES_H_
