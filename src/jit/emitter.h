// Emits code for one ISA through verbs that hide which ISA it is. A kernel generator says
// DotU8S8(accumulator, a, b) and gets EVEX or VEX, 256 or 512 bits; what a verb cannot hide it asks
// traits() for. Code may be emitted for an ISA that this machine cannot run.
//
// Registers are of two kinds: Vec, a vector of the ISA's full width taken from vectors(), and
// xbyak's general registers, which kernels name themselves. All code is position-independent;
// constants go into a pool behind the code and are addressed relative to rip.
//
// Errors while emitting are exceptions (EmissionError, or xbyak's own); Finish() and everything
// before it runs inside jit::Emit(), which turns them into a Status.
#ifndef QFORGE_JIT_EMITTER_H_
#define QFORGE_JIT_EMITTER_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "cpu/isa_table.h"
#include "jit/kernel_cache.h"
#include "jit/register_pool.h"
#include "jit/xbyak.h"
#include "qforge/status.h"

namespace qforge::jit {

using Address = qforge_xbyak::Address;
using Register = qforge_xbyak::Reg64;
using Label = qforge_xbyak::Label;
// What stands between the brackets of an address, to which an offset can be added.
using AddressTerms = qforge_xbyak::RegExp;

class Emitter : public qforge_xbyak::CodeGenerator {
 public:
  // More than any kernel needs; emission fails beyond it.
  static constexpr size_t kMaxCodeBytes = 128 * 1024;

  explicit Emitter(Isa isa);

  const cpu::IsaTraits& traits() const { return traits_; }
  bool evex() const { return traits_.evex; }
  int vector_bytes() const { return traits_.vector_bytes; }
  int lanes() const { return traits_.vector_bytes / 4; }
  RegisterPool& vectors() { return vectors_; }

  // The register itself, for instructions that have no verb; and its lower half, lowest 128 bits.
  qforge_xbyak::Xmm Full(Vec v) const;
  qforge_xbyak::Xmm Half(Vec v) const;
  qforge_xbyak::Xmm Low(Vec v) const { return qforge_xbyak::Xmm(v.index); }

  // --- Moves -------------------------------------------------------------------------------
  void Zero(Vec to);
  void Move(Vec to, Vec from);
  void Load(Vec to, const Address& from);
  void Store(const Address& to, Vec from);
  // Repeats 4 bytes of memory in every lane.
  void Broadcast32(Vec to, const Address& from);
  void Broadcast32(Vec to, const qforge_xbyak::Reg32& from);
  // Half a vector of s8, widened to s16.
  void LoadWidenS8(Vec to, const Address& from);
  // Repeats the lowest 4 or 8 bytes of `from`, memory or Low() of a vector.
  void Repeat32(Vec to, const qforge_xbyak::Operand& from);
  void Repeat64(Vec to, const qforge_xbyak::Operand& from);
  // Repeats 32 or 64 bytes of memory. Vectors of 64 bytes only.
  void RepeatBytes(Vec to, const Address& from, int bytes);

  // --- Tails -------------------------------------------------------------------------------
  // Prepares the masks for tails of `lanes` 4-byte elements and `bytes` bytes, once per kernel,
  // before the first of the verbs below, none of which touches memory outside of the elements that
  // it names.
  void PrepareTail(int lanes, int bytes);
  void LoadTail32(Vec to, const Address& from);                // the other lanes become 0
  void StoreTail32(const Address& to, Vec from, Vec scratch);  // VEX: scratch is clobbered
  // Stores the first `bytes` (1 to the vector's size) bytes. Clobbers `from`.
  void StoreBytes(const Register& base, int64_t offset, Vec from, int bytes);
  // The part `index` of `from`, cut into parts of 16 or 32 bytes, in the lowest bytes of `to`.
  void ExtractPart(Vec to, Vec from, int index, int part_bytes);
  // Prepares LoadExact() of `bytes`, once per kernel.
  void PrepareExactLoad(int bytes);
  // Loads that many bytes and touches no other; the bytes behind them become 0. With VEX more than
  // 16 bytes must be a multiple of 4.
  void LoadExact(Vec to, const AddressTerms& from);
  // Loads `count` (1 to lanes()) bytes, each extended to 32 bits.
  void LoadExtendBytes(Vec to, const Register& base, int64_t offset, int count, bool is_signed);

