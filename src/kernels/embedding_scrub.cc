// Emits the search for rows that do not agree with their checksums.
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

}  // namespace

void GenerateScrub(Emitter& e, int64_t bytes, RowCheck check) {
  const bool beside = check == RowCheck::kBeside;
  const std::vector<Vec> scratch = e.vectors().Take(2);
  CheckedRow row;
  row.bytes = bytes;
  row.check = check;
  RowChecker checker(e, row, e.vectors().Free(), scratch.data(), kScratch);
  const auto load = [&](const Register& to, size_t offset) {
    e.mov(to, e.ptr[kArguments + static_cast<int>(offset)]);
  };
  Label next, done;
  e.EnterFrame({});
  load(kRow, offsetof(ScrubArguments, rows));
  load(kStride, offsetof(ScrubArguments, row_stride));
  load(kCount, offsetof(ScrubArguments, count));
  if (beside) load(kChecksum, offsetof(ScrubArguments, checksums));
  checker.EmitKernelStart();
  e.xor_(kNumber.cvt32(), kNumber.cvt32());

  e.align(64);
  e.L(next);
  e.cmp(kNumber, kCount);
  e.jge(done, Emitter::T_NEAR);
  checker.EmitZero();
  checker.EmitRowStart();
  checker.EmitRow(kRow);
  if (beside) checker.EmitChecksum(kChecksum);
  checker.EmitRowEnd();
  checker.EmitTotal(kScratch);
  e.test(kScratch.cvt32(), kScratch.cvt32());
  e.jnz(done, Emitter::T_NEAR);
  e.add(kRow, kStride);
  if (beside) e.add(kChecksum, static_cast<uint32_t>(checker.checksum_bytes()));
  e.inc(kNumber);
  e.jmp(next, Emitter::T_NEAR);
  e.L(done);
  e.LeaveFrame();
}

}  // namespace qforge::kernels
