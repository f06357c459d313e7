#include "kernels/float_row_check.h"

#include <cstddef>
#include <new>
#include <vector>

#include "jit/emitter.h"
#include "kernels/array_loop.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

// Chunks of a row that are summed side by side, so that they do not wait for each other.
constexpr int kUnroll = 4;

class Generator {
 public:
  Generator(Emitter& emitter, const FloatRowCheckKernel& kernel)
      : e_(emitter),
        bf16_(kernel.bf16),
        a_(e_.vectors().Take()),
        sum_(e_.vectors().Take()),
        magnitude_mask_(e_.vectors().Take()),
        products_(e_.vectors().Take(kUnroll)),
        bounds_(e_.vectors().Take(kUnroll)) {}

  void Generate() {
    e_.EnterFrame({});
    if (e_.evex()) {
      // Without a tail this is some mask that nothing uses.
      e_.mov(counter_, Argument(offsetof(FloatRowCheckArguments, tail_elements)));
      tail_mask_ = SetTailMask(e_, counter_);
    }
    e_.Load(magnitude_mask_, e_.Constant32(0x7FFFFFFF));
    e_.mov(input_, Argument(offsetof(FloatRowCheckArguments, input)));
    e_.mov(sums_, Argument(offsetof(FloatRowCheckArguments, sums)));
    e_.mov(rows_, Argument(offsetof(FloatRowCheckArguments, rows)));
    e_.xor_(result_.cvt32(), result_.cvt32());
    Label row;
    e_.L(row);
    Row();
    e_.add(input_, Argument(offsetof(FloatRowCheckArguments, input_stride)));
    e_.add(sums_, e_.vector_bytes());
    e_.dec(rows_);
    e_.jnz(row, Emitter::T_NEAR);
    e_.LeaveFrame();
  }

 private:
  jit::Address Argument(size_t offset) const {
    return e_.ptr[arguments_ + static_cast<int>(offset)];
  }
  int ChunkBytes() const { return e_.lanes() * (bf16_ ? 2 : 4); }

  void Row() {
    for (Vec v : products_) e_.Zero(v);
    for (Vec v : bounds_) e_.Zero(v);
    e_.mov(at_, input_);
    e_.mov(factors_, Argument(offsetof(FloatRowCheckArguments, factors)));
    e_.mov(counter_, Argument(offsetof(FloatRowCheckArguments, chunks)));
    Turns(kUnroll);
    Turns(1);
    Label whole;
    e_.cmp(e_.qword[arguments_ + offsetof(FloatRowCheckArguments, tail_elements)], 0);
    e_.je(whole, Emitter::T_NEAR);
    e_.mov(at_, Argument(offsetof(FloatRowCheckArguments, tail_offset)));
    e_.add(at_, input_);
    Multiply(0, true);
    e_.L(whole);
    for (size_t distance = kUnroll / 2; distance >= 1; distance /= 2) {
      for (size_t i = 0; i < distance; ++i) {
        e_.AddF32(products_[i], products_[i], e_.Full(products_[i + distance]));
        e_.AddF32(bounds_[i], bounds_[i], e_.Full(bounds_[i + distance]));
      }
    }
    LoadSums();
    e_.SubF32(sum_, sum_, e_.Full(products_[0]));
    AddLanes(sum_);
    AddLanes(bounds_[0]);
    Compare();
  }

  // As many turns as there are whole ones of `chunks` chunks.
  void Turns(int chunks) {
    Label turn, rest;
    e_.sub(counter_, chunks);
    e_.jl(rest, Emitter::T_NEAR);
    e_.L(turn);
    for (int part = 0; part < chunks; ++part) Multiply(part, false);
    e_.add(at_, chunks * ChunkBytes());
    e_.add(factors_, chunks * 2 * e_.vector_bytes());
    e_.sub(counter_, chunks);
    e_.jge(turn, Emitter::T_NEAR);
    e_.L(rest);
    e_.add(counter_, chunks);
  }

