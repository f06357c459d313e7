// Emits the preparation of rows of A: sums, widening to s16, and s8 made u8.
#include "kernels/array_generators.h"
#include "kernels/array_loop.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kInput{Gpr::RDI};

constexpr uint32_t kSignBits = 0x80808080;

void Xor(Emitter& e, Vec to, const qforge_xbyak::Operand& b) {
  e.evex() ? e.vpxord(e.Full(to), e.Full(to), b) : e.vpxor(e.Full(to), e.Full(to), b);
}

// `to` = the sum of the 64-bit lanes of `v`. Clobbers `v`.
void Reduce64(Emitter& e, const Register& to, Vec v, Vec scratch) {
  if (e.vector_bytes() == 64) {
    e.vextracti64x4(e.Half(scratch), qforge_xbyak::Zmm(v.index), 1);
    e.vpaddq(e.Half(v), e.Half(v), e.Half(scratch));
  }
  e.vextracti128(e.Low(scratch), qforge_xbyak::Ymm(v.index), 1);
  e.vpaddq(e.Low(v), e.Low(v), e.Low(scratch));
  e.vpshufd(e.Low(scratch), e.Low(v), 0xEE);
  e.vpaddq(e.Low(v), e.Low(v), e.Low(scratch));
  e.vmovq(to, e.Low(v));
}

// vpsadbw sums bytes that it takes as unsigned. s8 is made u8 by xor 0x80 first, and 128 taken off
// the sum for each byte that was; those that a partial load leaves out must become 0 all the same.
class RowSums {
 public:
  RowSums(Emitter& emitter, DataType type)
      : e_(emitter),
        signed_(type == DataType::kS8),
        sum_(emitter.vectors().Take()),
        x_(emitter.vectors().Take()),
        zero_(emitter.vectors().Take()),
        signs_(emitter.vectors().Take()),
        eight_signs_(emitter.vectors().Take()) {}

  void Generate() {
    e_.EnterFrame({total_});
    Label row, done;
    e_.test(rows_, rows_);
    e_.jle(done, Emitter::T_NEAR);
    e_.Zero(zero_);
    if (signed_) {
      e_.Load(signs_, e_.Constant32(kSignBits));
      e_.vmovq(e_.Low(eight_signs_), e_.Low(signs_));
      e_.mov(offset_, count_);
      if (!e_.evex()) e_.and_(offset_, -8);  // the others are summed as they are
      e_.imul(offset_, offset_, -128);
    } else {
      e_.xor_(offset_, offset_);
    }

    e_.L(row);
    e_.mov(total_, offset_);
    e_.Zero(sum_);
    e_.xor_(index_, index_);
    WholeVectors();
    e_.evex() ? MaskedVector() : EightsAndSingles();
    Reduce64(e_, last_, sum_, x_);
    e_.add(total_, last_);
    e_.mov(e_.ptr[sums_], total_.cvt32());
    e_.add(sums_, 4);
    e_.add(kInput, stride_);
    e_.dec(rows_);
    e_.jnz(row, Emitter::T_NEAR);
    e_.L(done);
    e_.LeaveFrame();
  }

 private:
  jit::Address AtIndex() const { return e_.ptr[kInput + index_]; }

  void AddBytes() {
    e_.vpsadbw(e_.Full(x_), e_.Full(x_), e_.Full(zero_));
    e_.vpaddq(e_.Full(sum_), e_.Full(sum_), e_.Full(x_));
  }

  // Leaves index_ behind them.
  void WholeVectors() {
    Label whole, test;
    e_.lea(last_, e_.ptr[count_ - e_.vector_bytes()]);
    e_.jmp(test);
    e_.L(whole);
    e_.Load(x_, AtIndex());
    if (signed_) Xor(e_, x_, e_.Full(signs_));
    AddBytes();
    e_.add(index_, e_.vector_bytes());
    e_.L(test);
    e_.cmp(index_, last_);
    e_.jle(whole);
  }

  void MaskedVector() {
    Label none;
    e_.mov(last_, count_);
    e_.sub(last_, index_);
    e_.jle(none);
    const qforge_xbyak::Opmask mask = SetTailMask(e_, last_);
    if (signed_) {
      e_.Move(x_, signs_);
      e_.vmovdqu8(e_.Full(x_) | mask, AtIndex());
      Xor(e_, x_, e_.Full(signs_));
    } else {
      e_.vmovdqu8(e_.Full(x_) | mask | e_.T_z, AtIndex());
    }
    AddBytes();
    e_.L(none);
  }

  void EightsAndSingles() {
    Label eight, eight_test, single, single_test;
    e_.lea(last_, e_.ptr[count_ - 8]);
    e_.jmp(eight_test);
    e_.L(eight);
    e_.vmovq(e_.Low(x_), AtIndex());
    if (signed_) Xor(e_, x_, e_.Full(eight_signs_));
    AddBytes();
    e_.add(index_, 8);
    e_.L(eight_test);
    e_.cmp(index_, last_);
    e_.jle(eight);
    e_.jmp(single_test);
    e_.L(single);
    const jit::Address byte = e_.byte[kInput + index_];
    signed_ ? e_.movsx(last_, byte) : e_.movzx(last_.cvt32(), byte);
    e_.add(total_, last_);
    e_.inc(index_);
    e_.L(single_test);
    e_.cmp(index_, count_);
    e_.jl(single);
  }

  Emitter& e_;
  const bool signed_;
  const Vec sum_, x_, zero_, signs_, eight_signs_;

  const Register rows_{Gpr::RSI}, count_{Gpr::RDX}, stride_{Gpr::RCX}, sums_{Gpr::R8};
  const Register offset_{Gpr::R9}, index_{Gpr::R10}, last_{Gpr::R11}, total_{Gpr::RBX};
};

}  // namespace

void GenerateRowSums(Emitter& e, DataType type) { RowSums(e, type).Generate(); }

void GenerateWiden(Emitter& e, DataType type) {
  const Register count(Gpr::RSI), padded_count(Gpr::RDX), output(Gpr::RCX);
  ArrayLoop loop(e);
  const Vec x = e.vectors().Take();
  const int elements = e.vector_bytes() / 2;

  e.EnterFrame({});
  e.Zero(x);
  loop.Run(count, padded_count, elements, [&] { loop.Store16(output, x); });
  loop.Run(count, elements, [&] {
    loop.LoadExtend8To16(x, kInput, type == DataType::kS8);
    loop.Store16(output, x);
  });
  e.LeaveFrame();
}

void GenerateFlipSign(Emitter& e) {
  const Register count(Gpr::RSI), padded_count(Gpr::RDX), output(Gpr::RCX);
  ArrayLoop loop(e);
  const Vec x = e.vectors().Take();
  const Vec signs = e.vectors().Take();
  const int elements = e.vector_bytes();

  e.EnterFrame({});
  e.Zero(x);
  loop.Run(count, padded_count, elements, [&] { loop.Store8(output, x); });
  e.Load(signs, e.Constant32(kSignBits));
  loop.Run(count, elements, [&] {
    loop.Load8(x, kInput);
    Xor(e, x, e.Full(signs));
    loop.Store8(output, x);
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
