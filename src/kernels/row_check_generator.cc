#include <cstddef>
#include <new>
#include <vector>

#include "jit/emitter.h"
#include "kernels/array_loop.h"
#include "kernels/row_check.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

// Four rows share the loads of digits, with EVEX, and are added up together; so many fit into the
// registers but for three and more digits with VEX. The rows that are left go one by one, several
// chunks at a time, so that they do not wait for each dot product.
class Generator {
 public:
  Generator(Emitter& emitter, const RowCheckKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        bytes_(RowCheckDigitBits(kernel) == 8),
        fours_(emitter.evex() || kernel.digits <= 2),
        different_(e_.vectors().Take()),
        a_(e_.vectors().Take()),
        scratch_(e_.vectors().Take()),
        sums_of_rows_(e_.vectors().Take(kBlockRows)) {}

  void Generate() {
    e_.EnterFrame({stride3_});
    if (e_.evex()) {
      // Without a tail this is some mask that nothing uses.
      e_.mov(counter_, Argument(offsetof(RowCheckArguments, tail_elements)));
      tail_mask_ = SetTailMask(e_, counter_);
    }
    e_.mov(input_, Argument(offsetof(RowCheckArguments, input)));
    e_.mov(stride_, Argument(offsetof(RowCheckArguments, input_stride)));
    e_.lea(stride3_, e_.ptr[stride_ + stride_ * 2]);
    e_.mov(sums_, Argument(offsetof(RowCheckArguments, sums)));
    e_.mov(rows_, Argument(offsetof(RowCheckArguments, rows)));
    e_.Zero(different_);
    if (fours_) {
      Label four, rest;
      e_.sub(rows_, kBlockRows);
      e_.jl(rest, Emitter::T_NEAR);
      e_.L(four);
      Rows(kBlockRows, 1);
      e_.lea(input_, e_.ptr[input_ + stride_ * kBlockRows]);
      e_.add(sums_, kBlockRows * e_.vector_bytes());
      e_.sub(rows_, kBlockRows);
      e_.jge(four, Emitter::T_NEAR);
      e_.L(rest);
      e_.add(rows_, kBlockRows);
    }
    Label one, done;
    e_.test(rows_, rows_);
    e_.jz(done, Emitter::T_NEAR);
    e_.L(one);
    Rows(1, kernel_.digits <= 2 ? 4 : 2);
    e_.add(input_, stride_);
    e_.add(sums_, e_.vector_bytes());
    e_.dec(rows_);
    e_.jnz(one, Emitter::T_NEAR);
    e_.L(done);
    e_.xor_(result_.cvt32(), result_.cvt32());
    e_.vptest(e_.Low(different_), e_.Low(different_));
    e_.setnz(result_.cvt8());
    e_.LeaveFrame();
  }

 private:
  static constexpr int kBlockRows = 4;

  jit::Address Argument(size_t offset) const {
    return e_.ptr[arguments_ + static_cast<int>(offset)];
  }
  int ChunkBytes() const { return RowCheckChunk(kernel_) * (kernel_.widened ? 2 : 1); }
  int DigitBytes() const { return kernel_.digits * e_.vector_bytes(); }
  jit::AddressTerms InRow(int row) const {
    return row == 0 ? jit::AddressTerms(at_) : row == 3 ? at_ + stride3_ : at_ + stride_ * row;
  }

  // Checks `rows` rows, 1 or 4, with `unroll` chunks of each at a time.
  void Rows(int rows, int unroll) {
    const std::vector<Vec> dots = e_.vectors().Take(rows * unroll * kernel_.digits);
    std::vector<Vec> digits;
    if (rows > 1 && e_.evex()) digits = e_.vectors().Take(kernel_.digits);
    const auto dot = [&](int row, int part, int digit) {
      return dots[static_cast<size_t>((part * rows + row) * kernel_.digits + digit)];
    };
    const auto multiply = [&](int part, bool tail) {
      for (size_t digit = 0; digit < digits.size(); ++digit) {
        e_.Load(digits[digit], Digit(0, static_cast<int>(digit)));
      }
      for (int row = 0; row < rows; ++row) {
        LoadChunk(InRow(row) + part * ChunkBytes(), tail);
        for (int digit = 0; digit < kernel_.digits; ++digit) {
          if (digits.empty()) {
            Multiply(dot(row, part, digit), Digit(part, digit));
          } else {
            Multiply(dot(row, part, digit), e_.Full(digits[static_cast<size_t>(digit)]));
          }
        }
      }
    };

    for (Vec v : dots) e_.Zero(v);
    e_.mov(at_, input_);
    e_.mov(digits_, Argument(offsetof(RowCheckArguments, digits)));
    e_.mov(counter_, Argument(offsetof(RowCheckArguments, chunks)));
    const auto turns = [&](int chunks) {
      Label turn, rest;
      e_.sub(counter_, chunks);
      e_.jl(rest, Emitter::T_NEAR);
      e_.L(turn);
      for (int part = 0; part < chunks; ++part) multiply(part, false);
      e_.add(at_, chunks * ChunkBytes());
      e_.add(digits_, chunks * DigitBytes());
      e_.sub(counter_, chunks);
      e_.jge(turn, Emitter::T_NEAR);
      e_.L(rest);
      e_.add(counter_, chunks);
    };
    if (unroll > 1) turns(unroll);
    turns(1);
    Label whole;
    e_.cmp(e_.qword[arguments_ + offsetof(RowCheckArguments, tail_elements)], 0);
    e_.je(whole, Emitter::T_NEAR);
    e_.mov(at_, Argument(offsetof(RowCheckArguments, tail_offset)));
    e_.add(at_, input_);
    multiply(0, true);
    e_.L(whole);

    for (int distance = unroll / 2; distance >= 1; distance /= 2) {
      for (int i = 0; i < distance * kernel_.digits; ++i) {
        const Vec to = dots[static_cast<size_t>(i)];
        e_.Add32(to, to, e_.Full(dots[static_cast<size_t>(i + distance * kernel_.digits)]));
      }
    }
    LoadSums(rows);
    const int bits = RowCheckDigitBits(kernel_);
    for (int row = 0; row < rows; ++row) {
      const Vec sum = sums_of_rows_[static_cast<size_t>(row)];
      for (int digit = 0; digit < kernel_.digits; ++digit) {
        const Vec value = dot(row, 0, digit);
        if (digit > 0) e_.ShiftLeft32(value, value, bits * digit);
        e_.Sub32(sum, sum, e_.Full(value));
      }
    }
    rows == 1 ? AddLanesOfOne() : AddLanesOfFour();
    // Each row's sum less what it must be, but for the start.
    e_.Broadcast32(scratch_, Argument(offsetof(RowCheckArguments, start)));
    const Vec sum = sums_of_rows_[0];
    e_.vpsubd(e_.Low(sum), e_.Low(sum), e_.Low(scratch_));
    e_.vpor(Vex(different_), Vex(different_), Vex(sum));
    e_.vectors().Release(dots);
    e_.vectors().Release(digits);
  }

  jit::Address Digit(int part, int digit) const {
    return e_.ptr[digits_ + part * DigitBytes() + digit * e_.vector_bytes()];
  }

  void LoadSums(int rows) {
    Label part, added;
    for (int row = 0; row < rows; ++row) {
      e_.Load(sums_of_rows_[static_cast<size_t>(row)], e_.ptr[sums_ + row * e_.vector_bytes()]);
    }
    e_.mov(counter_, Argument(offsetof(RowCheckArguments, parts)));
    e_.mov(at_, sums_);
    e_.L(part);
    e_.dec(counter_);
    e_.jz(added, Emitter::T_NEAR);
    e_.add(at_, Argument(offsetof(RowCheckArguments, part_stride)));
    for (int row = 0; row < rows; ++row) {
      const Vec sum = sums_of_rows_[static_cast<size_t>(row)];
      e_.Add32(sum, sum, e_.ptr[at_ + row * e_.vector_bytes()]);
    }
    e_.jmp(part, Emitter::T_NEAR);
    e_.L(added);
  }

  void LoadChunk(const jit::AddressTerms& from, bool tail) {
    const jit::Address at = e_.ptr[from];
    const bool masked = tail && e_.evex();
    const qforge_xbyak::Xmm to = masked ? e_.Full(a_) | tail_mask_ | e_.T_z : e_.Full(a_);
    if (!bytes_ && !kernel_.widened) {
      e_.vpmovzxbw(to, at);
    } else if (!masked) {
      e_.Load(a_, at);
    } else if (bytes_) {
      e_.vmovdqu8(to, at);
    } else {
      e_.vmovdqu16(to, at);
    }
  }

  void Multiply(Vec dot, const qforge_xbyak::Operand& digit) {
    bytes_ ? e_.DotU8S8(dot, a_, digit) : e_.DotS16(dot, a_, digit, scratch_);
  }

  // The registers below 16 have VEX forms of what has no EVEX form.
  qforge_xbyak::Xmm Vex(Vec v) const { return qforge_xbyak::Xmm(v.index); }

  // The 128-bit parts of `v`, added up, in the lowest.
  void AddParts(Vec v) {
    if (e_.vector_bytes() == 64) {
      e_.vextracti64x4(e_.Half(scratch_), qforge_xbyak::Zmm(v.index), 1);
      e_.vpaddd(e_.Half(v), e_.Half(v), e_.Half(scratch_));
    }
    e_.vextracti128(Vex(scratch_), qforge_xbyak::Ymm(v.index), 1);
    e_.vpaddd(e_.Low(v), e_.Low(v), e_.Low(scratch_));
  }

  // Every lane of the lowest part of the first sum becomes the sum of its lanes.
  void AddLanesOfOne() {
    const Vec v = sums_of_rows_[0];
    AddParts(v);
    for (const uint8_t order : {0x4E, 0xB1}) {
      e_.vpshufd(e_.Low(scratch_), e_.Low(v), order);
      e_.vpaddd(e_.Low(v), e_.Low(v), e_.Low(scratch_));
    }
  }

  // The four lanes of the lowest part of the first sum become the sums of four rows.
  void AddLanesOfFour() {
    const auto v = [&](size_t i) { return e_.Full(sums_of_rows_[i]); };
    for (const size_t i : {0, 2}) {
      e_.vpunpckldq(e_.Full(scratch_), v(i), v(i + 1));
      e_.vpunpckhdq(v(i), v(i), v(i + 1));
      e_.vpaddd(v(i), v(i), e_.Full(scratch_));
    }
    e_.vpunpcklqdq(e_.Full(scratch_), v(0), v(2));
    e_.vpunpckhqdq(v(0), v(0), v(2));
    e_.vpaddd(v(0), v(0), e_.Full(scratch_));
    AddParts(sums_of_rows_[0]);
  }

  Emitter& e_;
  const RowCheckKernel& kernel_;
  const bool bytes_;
  const bool fours_;
  // Taken first: registers that VEX can name.
  const Vec different_;  // its lowest part: not 0 once a row has not passed
  const Vec a_;
  const Vec scratch_;
  const std::vector<Vec> sums_of_rows_;
  qforge_xbyak::Opmask tail_mask_;

  const Register arguments_{Gpr::RDI}, input_{Gpr::RSI}, digits_{Gpr::RDX}, counter_{Gpr::RCX};
  const Register sums_{Gpr::R8}, rows_{Gpr::R9}, at_{Gpr::R10}, stride_{Gpr::R11};
  const Register stride3_{Gpr::RBX}, result_{Gpr::RAX};
};

}  // namespace

Result<jit::CodeBytes> EmitRowCheckKernel(const RowCheckKernel& kernel) noexcept {
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
