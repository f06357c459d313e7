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
using kernels::Summation;
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

// Products and their sums, as an instruction mix has them. A number of chains take turns, and
// everything but their accumulators is shared or renamed.
class Products {
 public:
  Products(Emitter& e, const InstructionMix& mix, int chains)
      : e_(e), mix_(mix), a_(TakeOperand(e, 1)) {
    if (mix.summation == Summation::kWidened) widened_ = e.vectors().Take();
    if (mix.summation != Summation::kDot) product_ = e.vectors().Take();
    if (mix.summation == Summation::kNarrow) {
      ones_ = e.vectors().Take();
      e.Load(ones_, e.Constant32(0x00010001));
      sums_ = e.vectors().Take(chains);
    }
    accumulators_ = e.vectors().Take(chains);
    for (Vec v : accumulators_) e.Zero(v);
  }

  // Product number `index`, by a vector of weights.
  void Multiply(int index, const qforge_xbyak::Operand& weights) {
    const int chains = static_cast<int>(accumulators_.size());
    const size_t chain = static_cast<size_t>(index % chains);
    switch (mix_.summation) {
      case Summation::kDot:
        return e_.DotU8S8(accumulators_[chain], a_, weights);
      case Summation::kWidened:
        if (index % mix_.rows == 0) e_.vpmovsxbw(e_.Full(widened_), weights);
        return e_.DotS16(accumulators_[chain], a_, e_.Full(widened_), product_);
      default:
        return MultiplyNarrow(chain, index / chains % mix_.depth, weights);
    }
  }

 private:
  void MultiplyNarrow(size_t chain, int group, const qforge_xbyak::Operand& weights) {
    const Vec sum = sums_[chain];
    if (group == 0) {
      e_.PairSumsU8S8(sum, a_, weights);
    } else {
      e_.PairSumsU8S8(product_, a_, weights);
      e_.Add16(sum, sum, e_.Full(product_));
    }
    if (group + 1 < mix_.depth) return;
    e_.PairSumsS16(sum, sum, e_.Full(ones_));
    e_.Add32(accumulators_[chain], accumulators_[chain], e_.Full(sum));
  }

  Emitter& e_;
  const InstructionMix mix_;
  const Vec a_;
  Vec widened_;            // kWidened
  Vec product_;            // all but kDot
  Vec ones_;               // kNarrow
  std::vector<Vec> sums_;  // kNarrow: of 16 bits
  std::vector<Vec> accumulators_;
};

// More than the 10 that cover a latency of 5 cycles at two dot products a cycle.
int IssueChains(const cpu::IsaTraits& traits, const InstructionMix& mix) {
  const int chains = traits.vector_registers == 32 ? 24 : 12;
  return mix.summation == Summation::kNarrow ? chains / 2 : chains;
}

// Whole rounds over the accumulators, whole steps of each, and whole groups of `rows` where weights
// are widened.
int ProductsPerTurn(const InstructionMix& mix) {
  constexpr int kProducts = 96;
  return (kProducts + mix.rows - 1) / mix.rows * mix.rows;
}

void EmitIssueLoop(Emitter& e, const InstructionMix& mix) {
  const Register turns(Gpr::RDI);

  e.EnterFrame({});
  const Vec b = TakeOperand(e, 2);
  Products products(e, mix, IssueChains(e.traits(), mix));
  jit::Label turn;
  e.align(64);
  e.L(turn);
  for (int i = 0; i < ProductsPerTurn(mix); ++i) {
    products.Multiply(i, mix.summation == Summation::kWidened ? e.Half(b) : e.Full(b));
  }
  e.dec(turns);
  e.jnz(turn, Emitter::T_NEAR);
  e.LeaveFrame();
}

// A turn of a stream loop has 16 vectors of weights, or twice as many: whole steps of each chain.
int StreamChains(const InstructionMix& mix) {
  return mix.summation == Summation::kNarrow ? std::min(4, 16 / mix.depth) : 12;
}

// Lines of each part that a turn reads.
int LinesPerTurn(const StreamPattern& pattern) { return std::max(2, 16 / pattern.streams); }

