// Emits what happens to a tile's accumulators behind the product: integer corrections, scaling,
// residual, activation, conversion, store. The arithmetic is defined in qforge/types.h.
#ifndef QFORGE_KERNELS_GEMM_EPILOGUE_H_
#define QFORGE_KERNELS_GEMM_EPILOGUE_H_

#include <vector>

#include "jit/emitter.h"
#include "kernels/gemm_kernel.h"

namespace qforge::kernels {

// The general registers that an epilogue works with. `output` and `residual` walk down the rows;
// `row_offset` is 4 times the tile's first row; `scratch` is clobbered.
struct EpilogueRegisters {
  jit::Register arguments;
  jit::Register columns;
  jit::Register output;
  jit::Register residual;
  jit::Register row_offset;
  jit::Register scratch;
};

class GemmEpilogue {
 public:
  GemmEpilogue(jit::Emitter& emitter, const GemmKernel& kernel, const EpilogueRegisters& registers);

  // Once per kernel, before anything else: masks. Clobbers no vector register.
  void Prepare();

  // Once per panel, with no vector register taken: what its tiles have in common goes to the
  // arguments.
  void StartPanel();

  // Before the product: gives the accumulators (by row, then vector) their start, which holds every
  // correction that is the same in all rows, so that it costs nothing per accumulator.
  void Start(const std::vector<jit::Vec>& accumulators);

  // After the product. Only the accumulators may be taken from the emitter's vectors. Advances
  // `output` and `residual` by the tile's rows.
  void Store(const std::vector<jit::Vec>& accumulators);

 private:
  jit::Address Column(ColumnField field, int vector);
  jit::Address Argument(size_t offset);
  jit::Address Constant(size_t offset);
  // The offset of vector `v` in an array of 4-byte elements.
  size_t Bytes(int v) const { return static_cast<size_t>(v * e_.vector_bytes()); }
  int LanesOf(int vector) const;
  int RowBytes() const;

  void Correct(jit::Vec accumulator, int row, int vector);
  void Scale(jit::Vec accumulator, int row, int vector);
  void AddResidual(jit::Vec accumulator, int vector);
  void StoreRow32(const std::vector<jit::Vec>& row);
  void StoreRow8(const std::vector<jit::Vec>& row);

  jit::Emitter& e_;
  const GemmKernel& kernel_;
  const EpilogueRegisters r_;
  std::vector<jit::Vec> multipliers_;  // unless they differ per row
  jit::Vec upper_;                     // unless bounded
  jit::Vec temporary_;
  jit::Vec pack_order_;  // index < 0: loaded into temporary_ when needed
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_GEMM_EPILOGUE_H_
