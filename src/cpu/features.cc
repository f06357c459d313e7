#include "cpu/features.h"

#include "cpu/isa_table.h"

namespace qforge::cpu {
namespace {

const char* WhyNoAvx2(const CpuFeatures& features) noexcept {
  if (!features.avx) return "CPU lacks avx";
  if (!features.ymm_state) return "operating system does not save YMM state";
  if (!features.avx2) return "CPU lacks avx2";
  if (!features.fma) return "CPU lacks fma";
  if (!features.f16c) return "CPU lacks f16c";
  return nullptr;
}

// The rest of AVX-512 is asked for after the register state, because without that state the other
// features cannot be told (see CpuFeatures).
const char* WhyNoAvx512(const CpuFeatures& features) noexcept {
  if (const char* reason = WhyNoAvx2(features)) return reason;
  if (!features.avx512f) return "CPU lacks avx512f";
  if (!features.zmm_state) return "operating system does not save ZMM state";
  if (!features.avx512bw) return "CPU lacks avx512bw";
  if (!features.avx512dq) return "CPU lacks avx512dq";
  if (!features.avx512vl) return "CPU lacks avx512vl";
  return nullptr;
}

const char* WhyNoAvx512Vnni(const CpuFeatures& features) noexcept {
  if (const char* reason = WhyNoAvx512(features)) return reason;
  return features.avx512_vnni ? nullptr : "CPU lacks avx512_vnni";
}

}  // namespace

const char* WhyUnsupported(Isa isa, const CpuFeatures& features) noexcept {
  if (!IsEnabled(isa)) return "left out of this build";
  switch (isa) {
    case Isa::kScalar:
      return nullptr;
    case Isa::kAvx2:
      return WhyNoAvx2(features);
    case Isa::kAvxVnni:
      if (const char* reason = WhyNoAvx2(features)) return reason;
      return features.avx_vnni ? nullptr : "CPU lacks avx_vnni";
    case Isa::kAvx512_256:
    case Isa::kAvx512:
      return WhyNoAvx512(features);
    case Isa::kAvx512Vnni256:
    case Isa::kAvx512Vnni:
      return WhyNoAvx512Vnni(features);
    case Isa::kAvx512Bf16:
      if (const char* reason = WhyNoAvx512Vnni(features)) return reason;
      return features.avx512_bf16 ? nullptr : "CPU lacks avx512_bf16";
  }
  return "not an instruction set of qforge";
}

}  // namespace qforge::cpu
