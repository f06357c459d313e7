#include "kernels/row_check.h"

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

bool DotsBytes(const RowCheckKernel& kernel) {
  return cpu::Traits(kernel.isa).vnni && !kernel.widened;
}

class Generator {
 public:
  Generator(Emitter& emitter, const RowCheckKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        bytes_(DotsBytes(kernel)),
        a_(e_.vectors().Take()),
        scratch_(e_.vectors().Take()),
        dots_(e_.vectors().Take(kernel.digits)) {}

  void Generate() {
    e_.EnterFrame({});
    if (e_.evex()) {
      // Without a tail this is some mask that nothing uses.
      e_.mov(counter_, Argument(offsetof(RowCheckArguments, tail_elements)));
      tail_mask_ = SetTailMask(e_, counter_);
    }
    e_.mov(input_, Argument(offsetof(RowCheckArguments, input)));
    e_.mov(sums_, Argument(offsetof(RowCheckArguments, sums)));
    e_.mov(rows_, Argument(offsetof(RowCheckArguments, rows)));
    e_.xor_(differences_.cvt32(), differences_.cvt32());
    Label row;
    e_.L(row);
    Row();
    e_.add(input_, Argument(offsetof(RowCheckArguments, input_stride)));
    e_.add(sums_, e_.vector_bytes());
    e_.dec(rows_);
    e_.jnz(row, Emitter::T_NEAR);
    e_.LeaveFrame();
  }

 private:
  jit::Address Argument(size_t offset) const {
    return e_.ptr[arguments_ + static_cast<int>(offset)];
  }
  int ChunkBytes() const { return RowCheckChunk(kernel_) * (kernel_.widened ? 2 : 1); }

  void Row() {
    Label chunk, tail, summed, part;
    for (Vec dot : dots_) e_.Zero(dot);
    e_.mov(at_, input_);
    e_.mov(digits_, Argument(offsetof(RowCheckArguments, digits)));
    e_.mov(counter_, Argument(offsetof(RowCheckArguments, chunks)));
    e_.test(counter_, counter_);
    e_.jz(tail, Emitter::T_NEAR);
    e_.L(chunk);
    bytes_ || kernel_.widened ? e_.Load(a_, e_.ptr[at_]) : Widen(e_.Full(a_));
    Multiply();
    e_.add(at_, ChunkBytes());
    e_.add(digits_, kernel_.digits * e_.vector_bytes());
    e_.dec(counter_);
    e_.jnz(chunk, Emitter::T_NEAR);
    e_.L(tail);
    e_.cmp(Argument64(offsetof(RowCheckArguments, tail_elements)), 0);
    e_.je(summed, Emitter::T_NEAR);
    e_.mov(at_, Argument(offsetof(RowCheckArguments, tail_offset)));
    e_.add(at_, input_);
    LoadTail();
    Multiply();
    e_.L(summed);

    // The sums less what they must be, in a_.
    e_.Load(a_, e_.ptr[sums_]);
    e_.mov(counter_, Argument(offsetof(RowCheckArguments, parts)));
    e_.mov(at_, sums_);
    Label added;
    e_.L(part);
    e_.dec(counter_);
    e_.jz(added);
    e_.add(at_, Argument(offsetof(RowCheckArguments, part_stride)));
    e_.Add32(a_, a_, e_.ptr[at_]);
    e_.jmp(part);
    e_.L(added);
    const int bits = RowCheckDigitBits(kernel_);
    for (size_t digit = 0; digit < dots_.size(); ++digit) {
      if (digit > 0) e_.ShiftLeft32(dots_[digit], dots_[digit], bits * static_cast<int>(digit));
      e_.Sub32(a_, a_, e_.Full(dots_[digit]));
    }
    AddLanes();
    e_.vmovd(counter_.cvt32(), e_.Low(a_));
    e_.sub(counter_.cvt32(), e_.dword[arguments_ + offsetof(RowCheckArguments, start)]);
    e_.or_(differences_.cvt32(), counter_.cvt32());
  }

  void LoadTail() {
    if (!e_.evex()) {
      bytes_ || kernel_.widened ? e_.Load(a_, e_.ptr[at_]) : Widen(e_.Full(a_));
      return;
    }
    const qforge_xbyak::Xmm a = e_.Full(a_) | tail_mask_ | qforge_xbyak::util::T_z;
    if (kernel_.widened) {
      e_.vmovdqu16(a, e_.ptr[at_]);
    } else if (bytes_) {
      e_.vmovdqu8(a, e_.ptr[at_]);
    } else {
      Widen(a);
    }
  }

  void Widen(const qforge_xbyak::Xmm& to) { e_.vpmovzxbw(to, e_.ptr[at_]); }

  void Multiply() {
    for (int digit = 0; digit < kernel_.digits; ++digit) {
      const Vec dot = dots_[static_cast<size_t>(digit)];
      const jit::Address b = e_.ptr[digits_ + digit * e_.vector_bytes()];
      bytes_ ? e_.DotU8S8(dot, a_, b) : e_.DotS16(dot, a_, b, scratch_);
    }
  }

  // The lowest lane of a_ becomes the sum of all.
  void AddLanes() {
    const qforge_xbyak::Xmm low = e_.Low(a_), other = e_.Low(scratch_);
    if (e_.vector_bytes() == 64) {
      e_.vextracti64x4(e_.Half(scratch_), qforge_xbyak::Zmm(a_.index), 1);
      e_.vpaddd(e_.Half(a_), e_.Half(a_), e_.Half(scratch_));
    }
    e_.vextracti128(other, qforge_xbyak::Ymm(a_.index), 1);
    e_.vpaddd(low, low, other);
    e_.vpshufd(other, low, 0x4E);
    e_.vpaddd(low, low, other);
    e_.vpshufd(other, low, 0xB1);
    e_.vpaddd(low, low, other);
  }

  jit::Address Argument64(size_t offset) const {
    return e_.qword[arguments_ + static_cast<int>(offset)];
  }

  Emitter& e_;
  const RowCheckKernel& kernel_;
  const bool bytes_;
  const Vec a_;
  const Vec scratch_;
  const std::vector<Vec> dots_;
  qforge_xbyak::Opmask tail_mask_;

  const Register arguments_{Gpr::RDI}, input_{Gpr::RSI}, digits_{Gpr::RDX}, counter_{Gpr::RCX};
  const Register sums_{Gpr::R8}, rows_{Gpr::R9}, at_{Gpr::R10}, differences_{Gpr::RAX};
};

}  // namespace

std::string RowCheckKernel::Name() const {
  return std::string("row_check_") + cpu::Traits(isa).name + (widened ? "_s16" : "_u8") +
         "_digits" + std::to_string(digits);
}

int RowCheckDigitBits(const RowCheckKernel& kernel) { return DotsBytes(kernel) ? 8 : 16; }

int MostRowCheckDigits(const RowCheckKernel& kernel) { return DotsBytes(kernel) ? 4 : 2; }

int RowCheckChunk(const RowCheckKernel& kernel) {
  const int bytes = cpu::Traits(kernel.isa).vector_bytes;
  return DotsBytes(kernel) ? bytes : bytes / 2;
}

bool RowCheckReadsShortRows(Isa isa) { return cpu::Traits(isa).evex; }

Result<jit::CodeBytes> EmitRowCheckKernel(const RowCheckKernel& kernel) noexcept {
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

Result<const jit::Kernel*> GetRowCheckKernel(const RowCheckKernel& kernel) noexcept {
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitRowCheckKernel(kernel); });
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
