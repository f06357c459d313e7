#include "kernels/array_loop.h"

namespace qforge::kernels {

using jit::Register;
using jit::Vec;
namespace xb = qforge_xbyak;

namespace {

const Register kRax{xb::Operand::RAX};

}  // namespace

xb::Opmask SetTailMask(jit::Emitter& e, const Register& count) {
  // (1 << count) - 1, without the shifts that need cl or BMI2.
  const xb::Opmask mask(1);
  e.xor_(kRax.cvt32(), kRax.cvt32());
  e.bts(kRax, count);
  e.dec(kRax);
  e.kmovq(mask, kRax);
  return mask;
}

void ArrayLoop::Load32(Vec to, const Register& base) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.Load(to, At(base, 4));
    case Extent::kMasked:
      return e_.vmovdqu32(e_.Full(to) | mask_ | e_.T_z, At(base, 4));
    case Extent::kSingle:
      return e_.Broadcast32(to, At(base, 4));
  }
}

void ArrayLoop::Merge32(Vec to, const Register& base) {
  if (extent_ != Extent::kMasked) return Load32(to, base);
  e_.vmovdqu32(e_.Full(to) | mask_, At(base, 4));
}

void ArrayLoop::Store32(const Register& base, Vec from) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.Store(At(base, 4), from);
    case Extent::kMasked:
      return e_.vmovdqu32(At(base, 4) | mask_, e_.Full(from));
    case Extent::kSingle:
      return e_.vmovd(At(base, 4), e_.Low(from));
  }
}

void ArrayLoop::LoadExtend8To32(Vec to, const Register& base, bool is_signed) {
  const auto extend = [&](const xb::Xmm& destination) {
    is_signed ? e_.vpmovsxbd(destination, At(base, 1)) : e_.vpmovzxbd(destination, At(base, 1));
  };
  switch (extent_) {
    case Extent::kWhole:
      return extend(e_.Full(to));
    case Extent::kMasked:
      return extend(e_.Full(to) | mask_ | e_.T_z);
    case Extent::kSingle: {
      const jit::Address byte = e_.byte[base + index()];
      is_signed ? e_.movsx(kRax.cvt32(), byte) : e_.movzx(kRax.cvt32(), byte);
      return e_.Broadcast32(to, kRax.cvt32());
    }
  }
}

void ArrayLoop::StoreNarrow32To8(const Register& base, Vec from, Vec scratch, bool is_signed) {
  switch (extent_) {
    case Extent::kWhole: {
      if (e_.evex()) return e_.vpmovdb(At(base, 1), e_.Full(from));
      // Each half's four bytes come to its lowest dword.
      e_.PackS32ToS16(from, from, from);
      is_signed ? e_.PackS16ToS8(from, from, from) : e_.PackS16ToU8(from, from, from);
      e_.vextracti128(e_.Low(scratch), xb::Ymm(from.index), 1);
      e_.vpunpckldq(e_.Low(from), e_.Low(from), e_.Low(scratch));
      return e_.vmovq(At(base, 1), e_.Low(from));
    }
    case Extent::kMasked:
      return e_.vpmovdb(At(base, 1) | mask_, e_.Full(from));
    case Extent::kSingle:
      return e_.vpextrb(At(base, 1), e_.Low(from), 0);
  }
}

void ArrayLoop::Load8(Vec to, const Register& base) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.Load(to, At(base, 1));
    case Extent::kMasked:
      return e_.vmovdqu8(e_.Full(to) | mask_ | e_.T_z, At(base, 1));
    case Extent::kSingle:
      e_.movzx(kRax.cvt32(), e_.byte[base + index()]);
      return e_.vmovd(e_.Low(to), kRax.cvt32());
  }
}

void ArrayLoop::Store8(const Register& base, Vec from) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.Store(At(base, 1), from);
    case Extent::kMasked:
      return e_.vmovdqu8(At(base, 1) | mask_, e_.Full(from));
    case Extent::kSingle:
      return e_.vpextrb(At(base, 1), e_.Low(from), 0);
  }
}

void ArrayLoop::LoadExtend8To16(Vec to, const Register& base, bool is_signed) {
  const auto extend = [&](const xb::Xmm& destination) {
    is_signed ? e_.vpmovsxbw(destination, At(base, 1)) : e_.vpmovzxbw(destination, At(base, 1));
  };
  switch (extent_) {
    case Extent::kWhole:
      return extend(e_.Full(to));
    case Extent::kMasked:
      return extend(e_.Full(to) | mask_ | e_.T_z);
    case Extent::kSingle: {
      const jit::Address byte = e_.byte[base + index()];
      is_signed ? e_.movsx(kRax.cvt32(), byte) : e_.movzx(kRax.cvt32(), byte);
      return e_.vmovd(e_.Low(to), kRax.cvt32());
    }
  }
}

void ArrayLoop::Store16(const Register& base, Vec from) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.Store(At(base, 2), from);
    case Extent::kMasked:
      return e_.vmovdqu16(At(base, 2) | mask_, e_.Full(from));
    case Extent::kSingle:
      return e_.vpextrw(At(base, 2), e_.Low(from), 0);
  }
}

void ArrayLoop::LoadHalf16(Vec to, const Register& base) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.vmovdqu(e_.Half(to), At(base, 2));
    case Extent::kMasked:
      return e_.vmovdqu16(e_.Half(to) | mask_ | e_.T_z, At(base, 2));
    case Extent::kSingle:
      e_.movzx(kRax.cvt32(), e_.word[base + index() * 2]);
      return e_.vmovd(e_.Low(to), kRax.cvt32());
  }
}

void ArrayLoop::StoreHalf16(const Register& base, Vec from) {
  switch (extent_) {
    case Extent::kWhole:
      return e_.vmovdqu(At(base, 2), e_.Half(from));
    case Extent::kMasked:
      return e_.vmovdqu16(At(base, 2) | mask_, e_.Half(from));
    case Extent::kSingle:
      return e_.vpextrw(At(base, 2), e_.Low(from), 0);
  }
}

}  // namespace qforge::kernels
