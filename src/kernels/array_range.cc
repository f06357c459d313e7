// Emits the search for the smallest and largest value of an array, or of each column.
#include <limits>
#include <vector>

#include "kernels/array_generators.h"
#include "kernels/array_loop.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kValues{Gpr::RDI};
const Register kCount{Gpr::RSI};
const Register kMin{Gpr::RDX};
const Register kMax{Gpr::RCX};

// One after the other, min and max of a pair of registers would wait for their own latency.
constexpr int kChains = 4;

constexpr uint32_t kNan = 0x7FC00000;

// min = min(x, min) and max = max(x, max), in this order of operands, so that a NaN in x changes
// nothing.
void Update(Emitter& e, Vec x, Vec min, Vec max) {
  e.MinF32(min, x, e.Full(min));
  e.MaxF32(max, x, e.Full(max));
}

// The lowest lane of `v` becomes combine() of all lanes.
template <class Combine>
void Reduce(Emitter& e, Vec v, Vec scratch, Combine&& combine) {
  if (e.vector_bytes() == 64) {
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

}  // namespace

void GenerateUpdateRange(Emitter& e) {
  ArrayLoop loop(e);
  const Register index = loop.index();
  const Vec x = e.vectors().Take();
  const std::vector<Vec> min = e.vectors().Take(kChains);
  const std::vector<Vec> max = e.vectors().Take(kChains);
  e.EnterFrame({});
  for (size_t chain = 0; chain < kChains; ++chain) {
    e.Broadcast32(min[chain], e.ptr[kMin]);
    e.Broadcast32(max[chain], e.ptr[kMax]);
  }
  e.xor_(index.cvt32(), index.cvt32());

  const int turn = kChains * e.lanes();
  Label chains, chains_test;
  e.jmp(chains_test);
  e.L(chains);
  for (int chain = 0; chain < kChains; ++chain) {
    e.Load(x, e.ptr[kValues + index * 4 - 4 * turn + chain * e.vector_bytes()]);
    Update(e, x, min[static_cast<size_t>(chain)], max[static_cast<size_t>(chain)]);
  }
  e.L(chains_test);
  e.add(index, turn);
  e.cmp(index, kCount);
  e.jle(chains);
  e.sub(index, turn);

  for (size_t chain = 1; chain < kChains; ++chain) {
    e.MinF32(min[0], min[0], e.Full(min[chain]));
    e.MaxF32(max[0], max[0], e.Full(max[chain]));
  }
  loop.RunOn(kCount, e.lanes(), [&] {
    // The lanes beyond the end stay NaN, which changes nothing.
    if (e.evex()) e.Load(x, e.Constant32(kNan));
    loop.Merge32(x, kValues);
    Update(e, x, min[0], max[0]);
  });

  Reduce(e, min[0], x, [&](Vec a, Vec b) { e.MinF32(a, a, e.Full(b)); });
  Reduce(e, max[0], x, [&](Vec a, Vec b) { e.MaxF32(a, a, e.Full(b)); });
  e.vmovss(e.ptr[kMin], e.Low(min[0]));
  e.vmovss(e.ptr[kMax], e.Low(max[0]));
  e.LeaveFrame();
}

void GenerateUpdateColumnRanges(Emitter& e) {
  ArrayLoop loop(e);
  const Vec x = e.vectors().Take();
  const Vec min = e.vectors().Take();
  const Vec max = e.vectors().Take();
  e.EnterFrame({});
  loop.Run(kCount, e.lanes(), [&] {
    loop.Load32(x, kValues);
    loop.Load32(min, kMin);
    loop.Load32(max, kMax);
    Update(e, x, min, max);
    loop.Store32(kMin, min);
    loop.Store32(kMax, max);
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
