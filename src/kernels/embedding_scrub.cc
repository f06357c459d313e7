// Emits the search for rows that do not agree with their checksums, and the sum of all of them.
#include <cstddef>

#include "kernels/embedding_generators.h"
#include "kernels/embedding_row_check.h"

namespace qforge::kernels {
namespace {

using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

const Register kArguments{Gpr::RDI};
const Register kRow{Gpr::RSI};
const Register kStride{Gpr::RDX};
const Register kNumber{Gpr::RAX};
const Register kCount{Gpr::RCX};
const Register kChecksum{Gpr::R8};
const Register kScratch{Gpr::R9};

// Goes through all rows. A sum of all of them says whether one is wrong, and sums of each which.
class CheckedRowWalk {
 public:
  CheckedRowWalk(Emitter& emitter, int64_t bytes, RowCheck check)
      : e_(emitter),
        beside_(check == RowCheck::kBeside),
        scratch_(e_.vectors().Take(2)),
        checker_(e_, RowToCheck(bytes, check), e_.vectors().Free(), scratch_.data(), kScratch) {}

  void GenerateScrub() {
    Label next, done;
    EmitStart();
    e_.align(64);
    e_.L(next);
    e_.cmp(kNumber, kCount);
    e_.jge(done, Emitter::T_NEAR);
    checker_.EmitZero();
    EmitAddRow();
    checker_.EmitTotal(kScratch);
    e_.test(kScratch.cvt32(), kScratch.cvt32());
    e_.jnz(done, Emitter::T_NEAR);
    e_.inc(kNumber);
    EmitNextRow();
    e_.jmp(next, Emitter::T_NEAR);
    e_.L(done);
    e_.LeaveFrame();
  }

  void GenerateSum() {
    Label next, done;
    EmitStart();
    checker_.EmitZero();
    e_.align(64);
    e_.L(next);
    e_.cmp(kNumber, kCount);
    e_.jge(done, Emitter::T_NEAR);
    EmitAddRow();
    e_.inc(kNumber);
    EmitNextRow();
    e_.jmp(next, Emitter::T_NEAR);
    e_.L(done);
    checker_.EmitTotal(kNumber);
    e_.LeaveFrame();
  }

 private:
  static CheckedRow RowToCheck(int64_t bytes, RowCheck check) {
    CheckedRow row;
    row.bytes = bytes;
    row.check = check;
    row.short_rows = bytes <= 64;
    return row;
  }

  void EmitStart() {
    const auto load = [&](const Register& to, size_t offset) {
      e_.mov(to, e_.ptr[kArguments + static_cast<int>(offset)]);
    };
    e_.EnterFrame({});
    load(kRow, offsetof(ScrubArguments, rows));
    load(kStride, offsetof(ScrubArguments, row_stride));
    load(kCount, offsetof(ScrubArguments, count));
    if (beside_) load(kChecksum, offsetof(ScrubArguments, checksums));
    checker_.EmitKernelStart();
    e_.xor_(kNumber.cvt32(), kNumber.cvt32());
  }

  void EmitAddRow() {
    checker_.EmitRowStart();
    checker_.EmitRow(kRow);
    if (beside_) checker_.EmitChecksum(kChecksum);
    checker_.EmitRowEnd();
  }

  void EmitNextRow() {
    e_.add(kRow, kStride);
    if (beside_) e_.add(kChecksum, static_cast<uint32_t>(checker_.checksum_bytes()));
  }

  Emitter& e_;
  const bool beside_;
  const std::vector<Vec> scratch_;
  RowChecker checker_;
};

}  // namespace

void GenerateScrub(Emitter& e, int64_t bytes, RowCheck check) {
  CheckedRowWalk(e, bytes, check).GenerateScrub();
}

void GenerateRowSum(Emitter& e, int64_t bytes, RowCheck check) {
  CheckedRowWalk(e, bytes, check).GenerateSum();
}

}  // namespace qforge::kernels
