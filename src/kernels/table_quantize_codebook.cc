// Emits the kernels of rows with codebooks. A code is found by binary search among 15 bounds: four
// permutations instead of fifteen comparisons.
#include <cstddef>

#include "kernels/table_quantize_generators.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;
namespace xb = qforge_xbyak;

const Register kRow{Gpr::RDI};
const Register kCount{Gpr::RSI};
const Register kCodebook{Gpr::RDX};

constexpr uint8_t kLess = 1;

// A codebook in registers: its 16 entries fill one vector of 512 bits or two of 256, "halves".
class Search {
 public:
  explicit Search(Emitter& emitter)
      : e_(emitter),
        wide_(emitter.vector_bytes() == 64),
        bounds_(emitter.vectors().Take(wide_ ? 1 : 2)),
        centres_(emitter.vectors().Take(wide_ ? 1 : 2)),
        middle_(emitter.vectors().Take()),
        in_upper_half_(emitter.vectors().Take()),
        position_(emitter.vectors().Take()),
        bound_(emitter.vectors().Take()) {}

  void Load() {
    for (size_t half = 0; half < bounds_.size(); ++half) {
      const int at = static_cast<int>(half) * e_.vector_bytes();
      e_.Load(bounds_[half], e_.ptr[kCodebook + static_cast<int>(offsetof(Codebook, bounds)) + at]);
      e_.Load(centres_[half],
              e_.ptr[kCodebook + static_cast<int>(offsetof(Codebook, centres)) + at]);
    }
    constexpr int kMiddle = static_cast<int>(offsetof(Codebook, bounds)) + 8 * 4;
    e_.Broadcast32(middle_, e_.ptr[kCodebook + kMiddle]);
  }

  // The number of bounds below x, as 32-bit integers.
  void Encode(Vec code, Vec x) {
    if (wide_) {
      const xb::Opmask below(2);
      e_.vcmpps(below, e_.Full(middle_), e_.Full(x), kLess);
      e_.vmovdqu32(e_.Full(code) | below | e_.T_z, e_.Constant32(8));
      for (uint32_t step = 4; step >= 1; step /= 2) {
        e_.vpord(e_.Full(position_), e_.Full(code), e_.Constant32(step));
        Permute(bound_, position_, bounds_[0]);
        e_.vcmpps(below, e_.Full(bound_), e_.Full(x), kLess);
        e_.vmovdqa32(e_.Full(code) | below, e_.Full(position_));
      }
      return;
    }
    e_.vcmpps(e_.Full(in_upper_half_), e_.Full(middle_), e_.Full(x), kLess);
    e_.vandps(e_.Full(code), e_.Full(in_upper_half_), e_.Constant32(8));
    for (uint32_t step = 4; step >= 1; step /= 2) {
      e_.vorps(e_.Full(position_), e_.Full(code), e_.Constant32(step));
      LookUp(bound_, position_, bounds_);
      e_.vcmpps(e_.Full(bound_), e_.Full(bound_), e_.Full(x), kLess);
      e_.vandps(e_.Full(bound_), e_.Full(bound_), e_.Constant32(step));
      e_.vorps(e_.Full(code), e_.Full(code), e_.Full(bound_));
    }
  }

  // The centres of the codes that Encode() found last. `code` becomes them.
  void Decode(Vec code) {
    if (wide_) return Permute(code, code, centres_[0]);
    e_.Move(position_, code);
    LookUp(code, position_, centres_);
  }

 private:
  void Permute(Vec to, Vec positions, Vec entries) {
    if (wide_) {
      e_.vpermps(xb::Zmm(to.index), xb::Zmm(positions.index), e_.Full(entries));
    } else {
      e_.vpermps(xb::Ymm(to.index), xb::Ymm(positions.index), e_.Full(entries));
    }
  }

  // Positions modulo 8 in the half that each lane is known to be in. Clobbers the positions.
  void LookUp(Vec to, Vec positions, const std::vector<Vec>& halves) {
    Permute(to, positions, halves[0]);
    Permute(positions, positions, halves[1]);
    e_.vblendvps(xb::Ymm(to.index), xb::Ymm(to.index), xb::Ymm(positions.index),
                 xb::Ymm(in_upper_half_.index));
  }

  Emitter& e_;
  const bool wide_;
  const std::vector<Vec> bounds_;
  const std::vector<Vec> centres_;
  const Vec middle_;
  const Vec in_upper_half_;
  const Vec position_;
  const Vec bound_;
};

}  // namespace

void GenerateCodebookLosses(Emitter& e) {
  const Register left(Gpr::RCX), losses(Gpr::R8);
  RowLoop loop(e, kRow, kCount);
  Search search(e);
  const std::vector<Vec> sums = e.vectors().Take(loop.parts());
  const Vec x = e.vectors().Take();
  const Vec error = e.vectors().Take();

  e.EnterFrame({});
  Label next;
  e.L(next);
  search.Load();
  for (const Vec v : sums) e.Zero(v);
  loop.Run([&] {
    for (int part = 0; part < loop.parts(); ++part) {
      loop.LoadPart(x, part);
      search.Encode(error, x);
      search.Decode(error);
      e.vsubps(e.Full(error), e.Full(x), e.Full(error));
      loop.ClearBehindRow(error, part);
      e.FmaAddF32(sums[static_cast<size_t>(part)], error, e.Full(error));
    }
  });
  AddUp(e, sums, x);
  e.vmovss(e.ptr[losses], e.Low(sums[0]));
  e.add(kCodebook, static_cast<int>(sizeof(Codebook)));
  e.add(losses, 4);
  e.dec(left);
  e.jnz(next, Emitter::T_NEAR);
  e.LeaveFrame();
}

void GenerateEncodeCodebook(Emitter& e) {
  const Register to(Gpr::RCX);
  RowLoop loop(e, kRow, kCount);
  Search search(e);
  const std::vector<Vec> codes = e.vectors().Take(loop.parts());
  const Vec x = e.vectors().Take();

  e.EnterFrame({});
  search.Load();
  loop.Run([&] {
    for (int part = 0; part < loop.parts(); ++part) {
      const Vec code = codes[static_cast<size_t>(part)];
      loop.LoadPart(x, part);
      search.Encode(code, x);
      loop.ClearBehindRow(code, part);
    }
    StoreCodes(e, codes, 4, to);
  });
  e.LeaveFrame();
}

}  // namespace qforge::kernels
