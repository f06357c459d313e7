#include "gemm/limit_loops.h"

#include <algorithm>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "jit/emitter.h"
#include "jit/kernel_cache.h"

namespace qforge::bench {
namespace {

using jit::Address;
using jit::Emitter;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

constexpr int kLineBytes = 64;

Vec TakeOperand(Emitter& e, DataType type, uint32_t seed) {
  std::vector<uint8_t> bytes(static_cast<size_t>(e.vector_bytes()));
  FillOperands(type, seed, bytes.data(), e.vector_bytes());
  const Vec v = e.vectors().Take();
  e.Load(v, e.ConstantBytes(bytes));
  return v;
}

// Weights in memory that fill a vector once converted: of 16-bit floats that stand in pairs, two.
int WeightBytes(int vector_bytes, const InstructionMix& mix) {
  const bool half = mix.kind == ProductKind::kWidenedS8 || mix.weights == DataType::kF16;
  return half ? vector_bytes / 2 : vector_bytes;
}

// How many weights a product multiplies.
int WeightsOfProduct(int vector_bytes, const InstructionMix& mix) {
  switch (mix.kind) {
    case ProductKind::kDotBF16:
    case ProductKind::kWidenedS8:
      return vector_bytes / 2;
    case ProductKind::kFma:
      return vector_bytes / 4;
    default:
      return vector_bytes;
  }
}

// What the products by a vector of weights in memory take, in products of the issue loop.
int ProductsOfWeights(const InstructionMix& mix) {
  return mix.kind == ProductKind::kFma && mix.weights == DataType::kBF16 ? 2 : 1;
}

// Products and their sums, as an instruction mix has them. A number of chains take turns, and
// everything but their accumulators is shared or renamed.
class Products {
 public:
  Products(Emitter& e, const InstructionMix& mix, int chains)
      : e_(e), mix_(mix), a_(TakeOperand(e, mix.weights, 1)) {
    if (mix.kind == ProductKind::kWidenedS8 || mix.kind == ProductKind::kFma) {
      converted_ = e.vectors().Take();
    }
    if (mix.kind == ProductKind::kWidenedS8 || mix.kind == ProductKind::kNarrowS8) {
      product_ = e.vectors().Take();
    }
    if (mix.kind == ProductKind::kNarrowS8) {
      ones_ = e.vectors().Take();
      e.Load(ones_, e.Constant32(0x00010001));
      sums_ = e.vectors().Take(chains);
    }
    accumulators_ = e.vectors().Take(chains);
    for (Vec v : accumulators_) e.Zero(v);
  }

  // Product number `index` by a vector of weights; of floats, those in registers are f32 already,
  // and pairs of bf16 in memory are products `index` and index + 1.
  void Multiply(int index, const qforge_xbyak::Operand& weights) {
    const Vec accumulator = accumulators_[static_cast<size_t>(index % Chains())];
    switch (mix_.kind) {
      case ProductKind::kDotS8:
        return e_.DotU8S8(accumulator, a_, weights);
      case ProductKind::kWidenedS8:
        if (index % mix_.rows == 0) e_.vpmovsxbw(e_.Full(converted_), weights);
        return e_.DotS16(accumulator, a_, e_.Full(converted_), product_);
      case ProductKind::kNarrowS8:
        return MultiplyNarrow(index, weights);
      case ProductKind::kDotBF16:
        return e_.DotBF16(accumulator, a_, weights);
      case ProductKind::kFma:
        if (weights.isMEM() && mix_.weights != DataType::kF32) {
          return MultiplyConverted(index, weights.getAddress());
        }
        return e_.FmaAddF32(accumulator, a_, weights);
    }
  }

 private:
  int Chains() const { return static_cast<int>(accumulators_.size()); }