  void Multiply(int part, bool tail) {
    const jit::Address at = e_.ptr[at_ + part * ChunkBytes()];
    const size_t i = static_cast<size_t>(part);
    const int factor = part * 2 * e_.vector_bytes();
    if (tail && e_.evex()) {
      const qforge_xbyak::Xmm masked = e_.Full(a_) | tail_mask_ | e_.T_z;
      if (bf16_) {
        e_.vpmovzxwd(masked, at);
        e_.ShiftLeft32(a_, a_, 16);
      } else {
        e_.vmovups(masked, at);
      }
    } else if (bf16_) {
      e_.ConvertBF16ToF32(a_, at);
    } else {
      e_.Load(a_, at);
    }
    e_.FmaAddF32(products_[i], a_, e_.ptr[factors_ + factor]);
    e_.And(a_, a_, e_.Full(magnitude_mask_));
    e_.FmaAddF32(bounds_[i], a_, e_.ptr[factors_ + factor + e_.vector_bytes()]);
  }

  void LoadSums() {
    Label part, added;
    e_.Load(sum_, e_.ptr[sums_]);
    e_.mov(counter_, Argument(offsetof(FloatRowCheckArguments, parts)));
    e_.mov(at_, sums_);
    e_.L(part);
    e_.dec(counter_);
    e_.jz(added);
    e_.add(at_, Argument(offsetof(FloatRowCheckArguments, part_stride)));
    e_.AddF32(sum_, sum_, e_.ptr[at_]);
    e_.jmp(part);
    e_.L(added);
  }

  // The lowest lane becomes the sum of all.
  void AddLanes(Vec v) {
    const qforge_xbyak::Xmm low = e_.Low(v), other = e_.Low(a_);
    if (e_.vector_bytes() == 64) {
      e_.vextractf64x4(e_.Half(a_), qforge_xbyak::Zmm(v.index), 1);
      e_.vaddps(e_.Half(v), e_.Half(v), e_.Half(a_));
    }
    e_.vextractf128(other, qforge_xbyak::Ymm(v.index), 1);
    e_.vaddps(low, low, other);
    e_.vmovhlps(other, other, low);
    e_.vaddps(low, low, other);
    e_.vmovshdup(other, low);
    e_.vaddss(low, low, other);
  }

  // What is not a number compares as beyond its bound.
  void Compare() {
    const qforge_xbyak::Xmm difference = e_.Low(sum_), bound = e_.Low(bounds_[0]);
    e_.vandps(difference, difference, e_.Low(magnitude_mask_));
    e_.vaddss(bound, bound, Argument(offsetof(FloatRowCheckArguments, constant)));
    e_.vmovss(e_.Low(a_), Argument(offsetof(FloatRowCheckArguments, limit)));
    e_.xor_(counter_.cvt32(), counter_.cvt32());
    e_.vucomiss(bound, difference);
    e_.setb(counter_.cvt8());
    e_.or_(result_.cvt32(), counter_.cvt32());
    e_.vucomiss(e_.Low(a_), bound);
    e_.setb(counter_.cvt8());
    e_.or_(result_.cvt32(), counter_.cvt32());
  }

  Emitter& e_;
  const bool bf16_;
  // Below 16, so that what has no EVEX form can name them.
  const Vec a_;
  const Vec sum_;
  const Vec magnitude_mask_;
  const std::vector<Vec> products_;
  const std::vector<Vec> bounds_;
  qforge_xbyak::Opmask tail_mask_;

  const Register arguments_{Gpr::RDI}, input_{Gpr::RSI}, factors_{Gpr::RDX}, counter_{Gpr::RCX};
  const Register sums_{Gpr::R8}, rows_{Gpr::R9}, at_{Gpr::R10}, result_{Gpr::RAX};
};

}  // namespace

std::string FloatRowCheckKernel::Name() const {
  return std::string("float_row_check_") + (bf16 ? "bf16_" : "f32_") + cpu::Traits(isa).name;
}

Result<jit::CodeBytes> EmitFloatRowCheckKernel(const FloatRowCheckKernel& kernel) noexcept {
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

Result<const jit::Kernel*> GetFloatRowCheckKernel(const FloatRowCheckKernel& kernel) noexcept {
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitFloatRowCheckKernel(kernel); });
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
