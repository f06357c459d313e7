// What table_quantize.cc chooses from, and what its generators share. Each emits a whole function;
// a generator throws jit::EmissionError where the emitter runs out of registers.
#ifndef QFORGE_KERNELS_TABLE_QUANTIZE_GENERATORS_H_
#define QFORGE_KERNELS_TABLE_QUANTIZE_GENERATORS_H_

#include <vector>

#include "jit/emitter.h"
#include "kernels/table_quantize.h"

namespace qforge::kernels {

// table_quantize_range.cc
void GenerateLoadRow(jit::Emitter& emitter, bool half);
void GenerateRangeLosses(jit::Emitter& emitter);
void GenerateEncodeRange(jit::Emitter& emitter, int bits);

// table_quantize_codebook.cc
void GenerateCodebookLosses(jit::Emitter& emitter);
void GenerateEncodeCodebook(jit::Emitter& emitter);

// The loop over a row in blocks of 16 elements, of one or two vectors, "parts". Its body is emitted
// twice, for whole blocks and for the last one that is not. Registers: index() counts elements; rax
// and r11 belong to the loop, too.
class RowLoop {
 public:
  RowLoop(jit::Emitter& emitter, const jit::Register& row, const jit::Register& count)
      : e_(emitter), row_(row), count_(count) {}

  int parts() const { return static_cast<int>(kRowBlock) / e_.lanes(); }
  jit::Register index() const { return jit::Register(qforge_xbyak::Operand::R10); }

  template <class Body>
  void Run(Body&& body);

  // For the body: a part of the block, and zeros in its lanes behind the row.
  jit::Address Part(const jit::Register& base, int part, int element_bytes = 4) const {
    return e_.ptr[base + index() * element_bytes + part * e_.lanes() * element_bytes];
  }
  void LoadPart(jit::Vec to, int part) { e_.Load(to, Part(row_, part)); }
  void ClearBehindRow(jit::Vec v, int part);

 private:
  jit::Emitter& e_;
  const jit::Register row_;
  const jit::Register count_;
  bool last_ = false;
};

template <class Body>
void RowLoop::Run(Body&& body) {
  const jit::Register left(qforge_xbyak::Operand::R11);
  constexpr int kBlock = static_cast<int>(kRowBlock);
  jit::Label whole, test, done;
  e_.xor_(index().cvt32(), index().cvt32());
  e_.mov(left, count_);
  e_.jmp(test, jit::Emitter::T_NEAR);
  e_.L(whole);
  last_ = false;
  body();
  e_.add(index(), kBlock);
  e_.sub(left, kBlock);
  e_.L(test);
  e_.cmp(left, kBlock);
  e_.jge(whole, jit::Emitter::T_NEAR);
  e_.test(left, left);
  e_.jz(done, jit::Emitter::T_NEAR);

  // rax: where 16 dwords of ones, as many as there are elements left, and zeros begin.
  const jit::Register mask(qforge_xbyak::Operand::RAX);
  std::vector<uint8_t> ones(2 * 4 * kBlock, 0);
  for (int i = 0; i < 4 * kBlock; ++i) ones[static_cast<size_t>(i)] = 0xFF;
  e_.lea(mask, e_.ConstantBytes(ones));
  e_.shl(left, 2);
  e_.sub(mask, left);
  last_ = true;
  body();
  e_.L(done);
}

inline void RowLoop::ClearBehindRow(jit::Vec v, int part) {
  if (!last_) return;
  const jit::Register mask(qforge_xbyak::Operand::RAX);
  e_.vandps(e_.Full(v), e_.Full(v),
            e_.ptr[mask + 4 * static_cast<int>(kRowBlock) + part * e_.vector_bytes()]);
}

// The lowest lane of parts[0] becomes combine() of all 16 lanes, lane l with l + 8, l + 4, l + 2
// and l + 1 in turn. combine(a, b) leaves the result in a.
template <class Combine>
void ReduceBlock(jit::Emitter& e, const std::vector<jit::Vec>& parts, jit::Vec scratch,
                 Combine&& combine) {
  const jit::Vec v = parts[0];
  if (parts.size() == 2) {
    combine(v, parts[1]);
  } else {
    e.vextractf64x4(e.Half(scratch), qforge_xbyak::Zmm(v.index), 1);
    combine(v, scratch);
  }
  e.vextractf128(e.Low(scratch), qforge_xbyak::Ymm(v.index), 1);
  combine(v, scratch);
  e.vmovhlps(e.Low(scratch), e.Low(scratch), e.Low(v));
  combine(v, scratch);
  e.vmovshdup(e.Low(scratch), e.Low(v));
  combine(v, scratch);
}

// The sum of all lanes, in the order of ref/table_quantization.h.
void AddUp(jit::Emitter& emitter, const std::vector<jit::Vec>& parts, jit::Vec scratch);

// Stores 16 codes, which the parts hold as 32-bit integers, at `to`, and moves `to` behind them.
// Clobbers the parts.
void StoreCodes(jit::Emitter& emitter, const std::vector<jit::Vec>& parts, int bits,
                const jit::Register& to);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_TABLE_QUANTIZE_GENERATORS_H_