  void MultiplyNarrow(int index, const qforge_xbyak::Operand& weights) {
    const size_t chain = static_cast<size_t>(index % Chains());
    const int group = index / Chains() % mix_.depth;
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

  void MultiplyConverted(int index, const Address& weights) {
    if (mix_.weights == DataType::kF16) {
      e_.ConvertF16ToF32(converted_, weights);
      return Multiply(index, e_.Full(converted_));
    }
    e_.LoadLowerBF16(converted_, weights);
    Multiply(index, e_.Full(converted_));
    e_.LoadUpperBF16(converted_, weights);
    Multiply(index + 1, e_.Full(converted_));
  }

  Emitter& e_;
  const InstructionMix mix_;
  const Vec a_;
  Vec converted_;          // kWidenedS8, kFma
  Vec product_;            // kWidenedS8, kNarrowS8
  Vec ones_;               // kNarrowS8
  std::vector<Vec> sums_;  // kNarrowS8: of 16 bits
  std::vector<Vec> accumulators_;
};

// More than the 10 that cover a latency of 5 cycles at two dot products a cycle.
int IssueChains(const cpu::IsaTraits& traits, const InstructionMix& mix) {
  const int chains = traits.vector_registers == 32 ? 24 : 12;
  return mix.kind == ProductKind::kNarrowS8 ? chains / 2 : chains;
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
  const Vec b = TakeOperand(e, mix.weights, 2);
  Products products(e, mix, IssueChains(e.traits(), mix));
  jit::Label turn;
  e.align(64);
  e.L(turn);
  for (int i = 0; i < ProductsPerTurn(mix); ++i) {
    products.Multiply(i, mix.kind == ProductKind::kWidenedS8 ? e.Half(b) : e.Full(b));
  }
  e.dec(turns);
  e.jnz(turn, Emitter::T_NEAR);
  e.LeaveFrame();
}

// A turn of a stream loop has 16 vectors of weights, or twice as many: whole steps of each chain.
int StreamChains(const InstructionMix& mix) {
  return mix.kind == ProductKind::kNarrowS8 ? std::min(4, 16 / mix.depth) : 12;
}

// Lines of each part that a turn reads.
int LinesPerTurn(const StreamPattern& pattern) { return std::max(2, 16 / pattern.streams); }

void EmitStreamLoop(Emitter& e, const InstructionMix& mix, const StreamPattern& pattern) {
  const int load_bytes = WeightBytes(e.vector_bytes(), mix);
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
        products.Multiply(product, e.ptr[part + offset + byte]);
        product += ProductsOfWeights(mix);
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
  switch (mix.kind) {
    case ProductKind::kDotS8:
      return purpose + IsaName(isa);
    case ProductKind::kWidenedS8:
      return purpose + IsaName(isa) + "_rows" + std::to_string(mix.rows);
    case ProductKind::kNarrowS8:
      return purpose + IsaName(isa) + "_depth" + std::to_string(mix.depth);
    case ProductKind::kDotBF16:
      return purpose + IsaName(isa) + "_dot";
    case ProductKind::kFma:
      return purpose + IsaName(isa) + "_fma_" + DataTypeName(mix.weights);
  }
  return "";
}

}  // namespace

std::string InstructionMix::Variant() const {
  switch (kind) {
    case ProductKind::kDotS8:
      return "";
    case ProductKind::kWidenedS8:
      return "/rows:" + std::to_string(rows);
    case ProductKind::kNarrowS8:
      return "/depth:" + std::to_string(depth);
    case ProductKind::kDotBF16:
      return std::string("/dot:") + DataTypeName(weights);
    case ProductKind::kFma:
      return std::string("/fma:") + DataTypeName(weights);
  }
  return "";
}

std::string InstructionMix::Description() const {
  switch (kind) {
    case ProductKind::kDotS8:
      return "vpdpbusd";
    case ProductKind::kWidenedS8:
      return "vpmaddwd and vpaddd, one vpmovsxbw for " + std::to_string(rows);
    case ProductKind::kNarrowS8:
      if (depth == 1) return "vpmaddubsw, vpmaddwd and vpaddd";
      return std::to_string(depth) + " vpmaddubsw, " + std::to_string(depth - 1) +
             " vpaddw, vpmaddwd and vpaddd";
    case ProductKind::kDotBF16:
      return "vdpbf16ps";
    case ProductKind::kFma:
      return "vfmadd231ps";
  }
  return "";
}

void FillOperands(DataType type, uint32_t seed, uint8_t* bytes, int64_t count) {
  // Of the last byte of a float, and of the one before it, which hold sign and exponent.
  const int size = DataTypeSize(type);
  const bool half = type == DataType::kF16;
  for (int64_t i = 0; i < count; ++i) {
    seed = seed * 1664525 + 1013904223;
    uint8_t byte = static_cast<uint8_t>(seed >> 24);
    if (size > 1 && i % size == size - 1) {
      byte = static_cast<uint8_t>(half ? (byte & 0x83) | 0x38 : (byte & 0x80) | 0x3F);
    } else if (size > 1 && !half && i % size == size - 2) {
      byte &= 0x7F;
    }
    bytes[i] = byte;
  }
}

Result<IssueLoop> MakeIssueLoop(Isa isa, const InstructionMix& mix) noexcept {
  const std::string name = KernelName("limit_issue_", isa, mix);
  const Result<const jit::Kernel*> kernel = jit::FindOrEmit(
      name, [&] { return jit::Emit(isa, name, [&](Emitter& e) { EmitIssueLoop(e, mix); }); });
  if (!kernel.ok()) return kernel.status();
  return IssueLoop{
      (*kernel)->As<void(int64_t)>(),
      int64_t{2} * WeightsOfProduct(cpu::Traits(isa).vector_bytes, mix) * ProductsPerTurn(mix)};
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
