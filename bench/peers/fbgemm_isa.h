// FBGEMM's names for instruction sets.
#ifndef QFORGE_BENCH_PEERS_FBGEMM_ISA_H_
#define QFORGE_BENCH_PEERS_FBGEMM_ISA_H_

#include <fbgemm/Utils.h>

#include <stdexcept>
#include <string>

#include "qforge/isa.h"

namespace qforge::bench {

inline fbgemm::inst_set_t FbgemmInstructionSet(Isa isa) {
  switch (isa) {
    case Isa::kAvx2:
    case Isa::kAvxVnni:  // FBGEMM has no kernels for the VEX-encoded dot product
      return fbgemm::inst_set_t::avx2;
    case Isa::kAvx512_256:
      return fbgemm::inst_set_t::avx512_ymm;
    case Isa::kAvx512:
      return fbgemm::inst_set_t::avx512;
    case Isa::kAvx512Vnni256:
      return fbgemm::inst_set_t::avx512_vnni_ymm;
    case Isa::kAvx512Vnni:
    case Isa::kAvx512Bf16:  // FBGEMM has no kernels for it
      return fbgemm::inst_set_t::avx512_vnni;
    case Isa::kScalar:
      break;
  }
  throw std::runtime_error("FBGEMM has no scalar path to compare with");
}

// Keeps kernels that are emitted from now on to `isa`. Throws std::runtime_error where FBGEMM does
// not follow.
inline void KeepFbgemmTo(Isa isa) {
  const fbgemm::inst_set_t wanted = FbgemmInstructionSet(isa);
  fbgemm::fbgemmForceIsa(wanted);
  if (fbgemm::fbgemmInstructionSet() != wanted) {
    throw std::runtime_error(std::string("FBGEMM does not follow to ") + IsaName(isa));
  }
}

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_PEERS_FBGEMM_ISA_H_