void EmitStreamLoop(Emitter& e, const InstructionMix& mix, const StreamPattern& pattern) {
  const int load_bytes =
      mix.summation == Summation::kWidened ? e.vector_bytes() / 2 : e.vector_bytes();
  const Register block(Gpr::RDI), part_bytes(Gpr::RSI), turns(Gpr::RDX), passes(Gpr::RCX);
  const Register counter(Gpr::RAX);
  const std::vector<Register> all_parts = {
      Register(Gpr::R8),  Register(Gpr::R9),  Register(Gpr::R10), Register(Gpr::R11),
      Register(Gpr::R12), Register(Gpr::R13), Register(Gpr::R14), Register(Gpr::R15)};
  const std::vector<Register> parts(all_parts.begin(), all_parts.begin() + pattern.streams);

  e.EnterFrame(parts);
  Products products(e, mix, StreamChains(mix));
  jit::Label pass, turn;
  e.L(pass);
  for (size_t i = 0; i < parts.size(); ++i) {
    i == 0 ? e.mov(parts[0], block) : e.lea(parts[i], e.ptr[parts[i - 1] + part_bytes]);
  }
  e.mov(counter, turns);
  e.align(64);
  e.L(turn);
  int product = 0;
  for (int line = 0; line < LinesPerTurn(pattern); ++line) {
    for (const Register& part : parts) {
      const int offset = line * kLineBytes;
      if (pattern.prefetch > 0) e.prefetcht0(e.ptr[part + offset + pattern.prefetch]);
      for (int byte = 0; byte < kLineBytes; byte += load_bytes) {
        products.Multiply(product++, e.ptr[part + offset + byte]);
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

std::string KernelName(const std::string& purpose, Isa isa, const InstructionMix& mix) {
  std::string name = purpose + IsaName(isa);
  if (mix.summation == Summation::kWidened) name += "_rows" + std::to_string(mix.rows);
  if (mix.summation == Summation::kNarrow) name += "_depth" + std::to_string(mix.depth);
  return name;
}

}  // namespace

std::string InstructionMix::Variant() const {
  switch (summation) {
    case Summation::kWidened:
      return "/rows:" + std::to_string(rows);
    case Summation::kNarrow:
      return "/depth:" + std::to_string(depth);
    default:
      return "";
  }
}

std::string InstructionMix::Description() const {
  switch (summation) {
    case Summation::kWidened:
      return "vpmaddwd and vpaddd, one vpmovsxbw for " + std::to_string(rows);
    case Summation::kNarrow:
      if (depth == 1) return "vpmaddubsw, vpmaddwd and vpaddd";
      return std::to_string(depth) + " vpmaddubsw, " + std::to_string(depth - 1) +
             " vpaddw, vpmaddwd and vpaddd";
    default:
      return "vpdpbusd";
  }
}

Result<IssueLoop> MakeIssueLoop(Isa isa, const InstructionMix& mix) noexcept {
  const std::string name = KernelName("limit_issue_", isa, mix);
  const Result<const jit::Kernel*> kernel = jit::FindOrEmit(
      name, [&] { return jit::Emit(isa, name, [&](Emitter& e) { EmitIssueLoop(e, mix); }); });
  if (!kernel.ok()) return kernel.status();
  // The bytes of a vector of weights, or as many as are widened to fill one.
  const int vector_bytes = cpu::Traits(isa).vector_bytes;
  const int multiplied = mix.summation == Summation::kWidened ? vector_bytes / 2 : vector_bytes;
  return IssueLoop{(*kernel)->As<void(int64_t)>(), int64_t{2} * multiplied * ProductsPerTurn(mix)};
}

Result<StreamLoop> MakeStreamLoop(Isa isa, const InstructionMix& mix,
                                  const StreamPattern& pattern) noexcept {
  const std::string name = KernelName("limit_stream_", isa, mix) + "_streams" +
                           std::to_string(pattern.streams) + "_prefetch" +
                           std::to_string(pattern.prefetch);
  const Result<const jit::Kernel*> kernel = jit::FindOrEmit(name, [&] {
    return jit::Emit(isa, name, [&](Emitter& e) { EmitStreamLoop(e, mix, pattern); });
  });
  if (!kernel.ok()) return kernel.status();
  return StreamLoop{(*kernel)->As<void(const void*, int64_t, int64_t, int64_t)>(),
                    int64_t{LinesPerTurn(pattern)} * kLineBytes};
}

}  // namespace qforge::bench
