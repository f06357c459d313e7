#include "kernels/array_kernels.h"

#include <atomic>
#include <new>

#include "cpu/isa_table.h"
#include "jit/emitter.h"
#include "jit/kernel_cache.h"
#include "kernels/array_generators.h"

namespace qforge::kernels {
namespace {

const char* OperationName(ArrayOperation operation) {
  switch (operation) {
    case ArrayOperation::kUpdateRange:
      return "update_range";
    case ArrayOperation::kUpdateColumnRanges:
      return "update_column_ranges";
    case ArrayOperation::kQuantize:
      return "quantize";
    case ArrayOperation::kQuantizeColumns:
      return "quantize_columns";
    case ArrayOperation::kDequantize:
      return "dequantize";
    case ArrayOperation::kRequantize:
      return "requantize";
    case ArrayOperation::kRequantizeColumns:
      return "requantize_columns";
    case ArrayOperation::kRowSums:
      return "row_sums";
    case ArrayOperation::kWiden:
      return "widen";
    case ArrayOperation::kFlipSign:
      return "flip_sign";
    case ArrayOperation::kBinIndices:
      return "bin_indices";
    case ArrayOperation::kToF32:
      return "to_f32";
    case ArrayOperation::kFromF32:
      return "from_f32";
    case ArrayOperation::kFromF32Clipped:
      return "from_f32_clipped";
  }
  return "unknown";
}

// Whether kernels for `operation` are made for `type`.
bool Takes(ArrayOperation operation, DataType type) {
  switch (operation) {
    case ArrayOperation::kUpdateRange:
    case ArrayOperation::kUpdateColumnRanges:
    case ArrayOperation::kFlipSign:
    case ArrayOperation::kBinIndices:
      return type == DataType::kNone;
    case ArrayOperation::kToF32:
    case ArrayOperation::kFromF32:
    case ArrayOperation::kFromF32Clipped:
      return type == DataType::kF16 || type == DataType::kBF16;
    default:
      return type == DataType::kU8 || type == DataType::kS8;
  }
}

bool Exists(const ArrayKernel& kernel) {
  if (!cpu::IsKnown(kernel.isa) || kernel.isa == Isa::kScalar) return false;
  if (static_cast<int>(kernel.operation) >= kArrayOperationCount) return false;
  return Takes(kernel.operation, kernel.type);
}

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit an array kernel");
}

Status NoSuchKernel(const ArrayKernel& kernel) {
  return Status::Error(StatusCode::kInternal, "",
                       "no array kernel for isa %d, operation %d, type %d",
                       static_cast<int>(kernel.isa), static_cast<int>(kernel.operation),
                       static_cast<int>(kernel.type));
}

void Generate(jit::Emitter& emitter, const ArrayKernel& kernel) {
  switch (kernel.operation) {
    case ArrayOperation::kUpdateRange:
      return GenerateUpdateRange(emitter);
    case ArrayOperation::kUpdateColumnRanges:
      return GenerateUpdateColumnRanges(emitter);
    case ArrayOperation::kQuantize:
      return GenerateQuantize(emitter, kernel.type);
    case ArrayOperation::kQuantizeColumns:
      return GenerateQuantizeColumns(emitter, kernel.type);
    case ArrayOperation::kDequantize:
      return GenerateDequantize(emitter, kernel.type);
    case ArrayOperation::kRequantize:
      return GenerateRequantize(emitter, kernel.type, /*per_column=*/false);
    case ArrayOperation::kRequantizeColumns:
      return GenerateRequantize(emitter, kernel.type, /*per_column=*/true);
    case ArrayOperation::kRowSums:
      return GenerateRowSums(emitter, kernel.type);
    case ArrayOperation::kWiden:
      return GenerateWiden(emitter, kernel.type);
    case ArrayOperation::kFlipSign:
      return GenerateFlipSign(emitter);
    case ArrayOperation::kBinIndices:
      return GenerateBinIndices(emitter);
    case ArrayOperation::kToF32:
      return GenerateToF32(emitter, kernel.type);
    case ArrayOperation::kFromF32:
      return GenerateFromF32(emitter, kernel.type, /*clipped=*/false);
    case ArrayOperation::kFromF32Clipped:
      return GenerateFromF32(emitter, kernel.type, /*clipped=*/true);
  }
}

}  // namespace

std::string ArrayKernel::Name() const {
  std::string name = "array_";
  name += cpu::Traits(isa).name;
  name += std::string("_") + OperationName(operation);
  if (type != DataType::kNone) name += std::string("_") + DataTypeName(type);
  return name;
}

Result<jit::CodeBytes> EmitArrayKernel(const ArrayKernel& kernel) noexcept {
  if (!Exists(kernel)) return NoSuchKernel(kernel);
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](jit::Emitter& emitter) { Generate(emitter, kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

Result<const jit::Kernel*> GetArrayKernel(const ArrayKernel& kernel) noexcept {
  if (!Exists(kernel)) return NoSuchKernel(kernel);
  // In front of the kernel cache, which has to be asked by name: making one allocates.
  static std::atomic<const jit::Kernel*> found[kIsaCount][kArrayOperationCount]
                                              [static_cast<int>(DataType::kBF16) + 1];
  std::atomic<const jit::Kernel*>& slot =
      found[static_cast<int>(kernel.isa)][static_cast<int>(kernel.operation)]
           [static_cast<int>(kernel.type)];
  if (const jit::Kernel* published = slot.load(std::memory_order_acquire)) return published;
  try {
    Result<const jit::Kernel*> published =
        jit::FindOrEmit(kernel.Name(), [&] { return EmitArrayKernel(kernel); });
    if (published.ok()) slot.store(*published, std::memory_order_release);
    return published;
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

}  // namespace qforge::kernels
