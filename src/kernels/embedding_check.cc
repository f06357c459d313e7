// Emits the check of indices that comes before a look-up.
#include "kernels/embedding_generators.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kIndices{Gpr::RDI};
const Register kCount{Gpr::RSI};
const Register kLast{Gpr::RDX};  // rows, and then the last of them
const Register kAt{Gpr::RCX};
const Register kWhole{Gpr::R8};
const Register kResult{Gpr::RAX};

}  // namespace

// An index is bad where it, or the last row minus it, is negative: both signs are collected, and
// looked at once. A difference that overflows belongs to a negative index.
void GenerateCheckIndices(Emitter& e, int index_bytes) {
  constexpr int kUnrolled = 4;
  const int step = e.vector_bytes() / index_bytes;
  const Vec last = e.vectors().Take();
  const Vec difference = e.vectors().Take();
  const Vec index = e.vectors().Take();
  const std::vector<Vec> bad = e.vectors().Take(kUnrolled);

  // Of the vector in `index`.
  const auto collect = [&](Vec to) {
    index_bytes == 8 ? e.Sub64(difference, last, e.Full(index))
                     : e.Sub32(difference, last, e.Full(index));
    e.Or(difference, difference, e.Full(index));
    e.Or(to, to, e.Full(difference));
  };
  const auto load_and_collect = [&](const jit::AddressTerms& from, Vec to) {
    e.Load(index, e.ptr[from]);
    collect(to);
  };

  e.EnterFrame({});
  for (Vec v : bad) e.Zero(v);
  e.dec(kLast);
  if (index_bytes == 8) {
    e.vmovq(e.Low(last), kLast);
    e.Repeat64(last, e.Low(last));
  } else {
    e.mov(kResult.cvt32(), 0x7FFFFFFF);
    e.cmp(kLast, kResult);
    e.cmovg(kLast, kResult);
    e.Broadcast32(last, kLast.cvt32());
  }

  Label unrolled, test_unrolled, vector, test_vector, element, test_element, done;
  e.xor_(kAt.cvt32(), kAt.cvt32());
  e.lea(kWhole, e.ptr[kCount - kUnrolled * step]);
  e.jmp(test_unrolled, Emitter::T_NEAR);
  e.L(unrolled);
  for (int i = 0; i < kUnrolled; ++i) {
    load_and_collect(kIndices + kAt * index_bytes + i * e.vector_bytes(),
                     bad[static_cast<size_t>(i)]);
  }
  e.add(kAt, kUnrolled * step);
  e.L(test_unrolled);
  e.cmp(kAt, kWhole);
  e.jle(unrolled, Emitter::T_NEAR);

  e.add(kWhole, (kUnrolled - 1) * step);
  e.js(test_element, Emitter::T_NEAR);  // fewer than a vector
  e.jmp(test_vector, Emitter::T_NEAR);
  e.L(vector);
  load_and_collect(kIndices + kAt * index_bytes, bad[0]);
  e.add(kAt, step);
  e.L(test_vector);
  e.cmp(kAt, kWhole);
  e.jl(vector, Emitter::T_NEAR);
  // The last vector ends with the indices; some may have been seen before.
  load_and_collect(kIndices + kWhole * index_bytes, bad[1]);
  e.jmp(done, Emitter::T_NEAR);

  e.L(element);
  if (index_bytes == 8) {
    e.vmovq(e.Low(index), e.ptr[kIndices + kAt * 8]);
  } else {
    e.vmovd(e.Low(index), e.ptr[kIndices + kAt * 4]);
  }
  collect(bad[0]);
  e.inc(kAt);
  e.L(test_element);
  e.cmp(kAt, kCount);
  e.jl(element, Emitter::T_NEAR);

  e.L(done);
  for (size_t i = 1; i < bad.size(); ++i) e.Or(bad[0], bad[0], e.Full(bad[i]));
  // The signs of all lanes in one register.
  for (int part = e.vector_bytes() / 2; part >= 16; part /= 2) {
    e.ExtractPart(difference, bad[0], 1, part);
    e.Or(bad[0], bad[0], e.Full(difference));
  }
  index_bytes == 8 ? e.vmovmskpd(kResult.cvt32(), e.Low(bad[0]))
                   : e.vmovmskps(kResult.cvt32(), e.Low(bad[0]));
  e.test(kResult.cvt32(), kResult.cvt32());
  e.sete(kResult.cvt8());
  e.movzx(kResult.cvt32(), kResult.cvt8());
  e.LeaveFrame();
}

}  // namespace qforge::kernels
