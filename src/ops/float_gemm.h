// Gemm for float weights: packs B into the workspace.
#ifndef QFORGE_OPS_FLOAT_GEMM_H_
#define QFORGE_OPS_FLOAT_GEMM_H_

#include "ops/float_core.h"
#include "qforge/gemm.h"

namespace qforge {

// Gemm::Create without the checks of sizes and layout. Throws std::bad_alloc.
Result<FloatCore> CreateFloatGemm(const Context& context, const Epilogue& epilogue,
                                  const GemmOptions& options);

// Gemm::Run; `order` is GemmOptions::layout.
Status RunFloatGemm(const FloatCore& core, WeightsLayout order, const InputMatrix& input,
                    const InputMatrix& weights, const OutputMatrix& output,
                    const InputMatrix& residual) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_GEMM_H_
