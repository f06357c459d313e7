#define LANES 8
#include "dlrm/fp32_kernels.inc"

namespace dlrm {

const Fp32Kernels kFp32KernelsAvx2 = {
    "AVX2 with FMA", LANES,   3, {ROW_OF_TILES(1), ROW_OF_TILES(2), ROW_OF_TILES(3)},
    SumRows,         DotPairs};

}  // namespace dlrm
