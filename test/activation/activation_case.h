// The activations, their exact values, and kernels that apply them to arrays.
#ifndef QFORGE_TEST_ACTIVATION_ACTIVATION_CASE_H_
#define QFORGE_TEST_ACTIVATION_ACTIVATION_CASE_H_

#include <cstdint>
#include <vector>

#include "jit/kernel_cache.h"
#include "qforge/epilogue.h"
#include "qforge/isa.h"

namespace qforge::test {

struct ActivationCase {
  Activation activation;
  const char* name;
  float (*reference)(float);
  double (*exact)(double);
  double (*bound)(double);  // in ulp, as qforge/types.h states it, for this x
};

inline constexpr int kActivationCount = 4;
extern const ActivationCase kActivations[kActivationCount];

// Of the binary32 numbers around the exact value.
double UlpOf(double exact);

// Applies an activation to `count` elements, a positive multiple of the ISA's lanes, and then
// stores all vector registers in `registers`, but for those that the activation may change: these
// keep their place. Before, each lane of register i was set to i + 1.
using ActivationFunction = void(const float* input, float* output, int64_t count,
                                int32_t* registers);

Result<jit::CodeBytes> EmitActivationLoop(Isa isa, const ActivationCase& c);
// Null, and a failed test, where it cannot be had.
ActivationFunction* ActivationLoop(Isa isa, const ActivationCase& c);

// Those that this machine can run kernels of.
std::vector<Isa> VectorIsas();

}  // namespace qforge::test

#endif  // QFORGE_TEST_ACTIVATION_ACTIVATION_CASE_H_
