// Feature sets of CPUs that are not at hand.
#ifndef QFORGE_TEST_CPU_MADE_UP_CPUS_H_
#define QFORGE_TEST_CPU_MADE_UP_CPUS_H_

#include "cpu/features.h"

namespace qforge::cpu {

inline constexpr CpuFeatures kNehalem{};
inline constexpr CpuFeatures kSandyBridge{.avx = true, .ymm_state = true};
// As if the operating system did not use xsave.
inline constexpr CpuFeatures kHaswellWithoutYmmState{.avx = true};
inline constexpr CpuFeatures kHaswell{
    .avx = true, .ymm_state = true, .avx2 = true, .fma = true, .f16c = true};
inline constexpr CpuFeatures kAlderLake{
    .avx = true, .ymm_state = true, .avx2 = true, .fma = true, .f16c = true, .avx_vnni = true};
inline constexpr CpuFeatures kKnightsLanding{.avx = true,
                                             .avx512f = true,
                                             .ymm_state = true,
                                             .zmm_state = true,
                                             .avx2 = true,
                                             .fma = true,
                                             .f16c = true};
inline constexpr CpuFeatures kSkylakeServer{.avx = true,
                                            .avx512f = true,
                                            .ymm_state = true,
                                            .zmm_state = true,
                                            .avx2 = true,
                                            .fma = true,
                                            .f16c = true,
                                            .avx512bw = true,
                                            .avx512dq = true,
                                            .avx512vl = true};
inline constexpr CpuFeatures kCascadeLake{.avx = true,
                                          .avx512f = true,
                                          .ymm_state = true,
                                          .zmm_state = true,
                                          .avx2 = true,
                                          .fma = true,
                                          .f16c = true,
                                          .avx512bw = true,
                                          .avx512dq = true,
                                          .avx512vl = true,
                                          .avx512_vnni = true};
inline constexpr CpuFeatures kZen5{.avx = true,
                                   .avx512f = true,
                                   .ymm_state = true,
                                   .zmm_state = true,
                                   .avx2 = true,
                                   .fma = true,
                                   .f16c = true,
                                   .avx_vnni = true,
                                   .avx512bw = true,
                                   .avx512dq = true,
                                   .avx512vl = true,
                                   .avx512_vnni = true,
                                   .avx512_bf16 = true};
// What detection reports under a kernel that enables AVX only: cpuinfo hides the rest of AVX-512.
inline constexpr CpuFeatures kZen5WithoutZmmState{.avx = true,
                                                  .avx512f = true,
                                                  .ymm_state = true,
                                                  .avx2 = true,
                                                  .fma = true,
                                                  .f16c = true,
                                                  .avx_vnni = true};

}  // namespace qforge::cpu

#endif  // QFORGE_TEST_CPU_MADE_UP_CPUS_H_
