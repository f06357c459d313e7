// Emits the kernels of rows with scale and bias: loading, losses, codes.
#include <cstddef>

#include "kernels/table_quantize_generators.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::Emitter;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;
namespace xb = qforge_xbyak;

const Register kRow{Gpr::RDI};
const Register kCount{Gpr::RSI};

constexpr uint32_t kInfinity = 0x7F800000;
constexpr uint32_t kLargestFloat = 0x7F7FFFFF;
constexpr uint32_t kLargestHalf = 0x477FE000;  // 65504
constexpr uint32_t kSignBit = 0x80000000;

// The range at `address` + `offset`, and codes with it.
class Range {
 public:
  Range(Emitter& emitter, const Register& base, int offset)
      : e_(emitter),
        base_(base),
        offset_(offset),
        scale_(emitter.vectors().Take()),
        inverse_scale_(emitter.vectors().Take()),
        bias_(emitter.vectors().Take()) {}

  void Load() {
    e_.Broadcast32(scale_, Member(offsetof(RowRange, scale)));
    e_.Broadcast32(inverse_scale_, Member(offsetof(RowRange, inverse_scale)));
    e_.Broadcast32(bias_, Member(offsetof(RowRange, bias)));
  }

  // q, as a float. In this order of operands NaN becomes 0.
  void Encode(Vec q, Vec x, Vec zero, Vec levels) {
    e_.vsubps(e_.Full(q), e_.Full(x), e_.Full(bias_));
    e_.MulF32(q, q, e_.Full(inverse_scale_));
    e_.MaxF32(q, q, e_.Full(zero));
    e_.MinF32(q, q, e_.Full(levels));
    constexpr uint8_t kToNearestEven = 8;
    if (e_.evex()) {
      e_.vrndscaleps(e_.Full(q), e_.Full(q), kToNearestEven);
    } else {
      e_.vroundps(e_.Full(q), e_.Full(q), kToNearestEven);
    }
  }

  // q becomes the error of x.
  void Decode(Vec q, Vec x) {
    e_.FmaF32(q, scale_, e_.Full(bias_));
    e_.vsubps(e_.Full(q), e_.Full(x), e_.Full(q));
  }

 private:
  Address Member(size_t member) const { return e_.ptr[base_ + offset_ + static_cast<int>(member)]; }

  Emitter& e_;
  const Register base_;
  const int offset_;
  const Vec scale_;
  const Vec inverse_scale_;
  const Vec bias_;
};

}  // namespace

void AddUp(Emitter& e, const std::vector<Vec>& parts, Vec scratch) {
  ReduceBlock(e, parts, scratch, [&](Vec a, Vec b) { e.vaddps(e.Full(a), e.Full(a), e.Full(b)); });
}

void StoreCodes(Emitter& e, const std::vector<Vec>& parts, int bits, const Register& to) {
  const xb::Xmm codes = e.Low(parts[0]);
  if (parts.size() == 1) {
    e.vpmovdb(codes, e.Full(parts[0]));
  } else {
    const xb::Ymm both(parts[0].index);
    const xb::Xmm upper = e.Low(parts[1]);
    e.PackS32ToS16(parts[0], parts[0], parts[1]);
    e.vpermq(both, both, 0xD8);  // the pack interleaved them by 64 bits
    e.vextracti128(upper, both, 1);
    e.vpackuswb(codes, codes, upper);
  }
  if (bits == 8) e.vmovdqu(e.ptr[to], codes);
  // Neighbours become one: a + 2^bits * b, first for 2, then for 4 bits.
  for (int width = bits; width < 8; width *= 2) {
    const auto factor = static_cast<uint8_t>(1 << width);
    e.vpmaddubsw(codes, codes, e.Constant32(0x00010001u + 0x01000100u * factor));
    e.vpackuswb(codes, codes, codes);
  }
  if (bits == 4) e.vmovq(e.ptr[to], codes);
  if (bits == 2) e.vmovd(e.ptr[to], codes);
  e.add(to, static_cast<int>(kRowBlock) * bits / 8);
}

