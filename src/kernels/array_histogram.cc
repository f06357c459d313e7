// Emits the search for the bins of a histogram that values belong to.
#include <cstddef>

#include "kernels/array_generators.h"
#include "kernels/array_loop.h"

namespace qforge::kernels {

using jit::Emitter;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

void GenerateBinIndices(Emitter& e) {
  const Register values(Gpr::RDI), count(Gpr::RSI), grid(Gpr::RDX), indices(Gpr::RCX);
  ArrayLoop loop(e);
  const Vec inverse_width = e.vectors().Take();
  const Vec first = e.vectors().Take();
  const Vec outside = e.vectors().Take();
  const Vec of_zero = e.vectors().Take();
  const Vec magnitude_bits = e.vectors().Take();
  const Vec ones = e.vectors().Take();
  const Vec x = e.vectors().Take();
  const Vec magnitude = e.vectors().Take();
  const Vec cell = e.vectors().Take();
  const auto field = [&](size_t offset) { return e.ptr[grid + static_cast<int>(offset)]; };

  e.EnterFrame({});
  e.Broadcast32(inverse_width, field(offsetof(BinGrid, inverse_width)));
  e.Broadcast32(first, field(offsetof(BinGrid, first)));
  e.Broadcast32(outside, field(offsetof(BinGrid, count)));
  e.Load(ones, e.Constant32(0xFFFFFFFF));
  e.Load(magnitude_bits, e.Constant32(0x7FFFFFFF));
  e.Sub32(of_zero, outside, e.Full(ones));
  loop.Run(count, e.lanes(), [&] {
    loop.Load32(x, values);
    e.And(magnitude, x, e.Full(magnitude_bits));
    e.MulF32(cell, magnitude, e.Full(inverse_width));
    // NaN and what is too large become 0x80000000, and lie outside whatever their sign is.
    e.vcvttps2dq(e.Full(cell), e.Full(cell));
    e.vpsrad(e.Full(x), e.Full(x), 31);
    e.Xor(cell, cell, e.Full(x));
    e.Sub32(cell, cell, e.Full(first));
    e.vpminud(e.Full(cell), e.Full(cell), e.Full(outside));
    // All ones where the magnitude is 0: no other becomes negative.
    e.Add32(magnitude, magnitude, e.Full(ones));
    e.vpsrad(e.Full(magnitude), e.Full(magnitude), 31);
    e.Or(cell, cell, e.Full(magnitude));
    e.vpminud(e.Full(cell), e.Full(cell), e.Full(of_zero));
    loop.Store32(indices, cell);
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
