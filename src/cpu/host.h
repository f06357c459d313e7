// The machine this process runs on.
#ifndef QFORGE_CPU_HOST_H_
#define QFORGE_CPU_HOST_H_

#include <cstdint>

#include "cpu/features.h"

namespace qforge::cpu {

struct CacheLevel {
  int64_t bytes = 0;    // data capacity of one cache of this level; never 0
  int shared_by = 1;    // logical processors that share it
  bool assumed = true;  // the system did not say: `bytes` is a default
};

struct CpuInfo {
  CpuFeatures features;
  const char* vendor = "unknown";             // "Intel", "AMD", ...
  char brand[48] = "unknown";                 // as the CPU names itself, without trademark signs
  const char* microarchitecture = "unknown";  // "Zen 3", "Sunny Cove", ...
  // Display family and model of CPUID leaf 1, for those that `microarchitecture` does not know.
  int family = 0;
  int model = 0;
  int physical_cores = 1;
  int logical_processors = 1;
  int cache_line_bytes = 64;
  CacheLevel l1d{.bytes = 32 << 10};
  CacheLevel l2{.bytes = 1 << 20};
  CacheLevel l3{.bytes = 8 << 20};
};

// Detected on the first call, from any thread. Not influenced by any cap. Where cores differ, each
// cache size is that of the smallest core, since a thread may run on any.
const CpuInfo& Host() noexcept;

}  // namespace qforge::cpu

#endif  // QFORGE_CPU_HOST_H_