void GenerateLoadRow(Emitter& e, bool half) {
  const Register source(Gpr::RDI), row(Gpr::RDX), bounds(Gpr::RCX);
  RowLoop loop(e, source, kCount);
  const size_t parts = static_cast<size_t>(loop.parts());
  const std::vector<Vec> min = e.vectors().Take(loop.parts());
  const std::vector<Vec> max = e.vectors().Take(loop.parts());
  const Vec lowest = e.vectors().Take();
  const Vec largest = e.vectors().Take();
  const Vec x = e.vectors().Take();
  const Vec ordered = e.vectors().Take();
  const uint32_t limit = half ? kLargestHalf : kLargestFloat;

  e.EnterFrame({});
  e.Load(largest, e.Constant32(limit));
  e.Load(lowest, e.Constant32(limit | kSignBit));
  for (size_t part = 0; part < parts; ++part) {
    e.Load(min[part], e.Constant32(kInfinity));
    e.Load(max[part], e.Constant32(kInfinity | kSignBit));
  }
  loop.Run([&] {
    for (size_t part = 0; part < parts; ++part) {
      const int p = static_cast<int>(part);
      if (half) {
        e.vcvtph2ps(e.Full(x), loop.Part(source, p, 2));
      } else {
        loop.LoadPart(x, p);
      }
      constexpr uint8_t kOrdered = 7;
      if (e.evex()) {
        const xb::Opmask is_number(2);
        e.vcmpps(is_number, e.Full(x), e.Full(x), kOrdered);
        e.vmovaps(e.Full(x) | is_number | e.T_z, e.Full(x));
      } else {
        e.vcmpps(e.Full(ordered), e.Full(x), e.Full(x), kOrdered);
        e.vandps(e.Full(x), e.Full(x), e.Full(ordered));
      }
      e.MaxF32(x, x, e.Full(lowest));
      e.MinF32(x, x, e.Full(largest));
      e.MinF32(min[part], x, e.Full(min[part]));
      e.MaxF32(max[part], x, e.Full(max[part]));
      e.Store(loop.Part(row, p), x);
    }
  });
  ReduceBlock(e, min, x, [&](Vec a, Vec b) { e.MinF32(a, a, e.Full(b)); });
  ReduceBlock(e, max, x, [&](Vec a, Vec b) { e.MaxF32(a, a, e.Full(b)); });
  e.vmovss(e.ptr[bounds + static_cast<int>(offsetof(ValueBounds, min))], e.Low(min[0]));
  e.vmovss(e.ptr[bounds + static_cast<int>(offsetof(ValueBounds, max))], e.Low(max[0]));
  e.LeaveFrame();
}

void GenerateRangeLosses(Emitter& e) {
  const Register ranges(Gpr::RDX), losses(Gpr::RCX);
  RowLoop loop(e, kRow, kCount);
  Range first(e, ranges, 0);
  Range second(e, ranges, sizeof(RowRange));
  const std::vector<Vec> first_sums = e.vectors().Take(loop.parts());
  const std::vector<Vec> second_sums = e.vectors().Take(loop.parts());
  const Vec levels = e.vectors().Take();
  const Vec zero = e.vectors().Take();
  const Vec x = e.vectors().Take();
  const Vec q = e.vectors().Take();

  e.EnterFrame({});
  first.Load();
  second.Load();
  e.Broadcast32(levels, e.ptr[ranges + static_cast<int>(offsetof(RowRange, levels))]);
  e.Zero(zero);
  for (const Vec v : first_sums) e.Zero(v);
  for (const Vec v : second_sums) e.Zero(v);
  const auto add = [&](Range& range, Vec sum, int part) {
    range.Encode(q, x, zero, levels);
    range.Decode(q, x);
    loop.ClearBehindRow(q, part);
    e.FmaAddF32(sum, q, e.Full(q));
  };
  loop.Run([&] {
    for (int part = 0; part < loop.parts(); ++part) {
      loop.LoadPart(x, part);
      add(first, first_sums[static_cast<size_t>(part)], part);
      add(second, second_sums[static_cast<size_t>(part)], part);
    }
  });
  AddUp(e, first_sums, x);
  AddUp(e, second_sums, q);
  e.vmovss(e.ptr[losses], e.Low(first_sums[0]));
  e.vmovss(e.ptr[losses + 4], e.Low(second_sums[0]));
  e.LeaveFrame();
}

void GenerateEncodeRange(Emitter& e, int bits) {
  const Register base(Gpr::RDX), codes(Gpr::RCX);
  RowLoop loop(e, kRow, kCount);
  Range range(e, base, 0);
  const std::vector<Vec> q = e.vectors().Take(loop.parts());
  const Vec levels = e.vectors().Take();
  const Vec zero = e.vectors().Take();
  const Vec x = e.vectors().Take();

  e.EnterFrame({});
  range.Load();
  e.Load(levels, e.Constant32((1u << bits) - 1));
  e.ConvertS32ToF32(levels, levels);
  e.Zero(zero);
  loop.Run([&] {
    for (int part = 0; part < loop.parts(); ++part) {
      const Vec code = q[static_cast<size_t>(part)];
      loop.LoadPart(x, part);
      range.Encode(code, x, zero, levels);
      loop.ClearBehindRow(code, part);
      e.ConvertF32ToS32(code, code);
    }
    StoreCodes(e, q, bits, codes);
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
