// Emits what happens to a tile's accumulators behind the product: integer corrections, scaling,
// residual, activation, conversion, store. The arithmetic is defined in qforge/types.h.
#ifndef QFORGE_KERNELS_GEMM_EPILOGUE_H_
#define QFORGE_KERNELS_GEMM_EPILOGUE_H_

#include <vector>

#include "jit/emitter.h"
#include "kernels/gemm_kernel.h"

namespace qforge::kernels {

// The general registers that an epilogue works with. `columns` points at the values of the panel
// whose rows are stored; `output` and `residual` walk down the rows; `row_offset` is 4 times the
// tile's first row; `scratch` is clobbered.
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

  // Once per panel, whose column values are at `columns`: what its tiles have in common goes to the
  // arguments. Needs two vector registers.
  void StartPanel(const jit::Register& columns);

  // Gives a row's accumulators their start, which holds every correction that is the same in all
  // rows, so that it costs nothing per accumulator.
  void StartRow(const std::vector<jit::Vec>& row, const jit::Register& columns);

  // The stages of a tile's end: LoadMultipliers(), after which the next panel may be started;
  // Begin(), which takes what other registers it needs; StoreRows() for all rows from the first to
  // the last, at most RowsAtOnce() at a time; End().
  void LoadMultipliers();
  void Begin();
  int RowsAtOnce() const;
  // Vector registers that LoadMultipliers() and Begin() take at least; of what is left, Begin()
  // takes no more than all but one.
  int LeastRegisters() const;
  // Of the tile's rows, the next `rows.size()`, each a vector per vector of columns. Advances
  // `output` and `residual` by them.
  void StoreRows(const std::vector<std::vector<jit::Vec>>& rows, int first_row);
  void End();

 private:
  jit::Address Column(const jit::Register& columns, ColumnField field, int vector);
  jit::Address Argument(size_t offset);
  jit::Address Constant(size_t offset);
  // The offset of vector `v` in an array of 4-byte elements.
  size_t Bytes(int v) const { return static_cast<size_t>(v * e_.vector_bytes()); }
  int LanesOf(int vector) const;
  // Bytes of a row of a whole and of this kernel's panel.
  int WholeRowBytes() const { return kernel_.vectors * e_.lanes() * DataTypeSize(kernel_.output); }
  int RowBytes() const;
  jit::Vec Take();

  void Correct(jit::Vec accumulator, int row, int vector);
  void Scale(jit::Vec accumulator, int row, int vector);
  void AddResidual(jit::Vec accumulator, int vector);
  void StoreFloatRow(const std::vector<jit::Vec>& row);
  void StoreIntegerRow(const std::vector<jit::Vec>& row);
  void StoreRows8(const std::vector<std::vector<jit::Vec>>& rows);
  void NextOutputRow();

  jit::Emitter& e_;
  const GemmKernel& kernel_;
  const EpilogueRegisters r_;
  std::vector<jit::Vec> multipliers_;  // unless they differ per row
  jit::Vec upper_;                     // unless bounded
  jit::Vec temporary_;
  jit::Vec rounding_;    // bf16 output: a second scratch
  jit::Vec pack_order_;  // index < 0: loaded into temporary_ when needed
  std::vector<jit::Vec> taken_;
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_GEMM_EPILOGUE_H_
