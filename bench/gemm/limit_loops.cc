#include "gemm/limit_loops.h"

#include <algorithm>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "jit/emitter.h"
#include "jit/kernel_cache.h"

namespace qforge::bench {
namespace {

using jit::Emitter;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

constexpr int kLineBytes = 64;

// Bytes like those of activations and weights: a core may clock higher on operands that are zero.
std::vector<uint8_t> OperandBytes(int count, uint32_t seed) {
  std::vector<uint8_t> bytes(static_cast<size_t>(count));
  for (uint8_t& byte : bytes) {
    seed = seed * 1664525 + 1013904223;
    byte = static_cast<uint8_t>(seed >> 24);
  }
  return bytes;
}

Vec TakeOperand(Emitter& e, uint32_t seed) {
  const Vec v = e.vectors().Take();
  e.Load(v, e.ConstantBytes(OperandBytes(e.vector_bytes(), seed)));
  return v;
}

// More than the 10 that cover a latency of 5 cycles at two dot products a cycle.
int Chains(const cpu::IsaTraits& traits) { return traits.vector_registers == 32 ? 24 : 12; }

std::vector<Vec> TakeAccumulators(Emitter& e, int count) {
  const std::vector<Vec> accumulators = e.vectors().Take(count);
  for (Vec v : accumulators) e.Zero(v);
  return accumulators;
}

// Whole rounds over the accumulators, and whole groups of `rows` where weights are widened.
int DotsPerTurn(const cpu::IsaTraits& traits, int rows) {
  constexpr int kDots = 96;
  return traits.vnni ? kDots : (kDots + rows - 1) / rows * rows;
}

void EmitIssueLoop(Emitter& e, int rows) {
  const bool vnni = e.traits().vnni;
  const Register turns(Gpr::RDI);

  e.EnterFrame({});
  const Vec a = TakeOperand(e, 1);
  const Vec b = TakeOperand(e, 2);
  const Vec weights = vnni ? b : e.vectors().Take();
  const Vec product = vnni ? Vec() : e.vectors().Take();
  const std::vector<Vec> accumulators = TakeAccumulators(e, Chains(e.traits()));

  jit::Label turn;
  e.align(64);
  e.L(turn);
  for (int dot = 0; dot < DotsPerTurn(e.traits(), rows); ++dot) {
    const Vec accumulator = accumulators[static_cast<size_t>(dot) % accumulators.size()];
    if (vnni) {
      e.DotU8S8(accumulator, a, e.Full(weights));
    } else {
      if (dot % rows == 0) e.vpmovsxbw(e.Full(weights), e.Half(b));
      e.DotS16(accumulator, a, e.Full(weights), product);
    }
  }
  e.dec(turns);
  e.jnz(turn, Emitter::T_NEAR);
  e.LeaveFrame();
}

// Lines of each part that a turn reads.
int LinesPerTurn(const StreamPattern& pattern) { return std::max(2, 16 / pattern.streams); }

void EmitStreamLoop(Emitter& e, const StreamPattern& pattern) {
  const bool vnni = e.traits().vnni;
  const int load_bytes = vnni ? e.vector_bytes() : e.vector_bytes() / 2;
  const Register block(Gpr::RDI), part_bytes(Gpr::RSI), turns(Gpr::RDX), passes(Gpr::RCX);
  const Register counter(Gpr::RAX);
  const std::vector<Register> all_parts = {
      Register(Gpr::R8),  Register(Gpr::R9),  Register(Gpr::R10), Register(Gpr::R11),
      Register(Gpr::R12), Register(Gpr::R13), Register(Gpr::R14), Register(Gpr::R15)};
  const std::vector<Register> parts(all_parts.begin(), all_parts.begin() + pattern.streams);

  e.EnterFrame(parts);
  const Vec a = TakeOperand(e, 1);
  const Vec widened = vnni ? Vec() : e.vectors().Take();
  const Vec product = vnni ? Vec() : e.vectors().Take();
  const std::vector<Vec> accumulators = TakeAccumulators(e, 12);

  jit::Label pass, turn;
  e.L(pass);
  for (size_t i = 0; i < parts.size(); ++i) {
    i == 0 ? e.mov(parts[0], block) : e.lea(parts[i], e.ptr[parts[i - 1] + part_bytes]);
  }
  e.mov(counter, turns);
  e.align(64);
  e.L(turn);
  int dot = 0;
  for (int line = 0; line < LinesPerTurn(pattern); ++line) {
    for (const Register& part : parts) {
      const int offset = line * kLineBytes;
      if (pattern.prefetch > 0) e.prefetcht0(e.ptr[part + offset + pattern.prefetch]);
      for (int byte = 0; byte < kLineBytes; byte += load_bytes, ++dot) {
        const Vec accumulator = accumulators[static_cast<size_t>(dot) % accumulators.size()];
        const jit::Address weights = e.ptr[part + offset + byte];
        if (vnni) {
          e.DotU8S8(accumulator, a, weights);
        } else {
          e.LoadWidenS8(widened, weights);
          e.DotS16(accumulator, a, e.Full(widened), product);
        }
      }
    }
  }
  for (const Register& part : parts) e.add(part, LinesPerTurn(pattern) * kLineBytes);
  e.dec(counter);
  e.jnz(turn, Emitter::T_NEAR);
  e.dec(passes);
  e.jnz(pass, Emitter::T_NEAR);
  e.LeaveFrame();
}

}  // namespace

Result<IssueLoop> MakeIssueLoop(Isa isa, int rows) noexcept {
  std::string name = std::string("limit_issue_") + IsaName(isa);
  if (!cpu::Traits(isa).vnni) name += "_rows" + std::to_string(rows);
  const Result<const jit::Kernel*> kernel = jit::FindOrEmit(
      name, [&] { return jit::Emit(isa, name, [&](Emitter& e) { EmitIssueLoop(e, rows); }); });
  if (!kernel.ok()) return kernel.status();
  const cpu::IsaTraits& traits = cpu::Traits(isa);
  // A lane of 4 bytes holds 4 products, or 2 where the weights have been widened.
  const int products_per_dot = traits.vector_bytes / 4 * (traits.vnni ? 4 : 2);
  return IssueLoop{(*kernel)->As<void(int64_t)>(),
                   int64_t{2} * products_per_dot * DotsPerTurn(traits, rows)};
}

Result<StreamLoop> MakeStreamLoop(Isa isa, const StreamPattern& pattern) noexcept {
  const std::string name = std::string("limit_stream_") + IsaName(isa) + "_streams" +
                           std::to_string(pattern.streams) + "_prefetch" +
                           std::to_string(pattern.prefetch);
  const Result<const jit::Kernel*> kernel = jit::FindOrEmit(
      name, [&] { return jit::Emit(isa, name, [&](Emitter& e) { EmitStreamLoop(e, pattern); }); });
  if (!kernel.ok()) return kernel.status();
  return StreamLoop{(*kernel)->As<void(const void*, int64_t, int64_t, int64_t)>(),
                    int64_t{LinesPerTurn(pattern)} * kLineBytes};
}

}  // namespace qforge::bench
