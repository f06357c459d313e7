// Emits the activations that need an exponential. They are defined in qforge/types.h, and the steps
// in ref/activation.cc, whose bits these give.
#ifndef QFORGE_KERNELS_ACTIVATION_H_
#define QFORGE_KERNELS_ACTIVATION_H_

#include "jit/emitter.h"
#include "qforge/epilogue.h"

namespace qforge::kernels {

// Whether `activation` is one of those below: kGeluErf, kGeluTanh, kSigmoid or kSilu.
bool NeedsExponential(Activation activation);

// How many vectors EmitActivation() clobbers besides `value`, at most 4; 0 for the activations
// that do not need an exponential.
int ActivationScratch(Activation activation);

// Replaces each lane of `value` by its activation, which NeedsExponential(). Clobbers the first
// ActivationScratch() of `scratch`, no general register, no mask and no flag. MXCSR must hold its
// default (base::FloatEnvironment).
void EmitActivation(jit::Emitter& emitter, Activation activation, jit::Vec value,
                    const jit::Vec* scratch);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_ACTIVATION_H_
