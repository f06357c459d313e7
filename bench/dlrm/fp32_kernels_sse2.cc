#define LANES 4
#include "dlrm/fp32_kernels.inc"

namespace dlrm {

const Fp32Kernels kFp32KernelsSse2 = {"SSE2",  LANES,   2, {ROW_OF_TILES(1), ROW_OF_TILES(2)},
                                      SumRows, DotPairs};

}  // namespace dlrm
