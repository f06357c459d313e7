// The loop of an array kernel: whole vectors, and then whatever is left, without touching a byte
// beyond the array.
#ifndef QFORGE_KERNELS_ARRAY_LOOP_H_
#define QFORGE_KERNELS_ARRAY_LOOP_H_

#include "jit/emitter.h"

namespace qforge::kernels {

// EVEX: k1 = as many ones as `count` says, 1 to 63. Clobbers rax.
qforge_xbyak::Opmask SetTailMask(jit::Emitter& emitter, const jit::Register& count);

// A kernel's body is emitted several times, once for each extent that a step of the loop can have,
// and addresses its arrays through the verbs below, which follow the extent.
//
// With EVEX the last step is masked. With VEX it is a whole one that ends where the array ends and
// so overlaps the step before; arrays shorter than a vector go element by element. A body must
// therefore give the same when an element is processed twice. (Going element by element through all
// that is left was rejected: with AVX2 up to 31 steps of bytes, on rows that are often not longer
// than a few vectors.)
//
// Registers: index() counts elements; rax, r10 and r11 belong to the loop, and bodies may clobber
// rax. k1 is the mask.
class ArrayLoop {
 public:
  explicit ArrayLoop(jit::Emitter& emitter) : e_(emitter) {}

  // Emits body() for the elements in [0, end), [begin, end), or from where index() stands;
  // `elements` is the number that a whole step takes. The overlap may reach below the first of
  // them, down to 0: padding comes before what it is behind of.
  template <class Body>
  void Run(const jit::Register& end, int elements, Body&& body) {
    e_.xor_(index().cvt32(), index().cvt32());
    RunOn(end, elements, body);
  }
  template <class Body>
  void Run(const jit::Register& begin, const jit::Register& end, int elements, Body&& body) {
    e_.mov(index(), begin);
    RunOn(end, elements, body);
  }
  template <class Body>
  void RunOn(const jit::Register& end, int elements, Body&& body);

  // For the body. Sizes are those of the elements in memory.

  jit::Register index() const { return jit::Register(qforge_xbyak::Operand::R10); }

  // Elements of 4 bytes. The lanes beyond the last element become 0 (EVEX) or repeat it (VEX).
  void Load32(jit::Vec to, const jit::Register& base);
  // The same, but the lanes beyond keep what `to` holds, or repeat the element.
  void Merge32(jit::Vec to, const jit::Register& base);
  void Store32(const jit::Register& base, jit::Vec from);

  // Bytes, each extended to a lane of 32 bits.
  void LoadExtend8To32(jit::Vec to, const jit::Register& base, bool is_signed);
  // The low bytes of 32-bit lanes whose values lie in the range of u8 or s8. Clobbers `from` and,
  // with VEX, `scratch`.
  void StoreNarrow32To8(const jit::Register& base, jit::Vec from, jit::Vec scratch, bool is_signed);

  // Bytes, a vector of them, or half a vector extended to lanes of 16 bits.
  void Load8(jit::Vec to, const jit::Register& base);
  void Store8(const jit::Register& base, jit::Vec from);
  void LoadExtend8To16(jit::Vec to, const jit::Register& base, bool is_signed);
  void Store16(const jit::Register& base, jit::Vec from);

  // Elements of 2 bytes, one per lane of 32 bits, in the lower half of a vector.
  void LoadHalf16(jit::Vec to, const jit::Register& base);
  void StoreHalf16(const jit::Register& base, jit::Vec from);

 private:
  enum class Extent { kWhole, kMasked, kSingle };

  jit::Address At(const jit::Register& base, int element_bytes) const {
    return e_.ptr[base + index() * element_bytes];
  }

  jit::Emitter& e_;
  Extent extent_ = Extent::kWhole;
  qforge_xbyak::Opmask mask_;
};

template <class Body>
void ArrayLoop::RunOn(const jit::Register& end, int elements, Body&& body) {
  const jit::Register last(qforge_xbyak::Operand::R11);
  jit::Label whole, test, single, done;
  e_.lea(last, e_.ptr[end - elements]);
  e_.jmp(test, jit::Emitter::T_NEAR);

  e_.L(whole);
  extent_ = Extent::kWhole;
  body();
  e_.add(index(), elements);
  e_.L(test);
  e_.cmp(index(), last);
  e_.jle(whole, jit::Emitter::T_NEAR);

  if (e_.evex()) {
    e_.add(last, elements);
    e_.sub(last, index());
    e_.jle(done, jit::Emitter::T_NEAR);
    mask_ = SetTailMask(e_, last);
    extent_ = Extent::kMasked;
    body();
  } else {
    e_.cmp(index(), end);
    e_.jge(done, jit::Emitter::T_NEAR);
    e_.test(last, last);
    e_.js(single, jit::Emitter::T_NEAR);
    e_.mov(index(), last);
    e_.jmp(whole, jit::Emitter::T_NEAR);
    e_.L(single);
    extent_ = Extent::kSingle;
    body();
    e_.inc(index());
    e_.cmp(index(), end);
    e_.jl(single, jit::Emitter::T_NEAR);
  }
  e_.L(done);
}

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_ARRAY_LOOP_H_
