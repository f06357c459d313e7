// Emits conversions between f32 and 16-bit floats.
#include "kernels/array_generators.h"
#include "kernels/array_loop.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kInput{Gpr::RDI};
const Register kCount{Gpr::RSI};

constexpr uint32_t kSignBit = 0x80000000;

// The largest finite number of a 16-bit type.
constexpr uint32_t LargestOf(DataType type) {
  return type == DataType::kF16 ? 0x477FE000 : 0x7F7F0000;
}

}  // namespace

void GenerateToF32(Emitter& e, DataType type) {
  const Register padded_count(Gpr::RDX), output(Gpr::RCX);
  ArrayLoop loop(e);
  const Vec x = e.vectors().Take();
  const Vec minus_zero = e.vectors().Take();

  e.EnterFrame({});
  e.Zero(x);
  loop.Run(kCount, padded_count, e.lanes(), [&] { loop.Store32(output, x); });
  e.Load(minus_zero, e.Constant32(kSignBit));
  loop.Run(kCount, e.lanes(), [&] {
    loop.LoadHalf16(x, kInput);
    if (type == DataType::kF16) {
      e.ConvertF16ToF32(x, e.Half(x));
    } else {
      e.ConvertBF16ToF32(x, e.Half(x));
      e.AddF32(x, x, e.Full(minus_zero));  // changes nothing but makes NaN quiet
    }
    loop.Store32(output, x);
  });
  e.LeaveFrame();
}

void GenerateFromF32(Emitter& e, DataType type, bool clipped) {
  const Register output(Gpr::RDX);
  ArrayLoop loop(e);
  const Vec x = e.vectors().Take();
  const Vec least = e.vectors().Take();
  const Vec largest = e.vectors().Take();
  const Vec scratch = e.vectors().Take();
  const Vec scratch2 = e.vectors().Take();

  e.EnterFrame({});
  if (clipped) {
    e.Load(least, e.Constant32(LargestOf(type) | kSignBit));
    e.Load(largest, e.Constant32(LargestOf(type)));
  }
  loop.Run(kCount, e.lanes(), [&] {
    loop.Load32(x, kInput);
    if (clipped) {
      // With the bound as the first operand, NaN stays.
      e.MaxF32(x, least, e.Full(x));
      e.MinF32(x, largest, e.Full(x));
    }
    if (type == DataType::kF16) {
      e.NarrowF32ToF16(x, x);
    } else {
      e.NarrowF32ToBF16(x, x, scratch, scratch2);
    }
    loop.StoreHalf16(output, x);
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
