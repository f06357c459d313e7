#include "dlrm/fp32_kernels.h"

namespace dlrm {

const Fp32Kernels& Fp32KernelsFor(qforge::Isa isa) {
  switch (isa) {
    case qforge::Isa::kScalar:
      break;
    case qforge::Isa::kAvx2:
    case qforge::Isa::kAvxVnni:
    case qforge::Isa::kAvx512_256:
    case qforge::Isa::kAvx512Vnni256:
      return kFp32KernelsAvx2;
    case qforge::Isa::kAvx512:
    case qforge::Isa::kAvx512Vnni:
    case qforge::Isa::kAvx512Bf16:
      return kFp32KernelsAvx512;
  }
  return kFp32KernelsSse2;
}

}  // namespace dlrm
