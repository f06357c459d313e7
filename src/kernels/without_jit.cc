// The emitter's place in a build without it (CMake's QFORGE_JIT=OFF), instead of all generators.
// Nothing asks for kernels where Isa::kScalar is the only one; what does gets an error.
#include "kernels/array_kernels.h"
#include "kernels/embedding_kernel.h"
#include "kernels/float_gemm_kernel.h"
#include "kernels/float_row_check.h"
#include "kernels/gemm_kernel.h"
#include "kernels/row_check.h"
#include "kernels/sparse_kernel.h"
#include "kernels/table_quantize.h"

namespace qforge::kernels {
namespace {

Status NoEmitter() {
  return Status::Error(StatusCode::kUnsupported, "", "this qforge was built without its emitter");
}

}  // namespace

// Where there is no code, it has no name.
std::string EmbeddingKernel::Name() const { return std::string(); }

Result<jit::CodeBytes> EmitGemmKernel(const GemmKernel&) noexcept { return NoEmitter(); }
Result<jit::CodeBytes> EmitFloatGemmKernel(const FloatGemmKernel&) noexcept { return NoEmitter(); }
Result<jit::CodeBytes> EmitSparseKernel(const SparseKernel&) noexcept { return NoEmitter(); }
Result<jit::CodeBytes> EmitRowCheckKernel(const RowCheckKernel&) noexcept { return NoEmitter(); }

Result<const jit::Kernel*> GetFloatRowCheckKernel(const FloatRowCheckKernel&) noexcept {
  return NoEmitter();
}
Result<const jit::Kernel*> GetArrayKernel(const ArrayKernel&) noexcept { return NoEmitter(); }
Result<const jit::Kernel*> GetEmbeddingKernel(const EmbeddingKernel&) noexcept {
  return NoEmitter();
}
Result<const jit::Kernel*> GetScrub(Isa, int64_t, RowCheck) noexcept { return NoEmitter(); }
Result<const jit::Kernel*> GetRowSum(Isa, int64_t, RowCheck) noexcept { return NoEmitter(); }
Result<const jit::Kernel*> GetCheckIndices(Isa, int) noexcept { return NoEmitter(); }
Result<const jit::Kernel*> GetTableQuantizeKernel(const TableQuantizeKernel&) noexcept {
  return NoEmitter();
}

}  // namespace qforge::kernels
