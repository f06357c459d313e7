// Emits what happens to a row of float sums behind the product: factor and bias, C, residual,
// activation, conversion, store. The arithmetic is defined in qforge/types.h.
#ifndef QFORGE_KERNELS_FLOAT_GEMM_EPILOGUE_H_
#define QFORGE_KERNELS_FLOAT_GEMM_EPILOGUE_H_

#include <vector>

#include "jit/emitter.h"
#include "kernels/float_gemm_kernel.h"

namespace qforge::kernels {

// `output` and `residual` walk down the rows; `pointer` and `scratch` are clobbered.
struct FloatEpilogueRegisters {
  jit::Register arguments;
  jit::Register output;
  jit::Register residual;
  jit::Register pointer;
  jit::Register scratch;
};

class FloatEpilogue {
 public:
  FloatEpilogue(jit::Emitter& emitter, const FloatGemmKernel& kernel,
                const FloatEpilogueRegisters& registers)
      : e_(emitter), kernel_(kernel), r_(registers) {}

  // Once per kernel, before anything else.
  void Prepare();
  // Takes the registers that Row() works with, until End().
  void Begin();
  // Goes to the first row of a stream of panels, one after the other from 0 on.
  void BeginStream(int stream);
  // Ends and stores the next row of the tile, whose sums are clobbered; advances `output` and
  // `residual` to the row below.
  void Row(const std::vector<jit::Vec>& sums);
  // Leaves `output` and `residual` below the first stream's rows.
  void End();

 private:
  jit::Address Argument(size_t offset) const {
    return e_.ptr[r_.arguments + static_cast<int>(offset)];
  }
  // The constants' address must be in r_.scratch.
  jit::Address Constant(size_t offset) const {
    return e_.ptr[r_.scratch + static_cast<int>(offset)];
  }
  int LanesOf(size_t vector) const;
  // Moves `output` and `residual` by so many rows and streams.
  void Move(int rows, int streams);
  void ScaleAndBias(const std::vector<jit::Vec>& sums);
  // sum += values of `type` at `base` * the constant at `factor`.
  void AddScaled(const std::vector<jit::Vec>& sums, DataType type, const jit::Register& base,
                 size_t factor);
  void Activate(const std::vector<jit::Vec>& sums);

  jit::Emitter& e_;
  const FloatGemmKernel& kernel_;
  const FloatEpilogueRegisters r_;
  std::vector<jit::Vec> scratch_;
  int stream_ = 0;
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_FLOAT_GEMM_EPILOGUE_H_
