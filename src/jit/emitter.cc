#include "jit/emitter.h"

#include <algorithm>
#include <utility>

namespace qforge::jit {

namespace xb = qforge_xbyak;

namespace {

// Mask registers that PrepareTail() fills: k1 for elements of 4 bytes, k2 for bytes.
const xb::Opmask kLaneMask(1);
const xb::Opmask kByteMask(2);
const xb::Opmask kExactLoadMask(3);  // of bytes; PrepareExactLoad() fills it
const xb::Opmask kScratchMask(4);

// align() goes by addresses in the buffer. They must be aligned like those where the code will be,
// and the same each time: else neither loops nor constants are, and equal kernels differ in bytes.
constexpr size_t kCodeAlignment = 64;

uint8_t* FirstAligned(std::vector<uint8_t>& buffer) {
  const auto address = reinterpret_cast<uintptr_t>(buffer.data());
  return buffer.data() + (kCodeAlignment - address % kCodeAlignment) % kCodeAlignment;
}

}  // namespace

Emitter::Emitter(Isa isa) : Emitter(isa, std::vector<uint8_t>(kMaxCodeBytes + kCodeAlignment)) {}

Emitter::Emitter(Isa isa, std::vector<uint8_t> buffer)
    : xb::CodeGenerator(kMaxCodeBytes, FirstAligned(buffer)),
      buffer_(std::move(buffer)),
      traits_(cpu::Traits(isa)),
      vectors_(traits_.vector_registers) {
  if (traits_.vector_bytes == 0) throw EmissionError("no code is emitted for the scalar ISA");
}

xb::Xmm Emitter::Full(Vec v) const {
  if (vector_bytes() == 64) return xb::Zmm(v.index);
  return xb::Ymm(v.index);
}

xb::Xmm Emitter::Half(Vec v) const {
  if (vector_bytes() == 64) return xb::Ymm(v.index);
  return xb::Xmm(v.index);
}

// --- Moves ---------------------------------------------------------------------------------

void Emitter::Zero(Vec to) {
  if (evex()) {
    vpxord(Full(to), Full(to), Full(to));
  } else {
    vpxor(Full(to), Full(to), Full(to));
  }
}

void Emitter::Move(Vec to, Vec from) {
  if (evex()) {
    vmovdqa32(Full(to), Full(from));
  } else {
    vmovdqa(Full(to), Full(from));
  }
}

void Emitter::Load(Vec to, const Address& from) {
  if (evex()) {
    vmovdqu32(Full(to), from);
  } else {
    vmovdqu(Full(to), from);
  }
}

void Emitter::Store(const Address& to, Vec from) {
  if (evex()) {
    vmovdqu32(to, Full(from));
  } else {
    vmovdqu(to, Full(from));
  }
}

void Emitter::Broadcast32(Vec to, const Address& from) { vpbroadcastd(Full(to), from); }

void Emitter::Broadcast32(Vec to, const xb::Reg32& from) {
  if (evex()) {
    vpbroadcastd(Full(to), from);
  } else {
    vmovd(Low(to), from);
    vpbroadcastd(Full(to), Low(to));
  }
}

void Emitter::LoadWidenS8(Vec to, const Address& from) { vpmovsxbw(Full(to), from); }

void Emitter::Repeat32(Vec to, const xb::Operand& from) { vpbroadcastd(Full(to), from); }
void Emitter::Repeat64(Vec to, const xb::Operand& from) { vpbroadcastq(Full(to), from); }

void Emitter::RepeatBytes(Vec to, const Address& from, int bytes) {
  if (bytes == 32) return vbroadcasti64x4(xb::Zmm(to.index), from);
  if (bytes != 64) throw EmissionError("RepeatBytes of " + std::to_string(bytes) + " bytes");
  Load(to, from);
}

// --- Tails ---------------------------------------------------------------------------------

void Emitter::PrepareTail(int lanes, int bytes) {
  tail_lanes_ = lanes;
  tail_bytes_ = bytes;
  if (!evex()) return;
  // All ones shifted right, so that no 64-bit immediate is needed.
  kxnorq(kLaneMask, kLaneMask, kLaneMask);
  if (lanes > 0) kshiftrq(kLaneMask, kLaneMask, static_cast<uint8_t>(64 - lanes));
  kxnorq(kByteMask, kByteMask, kByteMask);
  if (bytes > 0) kshiftrq(kByteMask, kByteMask, static_cast<uint8_t>(64 - bytes));
}

void Emitter::LoadTail32(Vec to, const Address& from) {
  if (tail_lanes_ == 0) throw EmissionError("LoadTail32 without PrepareTail");
  if (evex()) {
    vmovdqu32(Full(to) | kLaneMask | T_z, from);
    return;
  }
  std::vector<uint8_t> mask(static_cast<size_t>(vector_bytes()), 0);
  std::fill_n(mask.begin(), 4 * tail_lanes_, uint8_t{0xff});
  Load(to, ConstantBytes(mask));
  vpmaskmovd(Full(to), Full(to), from);
}

void Emitter::StoreTail32(const Address& to, Vec from, Vec scratch) {
  if (tail_lanes_ == 0) throw EmissionError("StoreTail32 without PrepareTail");
  if (evex()) {
    vmovdqu32(to | kLaneMask, Full(from));
    return;
  }
  std::vector<uint8_t> mask(static_cast<size_t>(vector_bytes()), 0);
  std::fill_n(mask.begin(), 4 * tail_lanes_, uint8_t{0xff});
  Load(scratch, ConstantBytes(mask));
  vpmaskmovd(to, Full(scratch), Full(from));
}

void Emitter::StoreBytes(const Register& base, int64_t offset, Vec from, int bytes) {
  const auto at = [&](int64_t more) { return ptr[base + static_cast<int>(offset + more)]; };
  if (bytes == vector_bytes()) return Store(at(0), from);
  if (bytes == 32 || bytes == 16) {
    const xb::Xmm part = bytes == 32 ? xb::Xmm(xb::Ymm(from.index)) : Low(from);
    if (evex()) return vmovdqu32(at(0), bytes == 32 ? xb::Ymm(from.index) : part);
    return vmovdqu(at(0), part);
  }
  if (bytes == 8) return vmovq(at(0), Low(from));
  if (bytes == 4) return vmovd(at(0), Low(from));
  if (evex()) {
    if (bytes != tail_bytes_) throw EmissionError("StoreBytes for other bytes than PrepareTail");
    return vmovdqu8(at(0) | kByteMask, Full(from));
  }
  // Without byte masks: 16, 8, 4, 2 and 1 bytes as the binary digits of the count say.
  int done = 0;
  if (bytes & 16) {
    vmovdqu(at(0), Low(from));
    vextracti128(Low(from), xb::Ymm(from.index), 1);
    done = 16;
  }
  for (int piece = 8; piece >= 1; piece /= 2) {
    if ((bytes & piece) == 0) continue;
    if (piece == 8) vmovq(at(done), Low(from));
    if (piece == 4) vmovd(at(done), Low(from));
    if (piece == 2) vpextrw(at(done), Low(from), 0);
    if (piece == 1) vpextrb(at(done), Low(from), 0);
    done += piece;
    if (done < bytes) vpsrldq(Low(from), Low(from), static_cast<uint8_t>(piece));
  }
}

void Emitter::ExtractPart(Vec to, Vec from, int index, int part_bytes) {
  const auto which = static_cast<uint8_t>(index);
  if (part_bytes == 32 && vector_bytes() == 64) {
    vextracti64x4(xb::Ymm(to.index), xb::Zmm(from.index), which);
  } else if (part_bytes != 16) {
    throw EmissionError("ExtractPart of " + std::to_string(part_bytes) + " bytes");
  } else if (vector_bytes() == 64) {
    vextracti32x4(Low(to), xb::Zmm(from.index), which);
  } else if (evex()) {
    vextracti32x4(Low(to), xb::Ymm(from.index), which);
  } else {
    vextracti128(Low(to), xb::Ymm(from.index), which);
  }
}

void Emitter::PrepareExactLoad(int bytes) {
  exact_bytes_ = bytes;
  if (!evex()) return;
  kxnorq(kExactLoadMask, kExactLoadMask, kExactLoadMask);
  kshiftrq(kExactLoadMask, kExactLoadMask, static_cast<uint8_t>(64 - bytes));
}

void Emitter::LoadExact(Vec to, const AddressTerms& from) {
  if (exact_bytes_ == 0) throw EmissionError("LoadExact without PrepareExactLoad");
  if (evex()) return vmovdqu8(Full(to) | kExactLoadMask | T_z, ptr[from]);
  if (exact_bytes_ > 16) {
    if (exact_bytes_ % 4 != 0) throw EmissionError("LoadExact of more than 16 bytes, in part");
    std::vector<uint8_t> mask(static_cast<size_t>(vector_bytes()), 0);
    std::fill_n(mask.begin(), exact_bytes_, uint8_t{0xff});
    Load(to, ConstantBytes(mask));
    return vpmaskmovd(Full(to), Full(to), ptr[from]);
  }
  if (exact_bytes_ == 16) return vmovdqu(Low(to), ptr[from]);
  vpxor(Low(to), Low(to), Low(to));
  int done = 0;
  for (int piece = 8; piece >= 1; piece /= 2) {
    if ((exact_bytes_ & piece) == 0) continue;
    const Address at = ptr[from + done];
    const auto index = static_cast<uint8_t>(done / piece);
    if (piece == 8) vpinsrq(Low(to), Low(to), at, index);
    if (piece == 4) vpinsrd(Low(to), Low(to), at, index);
    if (piece == 2) vpinsrw(Low(to), Low(to), at, index);
    if (piece == 1) vpinsrb(Low(to), Low(to), at, index);
    done += piece;
  }
}

void Emitter::LoadExtendBytes(Vec to, const Register& base, int64_t offset, int count,
                              bool is_signed) {
  const auto at = [&](int64_t more) { return ptr[base + static_cast<int>(offset + more)]; };
  const auto extend = [&](const xb::Xmm& destination, const xb::Operand& source) {
    is_signed ? vpmovsxbd(destination, source) : vpmovzxbd(destination, source);
  };
  if (count == lanes()) return extend(Full(to), at(0));
  if (evex()) {
    if (count != tail_lanes_) throw EmissionError("LoadExtendBytes: not PrepareTail's lanes");
    return extend(Full(to) | kLaneMask | T_z, at(0));
  }
  vpxor(Low(to), Low(to), Low(to));
  int done = 0;
  if (count & 4) {
    vpinsrd(Low(to), Low(to), at(0), 0);
    done = 4;
  }
  if (count & 2) {
    vpinsrw(Low(to), Low(to), at(done), static_cast<uint8_t>(done / 2));
    done += 2;
  }
  if (count & 1) vpinsrb(Low(to), Low(to), at(done), static_cast<uint8_t>(done));
  extend(Full(to), Low(to));
}

// --- Integer arithmetic --------------------------------------------------------------------

void Emitter::Add32(Vec to, Vec a, const xb::Operand& b) { vpaddd(Full(to), Full(a), b); }
void Emitter::Sub32(Vec to, Vec a, const xb::Operand& b) { vpsubd(Full(to), Full(a), b); }
void Emitter::Mul32(Vec to, Vec a, const xb::Operand& b) { vpmulld(Full(to), Full(a), b); }
void Emitter::MaxS32(Vec to, Vec a, const xb::Operand& b) { vpmaxsd(Full(to), Full(a), b); }
void Emitter::Sub64(Vec to, Vec a, const xb::Operand& b) { vpsubq(Full(to), Full(a), b); }

void Emitter::And(Vec to, Vec a, const xb::Operand& b) {
  evex() ? vpandd(Full(to), Full(a), b) : vpand(Full(to), Full(a), b);
}

void Emitter::Or(Vec to, Vec a, const xb::Operand& b) {
  evex() ? vpord(Full(to), Full(a), b) : vpor(Full(to), Full(a), b);
}

void Emitter::Xor(Vec to, Vec a, const xb::Operand& b) {
  evex() ? vpxord(Full(to), Full(a), b) : vpxor(Full(to), Full(a), b);
}

void Emitter::ShiftLeft32(Vec to, Vec from, int bits) {
  vpslld(Full(to), Full(from), static_cast<uint8_t>(bits));
}

void Emitter::ShiftRight32(Vec to, Vec from, int bits) {
  vpsrld(Full(to), Full(from), static_cast<uint8_t>(bits));
}

void Emitter::ShiftRightEach32(Vec to, Vec from, const xb::Operand& counts) {
  vpsrlvd(Full(to), Full(from), counts);
}

void Emitter::RotateRight32(Vec to, Vec from, int bits) {
  vprord(Full(to), Full(from), static_cast<uint8_t>(bits));
}

void Emitter::RotateRightEach32(Vec to, Vec from, const xb::Operand& counts) {
  vprorvd(Full(to), Full(from), counts);
}

void Emitter::DotU8S8(Vec accumulator, Vec a, const xb::Operand& b) {
  if (!traits_.vnni) throw EmissionError("DotU8S8 on an ISA without VNNI");
  vpdpbusd(Full(accumulator), Full(a), b, evex() ? xb::EvexEncoding : xb::VexEncoding);
}

void Emitter::DotS16(Vec accumulator, Vec a, const xb::Operand& b, Vec scratch) {
  if (traits_.vnni) {
    vpdpwssd(Full(accumulator), Full(a), b, evex() ? xb::EvexEncoding : xb::VexEncoding);
    return;
  }
  vpmaddwd(Full(scratch), Full(a), b);
  vpaddd(Full(accumulator), Full(accumulator), Full(scratch));
}

void Emitter::PairSumsU8S8(Vec to, Vec a, const xb::Operand& b) {
  vpmaddubsw(Full(to), Full(a), b);
}
void Emitter::PairSumsS16(Vec to, Vec a, const xb::Operand& b) { vpmaddwd(Full(to), Full(a), b); }
void Emitter::Add16(Vec to, Vec a, const xb::Operand& b) { vpaddw(Full(to), Full(a), b); }
void Emitter::ShiftRight16(Vec to, Vec from, int bits) {
  vpsrlw(Full(to), Full(from), static_cast<uint8_t>(bits));
}

// --- Float arithmetic ----------------------------------------------------------------------

void Emitter::ConvertS32ToF32(Vec to, Vec from) { vcvtdq2ps(Full(to), Full(from)); }
void Emitter::ConvertF32ToS32(Vec to, Vec from) { vcvtps2dq(Full(to), Full(from)); }
void Emitter::AddF32(Vec to, Vec a, const xb::Operand& b) { vaddps(Full(to), Full(a), b); }
void Emitter::SubF32(Vec to, Vec a, const xb::Operand& b) { vsubps(Full(to), Full(a), b); }
void Emitter::MulF32(Vec to, Vec a, const xb::Operand& b) { vmulps(Full(to), Full(a), b); }
void Emitter::DivF32(Vec to, Vec a, const xb::Operand& b) { vdivps(Full(to), Full(a), b); }
void Emitter::MaxF32(Vec to, Vec a, const xb::Operand& b) { vmaxps(Full(to), Full(a), b); }
void Emitter::MinF32(Vec to, Vec a, const xb::Operand& b) { vminps(Full(to), Full(a), b); }
void Emitter::FmaF32(Vec to, Vec a, const xb::Operand& b) { vfmadd213ps(Full(to), Full(a), b); }
void Emitter::FmaAddF32(Vec to, Vec a, const xb::Operand& b) { vfmadd231ps(Full(to), Full(a), b); }

// --- Small formats to and from binary32 ----------------------------------------------------

void Emitter::ExtendU8To32(Vec to, const xb::Operand& from) { vpmovzxbd(Full(to), from); }
void Emitter::ExtendS8To32(Vec to, const xb::Operand& from) { vpmovsxbd(Full(to), from); }
void Emitter::ConvertF16ToF32(Vec to, const xb::Operand& from) { vcvtph2ps(Full(to), from); }

void Emitter::ConvertBF16ToF32(Vec to, const xb::Operand& from) {
  vpmovzxwd(Full(to), from);
  ShiftLeft32(to, to, 16);
}

void Emitter::LoadLowerBF16(Vec to, const Address& from) {
  if (evex()) return vpslld(Full(to), from, 16);
  Load(to, from);
  ShiftLeft32(to, to, 16);
}

void Emitter::LoadUpperBF16(Vec to, const Address& from) {
  Load(to, from);
  And(to, to, Constant32(0xFFFF0000));
}

void Emitter::DotBF16(Vec accumulator, Vec a, const xb::Operand& b) {
  if (!traits_.bf16) throw EmissionError("DotBF16 on an ISA without it");
  vdpbf16ps(Full(accumulator), Full(a), b);
}

void Emitter::ConvertE4M3ToF32(Vec to, const xb::Operand& from) {
  // Sign, exponent and mantissa to bits 15, 13..10 and 9..7 of an f16, the exponent's upper bit 0.
  vpmovsxbw(Half(to), from);
  vpsllw(Half(to), Half(to), 7);
  And(to, to, Constant32(0xBFFFBFFF));
  vcvtph2ps(Full(to), Half(to));
}

void Emitter::ConvertE5M2ToF32(Vec to, const xb::Operand& from) {
  vpmovzxbw(Half(to), from);
  vpsllw(Half(to), Half(to), 8);
  vcvtph2ps(Full(to), Half(to));
}

void Emitter::BroadcastF16(Vec to, const Address& from) {
  // Broadcasts from memory leave the pipes alone that kernels need for other shuffles; one behind a
  // narrow conversion would not.
  vpbroadcastw(Half(to), from);
  vcvtph2ps(Full(to), Half(to));
}

void Emitter::NarrowF32ToF16(Vec to, Vec from) {
  constexpr uint8_t kToNearestEven = 0;
  vcvtps2ph(Half(to), Full(from), kToNearestEven);
}

void Emitter::NarrowF32ToBF16(Vec to, Vec from, Vec scratch, Vec scratch2) {
  // from + 0x7fff + (the lowest bit that is kept), and NaN quiet in place of that.
  constexpr uint8_t kUnordered = 3;
  ShiftRight32(scratch, from, 16);
  Or(scratch2, scratch, Constant32(0x40));
  And(scratch, scratch, Constant32(1));
  Add32(scratch, scratch, Constant32(0x7FFF));
  Add32(scratch, scratch, Full(from));
  ShiftRight32(scratch, scratch, 16);
  if (evex()) {
    vcmpps(kScratchMask, Full(from), Full(from), kUnordered);
    vmovdqa32(Full(scratch) | kScratchMask, Full(scratch2));
    vpmovdw(Half(to), Full(scratch));
    return;
  }
  vcmpps(Full(from), Full(from), Full(from), kUnordered);
  vblendvps(Full(scratch), Full(scratch), Full(scratch2), Full(from));
  vpackusdw(Full(scratch), Full(scratch), Full(scratch));
  constexpr uint8_t kLowestOfEachHalf = 0x08;
  vpermq(xb::Ymm(to.index), xb::Ymm(scratch.index), kLowestOfEachHalf);
}

// --- Tables in registers -------------------------------------------------------------------

void Emitter::LookUp16(Vec index, const std::vector<Vec>& table, const Vec* scratch) {
  if (vector_bytes() == 64) {
    return vpermps(xb::Zmm(index.index), xb::Zmm(index.index), Full(table[0]));
  }
  const xb::Ymm to(index.index), low(table[0].index), high(table[1].index);
  if (evex()) return vpermi2ps(to, low, high);
  const xb::Ymm upper_bit(scratch[0].index), from_low(scratch[1].index);
  vpslld(upper_bit, to, 28);
  vpermps(from_low, to, low);
  vpermps(to, to, high);
  vblendvps(to, from_low, to, upper_bit);
}

void Emitter::LookUp16(Vec to, Vec index, Vec table) {
  vpermps(xb::Zmm(to.index), xb::Zmm(index.index), xb::Zmm(table.index));
}

void Emitter::LookUp4(Vec index, Vec table) { vpermilps(Full(index), Full(table), Full(index)); }

// --- Narrowing -----------------------------------------------------------------------------

Address Emitter::PackOrder() {
  // After the packs, dword p of 128-bit lane l holds the bytes of vector p, lane l; in order, dword
  // v * lanes + l belongs to vector v.
  const int lanes128 = vector_bytes() / 16;
  std::vector<uint8_t> order(static_cast<size_t>(vector_bytes()), 0);
  for (int to = 0; to < lanes(); ++to) {
    order[static_cast<size_t>(4 * to)] = static_cast<uint8_t>((to % lanes128) * 4 + to / lanes128);
  }
  return ConstantBytes(order);
}

void Emitter::Permute32(Vec to, Vec order, Vec from) {
  if (vector_bytes() == 64) {
    vpermd(xb::Zmm(to.index), xb::Zmm(order.index), Full(from));
  } else {
    vpermd(xb::Ymm(to.index), xb::Ymm(order.index), Full(from));
  }
}

void Emitter::Permute32OfTwo(Vec order, Vec a, Vec b) { vpermi2ps(Full(order), Full(a), Full(b)); }

void Emitter::PackS32ToS16(Vec to, Vec a, Vec b) { vpackssdw(Full(to), Full(a), Full(b)); }
void Emitter::PackS16ToU8(Vec to, Vec a, Vec b) { vpackuswb(Full(to), Full(a), Full(b)); }
void Emitter::PackS16ToS8(Vec to, Vec a, Vec b) { vpacksswb(Full(to), Full(a), Full(b)); }
void Emitter::AddSaturateS16(Vec to, Vec a, const xb::Operand& b) { vpaddsw(Full(to), Full(a), b); }
void Emitter::MaxU8(Vec to, Vec a, const xb::Operand& b) { vpmaxub(Full(to), Full(a), b); }
void Emitter::MaxS8(Vec to, Vec a, const xb::Operand& b) { vpmaxsb(Full(to), Full(a), b); }
void Emitter::MinU8(Vec to, Vec a, const xb::Operand& b) { vpminub(Full(to), Full(a), b); }
void Emitter::MinS8(Vec to, Vec a, const xb::Operand& b) { vpminsb(Full(to), Full(a), b); }

// --- Constants and frame -------------------------------------------------------------------

Address Emitter::Constant32(uint32_t value) {
  std::vector<uint8_t> bytes(static_cast<size_t>(vector_bytes()));
  for (size_t i = 0; i < bytes.size(); ++i) {
    bytes[i] = static_cast<uint8_t>(value >> (8 * (i % 4)));
  }
  return ConstantBytes(bytes);
}

Address Emitter::ConstantLanes(const std::vector<int>& lanes) {
  std::vector<uint8_t> bytes;
  for (int lane : lanes) {
    for (int i = 0; i < 4; ++i) bytes.push_back(static_cast<uint8_t>(lane >> (8 * i)));
  }
  return ConstantBytes(bytes);
}

Address Emitter::ConstantBytes(const std::vector<uint8_t>& bytes) {
  for (Constant& constant : constants_) {
    if (constant.bytes == bytes) return ptr[rip + constant.label];
  }
  constants_.emplace_back();
  constants_.back().bytes = bytes;
  return ptr[rip + constants_.back().label];
}

void Emitter::EnterFrame(const std::vector<Register>& used) {
  for (const Register& r : used) {
    const int index = r.getIdx();
    const bool callee_saved = index == xb::Operand::RBX || index == xb::Operand::RBP ||
                              (index >= xb::Operand::R12 && index <= xb::Operand::R15);
    if (!callee_saved) continue;
    push(r);
    saved_.push_back(r);
  }
}

void Emitter::LeaveFrame() {
  // Upper halves left dirty would slow down the host's SSE code.
  vzeroupper();
  for (auto r = saved_.rbegin(); r != saved_.rend(); ++r) pop(*r);
  ret();
}

CodeBytes Emitter::Finish(const std::string& name) {
  CodeBytes code;
  code.name = name;
  code.instruction_bytes = getSize();
  if (!constants_.empty()) align(64, false);
  for (Constant& constant : constants_) {
    L(constant.label);
    for (uint8_t byte : constant.bytes) db(byte);
  }
  ready();
  code.bytes.assign(getCode(), getCode() + getSize());
  return code;
}

}  // namespace qforge::jit
