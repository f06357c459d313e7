#include "kernels/row_check.h"

#include <new>

#include "cpu/isa_table.h"

namespace qforge::kernels {
namespace {

bool DotsBytes(const RowCheckKernel& kernel) {
  return cpu::Traits(kernel.isa).vnni && !kernel.widened;
}

}  // namespace

std::string RowCheckKernel::Name() const {
  return std::string("row_check_") + cpu::Traits(isa).name + (widened ? "_s16" : "_u8") +
         "_digits" + std::to_string(digits);
}

int RowCheckDigitBits(const RowCheckKernel& kernel) { return DotsBytes(kernel) ? 8 : 16; }

int MostRowCheckDigits(const RowCheckKernel& kernel) { return DotsBytes(kernel) ? 4 : 2; }

int RowCheckChunk(const RowCheckKernel& kernel) {
  const int bytes = cpu::Traits(kernel.isa).vector_bytes;
  return DotsBytes(kernel) ? bytes : bytes / 2;
}

bool RowCheckReadsShortRows(Isa isa) { return cpu::Traits(isa).evex; }

Result<const jit::Kernel*> GetRowCheckKernel(const RowCheckKernel& kernel) noexcept {
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitRowCheckKernel(kernel); });
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