  // --- Integer arithmetic ------------------------------------------------------------------
  void Add32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void Sub32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void Mul32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MaxS32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void Sub64(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void And(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void Or(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void Xor(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void ShiftLeft32(Vec to, Vec from, int bits);
  void ShiftRight32(Vec to, Vec from, int bits);
  // Each lane by its own count; 32 and more give 0.
  void ShiftRightEach32(Vec to, Vec from, const qforge_xbyak::Operand& counts);
  // Rotations. EVEX only.
  void RotateRight32(Vec to, Vec from, int bits);
  void RotateRightEach32(Vec to, Vec from, const qforge_xbyak::Operand& counts);
  // accumulator.s32[i] += sum of four u8 x s8 products; exact, wraps modulo 2^32. VNNI only.
  void DotU8S8(Vec accumulator, Vec a, const qforge_xbyak::Operand& b);
  // accumulator.s32[i] += sum of two s16 x s16 products; exact, wraps modulo 2^32. Without VNNI
  // `scratch`, which may be a, is clobbered.
  void DotS16(Vec accumulator, Vec a, const qforge_xbyak::Operand& b, Vec scratch);

  // to.s16[i] = sum of two neighbouring u8 x s8 products, saturating.
  void PairSumsU8S8(Vec to, Vec a, const qforge_xbyak::Operand& b);
  // to.s32[i] = sum of two neighbouring s16 x s16 products.
  void PairSumsS16(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void Add16(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void ShiftRight16(Vec to, Vec from, int bits);

  // --- Float arithmetic (binary32, one rounding each) --------------------------------------
  void ConvertS32ToF32(Vec to, Vec from);
  void ConvertF32ToS32(Vec to, Vec from);  // rounds as MXCSR says
  void AddF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void SubF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MulF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void DivF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  // max(a, b) and min(a, b) give b where either is NaN.
  void MaxF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MinF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  // to = to * a + b, and to = a * b + to.
  void FmaF32(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void FmaAddF32(Vec to, Vec a, const qforge_xbyak::Operand& b);

  // --- Small formats to and from binary32 --------------------------------------------------
  // One element per lane. `from` is memory, or the part of a vector that holds as many bytes:
  // Low() for bytes, Half() for 16 bits.
  void ExtendU8To32(Vec to, const qforge_xbyak::Operand& from);
  void ExtendS8To32(Vec to, const qforge_xbyak::Operand& from);
  void ConvertF16ToF32(Vec to, const qforge_xbyak::Operand& from);
  void ConvertBF16ToF32(Vec to, const qforge_xbyak::Operand& from);
  // Of two bf16 per lane, the one in the lower or in the upper half.
  void LoadLowerBF16(Vec to, const Address& from);
  void LoadUpperBF16(Vec to, const Address& from);
  // accumulator += the products of two bf16 per lane, in binary32, where subnormals are zeros. Only
  // with IsaTraits::bf16.
  void DotBF16(Vec accumulator, Vec a, const qforge_xbyak::Operand& b);
  // The bytes of e4m3 or e5m2 with the exponent bias 15, that of f16. e4m3 with another bias is
  // this times a power of two; so is e5m2.
  void ConvertE4M3ToF32(Vec to, const qforge_xbyak::Operand& from);
  void ConvertE5M2ToF32(Vec to, const qforge_xbyak::Operand& from);
  // One f16 to all lanes.
  void BroadcastF16(Vec to, const Address& from);
  // To 16 bits per lane, in the lower half of the vector, to nearest even. Clobbers `from` and, for
  // bf16, the scratches.
  void NarrowF32ToF16(Vec to, Vec from);
  void NarrowF32ToBF16(Vec to, Vec from, Vec scratch, Vec scratch2);

  // --- Tables in registers -----------------------------------------------------------------
  // How many vectors a table of 16 floats takes.
  int table16_vectors() const { return 64 / vector_bytes(); }
  // Replaces each lane of `index` by table[lowest 4 bits]. `scratch` is two vectors, which VEX
  // clobbers.
  void LookUp16(Vec index, const std::vector<Vec>& table, const Vec* scratch);
  // The same into another vector. Vectors of 64 bytes only.
  void LookUp16(Vec to, Vec index, Vec table);
  // As LookUp16(), with the lowest 2 bits, and the table's 4 floats in every 16 bytes of `table`.
  void LookUp4(Vec index, Vec table);

  // --- Narrowing ---------------------------------------------------------------------------
  // Order of dwords that puts bytes packed by two in-lane packs (32 -> 16 -> 8) back in order.
  Address PackOrder();
  void Permute32(Vec to, Vec order, Vec from);
  // Replaces each lane of `order` by that lane of a and, from lanes() on, b. EVEX only.
  void Permute32OfTwo(Vec order, Vec a, Vec b);
  void PackS32ToS16(Vec to, Vec a, Vec b);  // in 128-bit lanes, saturating
  void PackS16ToU8(Vec to, Vec a, Vec b);
  void PackS16ToS8(Vec to, Vec a, Vec b);
  void AddSaturateS16(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MaxU8(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MaxS8(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MinU8(Vec to, Vec a, const qforge_xbyak::Operand& b);
  void MinS8(Vec to, Vec a, const qforge_xbyak::Operand& b);

  // --- Constants and frame -----------------------------------------------------------------
  // A constant behind the code, repeated to a full vector, or of the given bytes.
  Address Constant32(uint32_t value);
  Address ConstantLanes(const std::vector<int>& lanes);
  Address ConstantBytes(const std::vector<uint8_t>& bytes);
  // Saves the callee-saved ones of `used`; the matching LeaveFrame restores them and returns.
  void EnterFrame(const std::vector<Register>& used);
  void LeaveFrame();

  // Ends the code: the constants follow, and the bytes are taken.
  CodeBytes Finish(const std::string& name);

 private:
  struct Constant {
    std::vector<uint8_t> bytes;
    Label label;
  };

  std::vector<uint8_t> buffer_;  // must precede what uses it
  const cpu::IsaTraits& traits_;
  RegisterPool vectors_;
  std::deque<Constant> constants_;
  std::vector<Register> saved_;
  int tail_lanes_ = 0;
  int tail_bytes_ = 0;
  int exact_bytes_ = 0;

  Emitter(Isa isa, std::vector<uint8_t> buffer);
};

// Runs `generate(emitter)`, which emits a whole function, and returns its bytes under `name`.
// Whatever is thrown becomes a Status that names the kernel.
template <class Generate>
Result<CodeBytes> Emit(Isa isa, const std::string& name, Generate&& generate) noexcept {
  try {
    Emitter emitter(isa);
    generate(emitter);
    return emitter.Finish(name);
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  } catch (const std::exception& error) {
    return Status::Error(StatusCode::kInternal, "", "emitting %s: %s", name.c_str(), error.what());
  }
}

}  // namespace qforge::jit

#endif  // QFORGE_JIT_EMITTER_H_
