// The activations of qforge/types.h that need an exponential. They are defined by these very steps:
// kernels take the same ones and give the same bits.
#ifndef QFORGE_REF_ACTIVATION_H_
#define QFORGE_REF_ACTIVATION_H_

namespace qforge::ref {

float GeluErf(float x) noexcept;
float GeluTanh(float x) noexcept;
float Sigmoid(float x) noexcept;
float Silu(float x) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_ACTIVATION_H_
