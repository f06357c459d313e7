#include "activation/activation_case.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include "cpu/isa_table.h"
#include "jit/emitter.h"
#include "kernels/activation.h"
#include "ref/activation.h"
#include "support/isas.h"

namespace qforge::test {
namespace {

double ExactSigmoid(double x) {
  return x >= 0 ? 1 / (1 + std::exp(-x)) : std::exp(x) / (1 + std::exp(x));
}
double ExactSilu(double x) { return x * ExactSigmoid(x); }
double ExactGeluErf(double x) { return x * 0.5 * std::erfc(-x * M_SQRT1_2); }
double TanhArgument(double x) { return std::sqrt(2 / M_PI) * (x + 0.044715 * x * x * x); }
double ExactGeluTanh(double x) { return x * ExactSigmoid(2 * TanhArgument(x)); }

std::string LoopName(Isa isa, const ActivationCase& c) {
  return std::string("activation_") + cpu::Traits(isa).name + "_" + c.name;
}

}  // namespace

const ActivationCase kActivations[kActivationCount] = {
    {Activation::kGeluErf, "gelu_erf", ref::GeluErf, ExactGeluErf, [](double) { return 7.0; }},
    {Activation::kGeluTanh, "gelu_tanh", ref::GeluTanh, ExactGeluTanh,
     [](double x) { return x >= -1 ? 3.0 : 4 * (1 + std::fabs(TanhArgument(x))); }},
    {Activation::kSigmoid, "sigmoid", ref::Sigmoid, ExactSigmoid, [](double) { return 3.0; }},
    {Activation::kSilu, "silu", ref::Silu, ExactSilu, [](double) { return 4.0; }},
};

double UlpOf(double exact) {
  int exponent;
  std::frexp(exact, &exponent);
  return std::ldexp(1.0, std::max(exponent, -125) - 24);
}

Result<jit::CodeBytes> EmitActivationLoop(Isa isa, const ActivationCase& c) {
  return jit::Emit(isa, LoopName(isa, c), [&](jit::Emitter& e) {
    using Gpr = qforge_xbyak::Operand;
    const jit::Register input(Gpr::RDI), output(Gpr::RSI), count(Gpr::RDX), registers(Gpr::RCX);
    // With EVEX, registers on both sides of the 16 that VEX can name.
    std::vector<jit::Vec> others = e.vectors().Take(e.evex() ? 15 : 5);
    const jit::Vec value = e.vectors().Take();
    const std::vector<jit::Vec> scratch =
        e.vectors().Take(kernels::ActivationScratch(c.activation));
    while (e.vectors().Free() > 0) others.push_back(e.vectors().Take());

    e.EnterFrame({});
    for (const jit::Vec v : others) e.Load(v, e.Constant32(static_cast<uint32_t>(v.index + 1)));
    jit::Label loop;
    e.L(loop);
    e.Load(value, e.ptr[input]);
    kernels::EmitActivation(e, c.activation, value, scratch.data());
    e.Store(e.ptr[output], value);
    e.add(input, e.vector_bytes());
    e.add(output, e.vector_bytes());
    e.sub(count, e.lanes());
    e.jnz(loop, jit::Emitter::T_NEAR);
    for (const jit::Vec v : others) e.Store(e.ptr[registers + v.index * e.vector_bytes()], v);
    e.LeaveFrame();
  });
}

ActivationFunction* ActivationLoop(Isa isa, const ActivationCase& c) {
  const auto kernel = jit::FindOrEmit(LoopName(isa, c), [&] { return EmitActivationLoop(isa, c); });
  if (kernel.ok()) return (*kernel)->As<ActivationFunction>();
  ADD_FAILURE() << kernel.status().message();
  return nullptr;
}

std::vector<Isa> VectorIsas() {
  std::vector<Isa> isas = SupportedIsas();
  isas.erase(isas.begin());
  return isas;
}

}  // namespace qforge::test
