// Emits conversions between floats, 32-bit accumulators and quantised values.
#include <cstddef>

#include "kernels/array_generators.h"
#include "kernels/array_loop.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::Emitter;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kInput{Gpr::RDI};
const Register kCount{Gpr::RSI};

constexpr uint32_t kOne = 0x3F800000;  // 1.0f

bool IsSigned(DataType type) { return type == DataType::kS8; }
int32_t Lowest(DataType type) { return IsSigned(type) ? -128 : 0; }
int32_t Highest(DataType type) { return IsSigned(type) ? 127 : 255; }

Address At(Emitter& e, const Register& base, size_t offset) {
  return e.ptr[base + static_cast<int>(offset)];
}

// to = float(limit - zero_point): a bound of r.
void Bound(Emitter& e, Vec to, const qforge_xbyak::Operand& limit, Vec zero_point) {
  e.vmovups(e.Full(to), limit);
  e.Sub32(to, to, e.Full(zero_point));
  e.ConvertS32ToF32(to, to);
}

// r = round_half_even(clamp(r, lo, hi)) + zero_point, as integers. NaN gives lo: a maximum or
// minimum with a NaN is the second operand.
void RoundToType(Emitter& e, Vec r, Vec lo, Vec hi, Vec zero_point) {
  e.MaxF32(r, r, e.Full(lo));
  e.MinF32(r, r, e.Full(hi));
  e.ConvertF32ToS32(r, r);
  e.Add32(r, r, e.Full(zero_point));
}

}  // namespace

void GenerateQuantize(Emitter& e, DataType type) {
  const Register padded_count(Gpr::RDX), parameters(Gpr::RCX), output(Gpr::R8);
  ArrayLoop loop(e);
  const Vec inverse_scale = e.vectors().Take();
  const Vec zero_point = e.vectors().Take();
  const Vec lo = e.vectors().Take();
  const Vec hi = e.vectors().Take();
  const Vec r = e.vectors().Take();
  const Vec scratch = e.vectors().Take();

  e.EnterFrame({});
  e.Broadcast32(r, At(e, parameters, offsetof(QuantizationParameters, scale)));
  e.Load(inverse_scale, e.Constant32(kOne));
  e.vdivps(e.Full(inverse_scale), e.Full(inverse_scale), e.Full(r));
  e.Broadcast32(zero_point, At(e, parameters, offsetof(QuantizationParameters, zero_point)));
  Bound(e, lo, e.Constant32(static_cast<uint32_t>(Lowest(type))), zero_point);
  Bound(e, hi, e.Constant32(static_cast<uint32_t>(Highest(type))), zero_point);

  e.Zero(r);
  loop.Run(kCount, padded_count, e.vector_bytes(), [&] { loop.Store8(output, r); });
  loop.Run(kCount, e.lanes(), [&] {
    loop.Load32(r, kInput);
    e.MulF32(r, r, e.Full(inverse_scale));
    RoundToType(e, r, lo, hi, zero_point);
    loop.StoreNarrow32To8(output, r, scratch, IsSigned(type));
  });
  e.LeaveFrame();
}

void GenerateQuantizeColumns(Emitter& e, DataType type) {
  const Register scales(Gpr::RDX), zero_points(Gpr::RCX), output(Gpr::R8);
  ArrayLoop loop(e);
  const Vec inverse_scale = e.vectors().Take();
  const Vec zero_point = e.vectors().Take();
  const Vec lo = e.vectors().Take();
  const Vec hi = e.vectors().Take();
  const Vec r = e.vectors().Take();
  const Vec scratch = e.vectors().Take();
  const Vec one = e.vectors().Take();

  e.EnterFrame({});
  e.Load(one, e.Constant32(kOne));
  loop.Run(kCount, e.lanes(), [&] {
    loop.Load32(r, scales);
    e.vdivps(e.Full(inverse_scale), e.Full(one), e.Full(r));
    loop.Load32(zero_point, zero_points);
    Bound(e, lo, e.Constant32(static_cast<uint32_t>(Lowest(type))), zero_point);
    Bound(e, hi, e.Constant32(static_cast<uint32_t>(Highest(type))), zero_point);
    loop.Load32(r, kInput);
    e.MulF32(r, r, e.Full(inverse_scale));
    RoundToType(e, r, lo, hi, zero_point);
    loop.StoreNarrow32To8(output, r, scratch, IsSigned(type));
  });
  e.LeaveFrame();
}

void GenerateDequantize(Emitter& e, DataType type) {
  const Register parameters(Gpr::RDX), output(Gpr::RCX);
  ArrayLoop loop(e);
  const Vec scale = e.vectors().Take();
  const Vec zero_point = e.vectors().Take();
  const Vec x = e.vectors().Take();

  e.EnterFrame({});
  e.Broadcast32(scale, At(e, parameters, offsetof(QuantizationParameters, scale)));
  e.Broadcast32(zero_point, At(e, parameters, offsetof(QuantizationParameters, zero_point)));
  loop.Run(kCount, e.lanes(), [&] {
    loop.LoadExtend8To32(x, kInput, IsSigned(type));
    e.Sub32(x, x, e.Full(zero_point));
    e.ConvertS32ToF32(x, x);
    e.MulF32(x, x, e.Full(scale));
    loop.Store32(output, x);
  });
  e.LeaveFrame();
}

void GenerateRequantize(Emitter& e, DataType type, bool per_column) {
  const Register multipliers(Gpr::RDX), limits(Gpr::RCX), output(Gpr::R8);
  ArrayLoop loop(e);
  const Vec multiplier = e.vectors().Take();
  const Vec zero_point = e.vectors().Take();
  const Vec lo = e.vectors().Take();
  const Vec hi = e.vectors().Take();
  const Vec r = e.vectors().Take();
  const Vec scratch = e.vectors().Take();

  e.EnterFrame({});
  e.Broadcast32(zero_point, At(e, limits, offsetof(RequantizeLimits, zero_point)));
  e.Broadcast32(r, At(e, limits, offsetof(RequantizeLimits, lo)));
  Bound(e, lo, e.Full(r), zero_point);
  e.Broadcast32(r, At(e, limits, offsetof(RequantizeLimits, hi)));
  Bound(e, hi, e.Full(r), zero_point);
  if (!per_column) e.Broadcast32(multiplier, e.ptr[multipliers]);
  loop.Run(kCount, e.lanes(), [&] {
    if (per_column) loop.Load32(multiplier, multipliers);
    loop.Load32(r, kInput);
    e.ConvertS32ToF32(r, r);
    e.MulF32(r, r, e.Full(multiplier));
    RoundToType(e, r, lo, hi, zero_point);
    loop.StoreNarrow32To8(output, r, scratch, IsSigned(type));
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
