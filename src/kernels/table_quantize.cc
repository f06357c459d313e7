#include "kernels/table_quantize.h"

#include <new>

#include "cpu/isa_table.h"
#include "jit/emitter.h"
#include "jit/kernel_cache.h"
#include "kernels/table_quantize_generators.h"

namespace qforge::kernels {
namespace {

const char* OperationName(TableQuantizeOperation operation) {
  switch (operation) {
    case TableQuantizeOperation::kLoadF32:
      return "load_f32";
    case TableQuantizeOperation::kLoadF16:
      return "load_f16";
    case TableQuantizeOperation::kRangeLosses:
      return "range_losses";
    case TableQuantizeOperation::kEncode8:
      return "encode_8";
    case TableQuantizeOperation::kEncode4:
      return "encode_4";
    case TableQuantizeOperation::kEncode2:
      return "encode_2";
    case TableQuantizeOperation::kCodebookLosses:
      return "codebook_losses";
    case TableQuantizeOperation::kEncodeCodebook:
      return "encode_codebook";
  }
  return "unknown";
}

bool Exists(const TableQuantizeKernel& kernel) {
  return cpu::IsKnown(kernel.isa) && kernel.isa != Isa::kScalar &&
         static_cast<int>(kernel.operation) < kTableQuantizeOperationCount;
}

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "",
                       "no memory to emit a kernel that quantises rows");
}

Status NoSuchKernel(const TableQuantizeKernel& kernel) {
  return Status::Error(StatusCode::kInternal, "",
                       "no kernel that quantises rows for isa %d, operation %d",
                       static_cast<int>(kernel.isa), static_cast<int>(kernel.operation));
}

void Generate(jit::Emitter& emitter, TableQuantizeOperation operation) {
  switch (operation) {
    case TableQuantizeOperation::kLoadF32:
      return GenerateLoadRow(emitter, /*half=*/false);
    case TableQuantizeOperation::kLoadF16:
      return GenerateLoadRow(emitter, /*half=*/true);
    case TableQuantizeOperation::kRangeLosses:
      return GenerateRangeLosses(emitter);
    case TableQuantizeOperation::kEncode8:
      return GenerateEncodeRange(emitter, 8);
    case TableQuantizeOperation::kEncode4:
      return GenerateEncodeRange(emitter, 4);
    case TableQuantizeOperation::kEncode2:
      return GenerateEncodeRange(emitter, 2);
    case TableQuantizeOperation::kCodebookLosses:
      return GenerateCodebookLosses(emitter);
    case TableQuantizeOperation::kEncodeCodebook:
      return GenerateEncodeCodebook(emitter);
  }
}

}  // namespace

std::string TableQuantizeKernel::Name() const {
  return std::string("table_quantize_") + cpu::Traits(isa).name + "_" + OperationName(operation);
}

Result<jit::CodeBytes> EmitTableQuantizeKernel(const TableQuantizeKernel& kernel) noexcept {
  if (!Exists(kernel)) return NoSuchKernel(kernel);
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](jit::Emitter& emitter) { Generate(emitter, kernel.operation); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

Result<const jit::Kernel*> GetTableQuantizeKernel(const TableQuantizeKernel& kernel) noexcept {
  if (!Exists(kernel)) return NoSuchKernel(kernel);
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitTableQuantizeKernel(kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

}  // namespace qforge::kernels
