#include "cpu/host.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <thread>

#include "base/platform.h"

#if QFORGE_JIT
#include <cpuinfo.h>
#include <unistd.h>

#include "cpu/xbyak_cpu.h"
#endif

namespace qforge::cpu {
namespace {

#if QFORGE_JIT

constexpr uint64_t kXcr0Ymm = 0x06;  // XMM and YMM state
constexpr uint64_t kXcr0Zmm = 0xE6;  // those, mask registers, upper halves of zmm0-15, zmm16-31

struct CpuidRegisters {
  uint32_t eax, ebx, ecx, edx;
};

// All zero when the CPU has no such leaf: Intel's answer with the highest leaf there is instead.
CpuidRegisters Cpuid(uint32_t leaf) noexcept {
  uint32_t data[4] = {};
  XbyakCpu::getCpuid(0, data);
  if (leaf > data[0]) return {};
  XbyakCpu::getCpuidEx(leaf, 0, data);
  return {data[0], data[1], data[2], data[3]};
}

// cpuinfo answers for the base sets, xbyak for those that came after the cpuinfo of stable
// distributions, and for all where cpuinfo does not start. Both hide what the operating system does
// not enable for some sets and not for others; so XCR0 is read here, and the two features that tell
// "the CPU has none" from "the operating system does not save it" are taken from CPUID.
CpuFeatures DetectFeatures(const XbyakCpu& xbyak, bool cpuinfo_works) noexcept {
  const auto has = [&](bool cpuinfo_answer, const XbyakCpu::Type& type) {
    return cpuinfo_works ? cpuinfo_answer : xbyak.has(type);
  };
  CpuFeatures features;
  features.avx = (Cpuid(1).ecx >> 28 & 1) != 0;
  features.avx512f = (Cpuid(7).ebx >> 16 & 1) != 0;
  // xgetbv is an invalid instruction where the operating system does not use xsave.
  const uint64_t xcr0 = xbyak.has(XbyakCpu::tOSXSAVE) ? XbyakCpu::getXfeature() : 0;
  features.ymm_state = (xcr0 & kXcr0Ymm) == kXcr0Ymm;
  features.zmm_state = (xcr0 & kXcr0Zmm) == kXcr0Zmm;
  features.avx2 = has(cpuinfo_has_x86_avx2(), XbyakCpu::tAVX2);
  features.fma = has(cpuinfo_has_x86_fma3(), XbyakCpu::tFMA);
  features.f16c = has(cpuinfo_has_x86_f16c(), XbyakCpu::tF16C);
  features.avx_vnni = xbyak.has(XbyakCpu::tAVX_VNNI);
  features.avx512bw = has(cpuinfo_has_x86_avx512bw(), XbyakCpu::tAVX512BW);
  features.avx512dq = has(cpuinfo_has_x86_avx512dq(), XbyakCpu::tAVX512DQ);
  features.avx512vl = has(cpuinfo_has_x86_avx512vl(), XbyakCpu::tAVX512VL);
  features.avx512_vnni = has(cpuinfo_has_x86_avx512vnni(), XbyakCpu::tAVX512_VNNI);
  features.avx512_bf16 = xbyak.has(XbyakCpu::tAVX512_BF16);
  return features;
}

const char* VendorName(cpuinfo_vendor vendor) noexcept {
  switch (vendor) {
    case cpuinfo_vendor_intel:
      return "Intel";
    case cpuinfo_vendor_amd:
      return "AMD";
    case cpuinfo_vendor_hygon:
      return "Hygon";
    case cpuinfo_vendor_via:
      return "VIA";
    default:
      return "unknown";
  }
}

// Those with AVX2, the first set that qforge has kernels for.
const char* MicroarchitectureName(cpuinfo_uarch microarchitecture) noexcept {
  switch (microarchitecture) {
    case cpuinfo_uarch_haswell:
      return "Haswell";
    case cpuinfo_uarch_broadwell:
      return "Broadwell";
    case cpuinfo_uarch_sky_lake:
      return "Skylake";
    case cpuinfo_uarch_palm_cove:
      return "Palm Cove";
    case cpuinfo_uarch_sunny_cove:
      return "Sunny Cove";
    case cpuinfo_uarch_knights_landing:
      return "Knights Landing";
    case cpuinfo_uarch_knights_mill:
      return "Knights Mill";
    case cpuinfo_uarch_excavator:
      return "Excavator";
    case cpuinfo_uarch_zen:
      return "Zen";
    case cpuinfo_uarch_zen2:
      return "Zen 2";
    case cpuinfo_uarch_zen3:
      return "Zen 3";
    case cpuinfo_uarch_dhyana:
      return "Dhyana";
    default:
      return "unknown";
  }
}

// The smallest of the caches of one level. Emulators and some hypervisors report none, or size 0:
// `level` then keeps its default.
void ReadCache(const cpuinfo_cache* caches, uint32_t count, CacheLevel* level) noexcept {
  if (count == 0) return;
  const cpuinfo_cache& smallest = *std::min_element(
      caches, caches + count,
      [](const cpuinfo_cache& a, const cpuinfo_cache& b) { return a.size < b.size; });
  if (smallest.size == 0) return;
  level->bytes = smallest.size;
  level->shared_by = static_cast<int>(std::max<uint32_t>(smallest.processor_count, 1));
  level->assumed = false;
}

void ReadTopologyAndCaches(CpuInfo* info) noexcept {
  info->vendor = VendorName(cpuinfo_get_core(0)->vendor);
  info->microarchitecture = MicroarchitectureName(cpuinfo_get_core(0)->uarch);
  const char* brand = cpuinfo_get_package(0)->name;
  if (brand[0] != '\0') std::snprintf(info->brand, sizeof(info->brand), "%.47s", brand);
  info->physical_cores = static_cast<int>(cpuinfo_get_cores_count());
  info->logical_processors = static_cast<int>(cpuinfo_get_processors_count());
  ReadCache(cpuinfo_get_l1d_caches(), cpuinfo_get_l1d_caches_count(), &info->l1d);
  ReadCache(cpuinfo_get_l2_caches(), cpuinfo_get_l2_caches_count(), &info->l2);
  ReadCache(cpuinfo_get_l3_caches(), cpuinfo_get_l3_caches_count(), &info->l3);
  if (cpuinfo_get_l1d_caches_count() != 0 && cpuinfo_get_l1d_cache(0)->line_size != 0) {
    info->cache_line_bytes = static_cast<int>(cpuinfo_get_l1d_cache(0)->line_size);
  }
}

// Where a program links another library that contains a cpuinfo of its own, that one may answer
// here, with its own layout of the answers: every feature then looks like some other. Asked are
// features that neither side hides where the operating system saves the registers.
bool AgreesWithCpuid(const XbyakCpu& xbyak, const CpuFeatures& features) noexcept {
  const auto agree = [&](bool cpuinfo_answer, const XbyakCpu::Type& type) {
    return cpuinfo_answer == xbyak.has(type);
  };
  if (!agree(cpuinfo_has_x86_sse4_1(), XbyakCpu::tSSE41)) return false;
  if (!features.ymm_state) return true;
  if (!agree(cpuinfo_has_x86_avx2(), XbyakCpu::tAVX2) ||
      !agree(cpuinfo_has_x86_fma3(), XbyakCpu::tFMA) ||
      !agree(cpuinfo_has_x86_f16c(), XbyakCpu::tF16C)) {
    return false;
  }
  return !features.zmm_state || (agree(cpuinfo_has_x86_avx512bw(), XbyakCpu::tAVX512BW) &&
                                 agree(cpuinfo_has_x86_avx512dq(), XbyakCpu::tAVX512DQ) &&
                                 agree(cpuinfo_has_x86_avx512vl(), XbyakCpu::tAVX512VL));
}

bool StartCpuinfo() noexcept {
  // It prints an error where it cannot read this, as in a sandbox without /proc; a library must
  // not.
  if (access("/proc/cpuinfo", R_OK) != 0) return false;
  return cpuinfo_initialize();
}

CpuInfo Detect() noexcept {
  CpuInfo info;
  const XbyakCpu xbyak;
  info.family = xbyak.displayFamily;
  info.model = xbyak.displayModel;
  bool cpuinfo_works = StartCpuinfo();
  info.features = DetectFeatures(xbyak, cpuinfo_works);
  if (cpuinfo_works && !AgreesWithCpuid(xbyak, info.features)) {
    cpuinfo_works = false;
    info.features = DetectFeatures(xbyak, cpuinfo_works);
  }
  if (cpuinfo_works) {
    ReadTopologyAndCaches(&info);
  } else {
    if (xbyak.has(XbyakCpu::tINTEL)) info.vendor = "Intel";
    if (xbyak.has(XbyakCpu::tAMD)) info.vendor = "AMD";
    info.logical_processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
    info.physical_cores = info.logical_processors;
  }
  return info;
}

#else

// No kernels to choose and no blocking that depends on caches: the defaults do.
CpuInfo Detect() noexcept {
  CpuInfo info;
  info.logical_processors = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  info.physical_cores = info.logical_processors;
  return info;
}

#endif

}  // namespace

const CpuInfo& Host() noexcept {
  static const CpuInfo info = Detect();
  return info;
}

}  // namespace qforge::cpu
