#include "kernels/float_columns.h"

namespace qforge::kernels {

using jit::Emitter;
using jit::Register;
using jit::Vec;

void PrepareFloatColumns(Emitter& e, int tail_lanes) {
  e.PrepareTail(tail_lanes, 2 * tail_lanes);
  e.PrepareExactLoad(2 * tail_lanes);
}

void LoadFloatColumns(Emitter& e, DataType type, Vec to, const Register& base, int64_t offset,
                      int lanes) {
  const jit::AddressTerms at = base + static_cast<int>(offset);
  const bool whole = lanes == e.lanes();
  if (type == DataType::kF32) {
    whole ? e.Load(to, e.ptr[at]) : e.LoadTail32(to, e.ptr[at]);
    return;
  }
  if (!whole) e.LoadExact(to, at);
  const auto convert = [&](const auto& from) {
    type == DataType::kF16 ? e.ConvertF16ToF32(to, from) : e.ConvertBF16ToF32(to, from);
  };
  whole ? convert(e.ptr[at]) : convert(e.Half(to));
}

void StoreFloatColumns(Emitter& e, DataType type, const Register& base, int64_t offset, Vec value,
                       int lanes, const Vec (&scratch)[2]) {
  if (type == DataType::kF32) {
    const jit::Address at = e.ptr[base + static_cast<int>(offset)];
    lanes == e.lanes() ? e.Store(at, value) : e.StoreTail32(at, value, scratch[0]);
    return;
  }
  if (type == DataType::kF16) {
    e.NarrowF32ToF16(value, value);
  } else {
    e.NarrowF32ToBF16(value, value, scratch[0], scratch[1]);
  }
  e.StoreBytes(base, offset, value, lanes * 2);
}

}  // namespace qforge::kernels
