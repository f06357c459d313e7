// Calls the kernels of a float product.
#ifndef QFORGE_OPS_FLOAT_CALLS_H_
#define QFORGE_OPS_FLOAT_CALLS_H_

#include <cstdint>

#include "kernels/float_gemm_kernel.h"
#include "ops/float_core.h"

namespace qforge {

// Sets what is the same in all calls: no bias and no residual; where A, the weights and C are is
// left open.
void BeginArguments(const FloatCore& core, kernels::FloatGemmArguments& arguments) noexcept;

// Multiplies `rows` rows by `panels` panels, all of the kind that `kernels` are for, in tiles of up
// to `most_rows` rows. `arguments` are for the first row and panel; afterwards weights, bias,
// output and residual point behind the panels.
void CallKernels(const FloatCore& core, const FloatKernelSet& kernels, int most_rows, int64_t rows,
                 int64_t panels, kernels::FloatGemmArguments& arguments) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_CALLS_H_
