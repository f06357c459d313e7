// Emits products that are not one plain run over groups of k: those summed in 16 bits, and the
// groups of outliers. See gemm_kernel.h for the sections of a panel.
#ifndef QFORGE_KERNELS_GEMM_SECTIONS_H_
#define QFORGE_KERNELS_GEMM_SECTIONS_H_

#include <functional>
#include <vector>

#include "jit/emitter.h"
#include "kernels/gemm_kernel.h"
#include "kernels/gemm_tile_input.h"

namespace qforge::kernels {

// `weights` points at what comes next in the panel; the others are clobbered.
struct SectionRegisters {
  jit::Register weights;
  jit::Register counter;
  jit::Register position;
  jit::Register scratch;
};

// Each function adds products to accumulators, by row and vector, and leaves `weights` behind them.
class GemmSections {
 public:
  using Accumulators = std::vector<std::vector<jit::Vec>>;

  GemmSections(jit::Emitter& emitter, const GemmKernel& kernel, TileInput& input,
               const SectionRegisters& registers)
      : e_(emitter), kernel_(kernel), input_(input), r_(registers) {}

  // `weights` is at a section of narrow steps.
  void NarrowSteps(const Accumulators& accumulators);
  // `weights` is at a section of wide groups of as many vectors as `accumulators` have. Needs three
  // vector registers, or two for one vector.
  void WideGroups(const Accumulators& accumulators);

  // `counter` groups, widened every kSaturatingGroups and with the kernel's k_tail at the end.
  // `tail(row, to)` broadcasts the last k of a row; it may clobber `position` and `scratch`.
  void Saturating(const Accumulators& accumulators,
                  const std::function<void(int row, jit::Vec to)>& tail);

 private:
  // Accumulators of 16 bits, and what a group needs beside them.
  struct Narrow {
    Accumulators sums;
    std::vector<jit::Vec> weights;  // by vector
    jit::Vec input;
    jit::Vec product;  // if there are several vectors
    jit::Vec ones;     // index < 0: no register is left
  };

  // A loop over a section's entries, of `groups` groups of `bytes` bytes each. `entry` finds its
  // moves at `position`, from number `first` on, and its weights likewise.
  void ForEach(int groups, int bytes, const std::function<void(int first)>& entry);
  // Asks for what stands a way behind the `bytes` bytes of weights at `offset`. Called group by
  // group: requests for a whole step at once hold up the loads of the next.
  void Prefetch(int offset, int bytes);
  // Goes where move number `group` leads.
  void Move(int group);

  Narrow TakeNarrow();
  void Release(const Narrow& narrow);
  // Multiplies one group of weights, by what `broadcast` makes of each row. Its products become the
  // sums, or are added to them.
  void NarrowGroup(const Narrow& narrow, int offset, bool first,
                   const std::function<void(int row, jit::Vec to)>& broadcast);
  void Widen(const Narrow& narrow, const Accumulators& accumulators);

  jit::Emitter& e_;
  const GemmKernel& kernel_;
  TileInput& input_;
  const SectionRegisters r_;
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_GEMM_SECTIONS_H_
