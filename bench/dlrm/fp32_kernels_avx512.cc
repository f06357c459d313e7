#define LANES 16
#include "dlrm/fp32_kernels.inc"

namespace dlrm {

// 24 of the 32 registers hold sums.
const Fp32Kernels kFp32KernelsAvx512 = {"AVX-512",
                                        LANES,
                                        6,
                                        {ROW_OF_TILES(1), ROW_OF_TILES(2), ROW_OF_TILES(3),
                                         ROW_OF_TILES(4), ROW_OF_TILES(5), ROW_OF_TILES(6)},
                                        SumRows,
                                        DotPairs};

}  // namespace dlrm
