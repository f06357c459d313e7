#include "kernels/embedding_kernel.h"

#include <new>

#include "cpu/isa_table.h"
#include "jit/emitter.h"
#include "kernels/embedding_generators.h"

namespace qforge::kernels {
namespace {

constexpr int64_t kMaxDimension = int64_t{1} << 20;

// Only sums of bytes have a use for their dot product.
Isa WithoutVnni(Isa isa) {
  switch (isa) {
    case Isa::kAvxVnni:
      return Isa::kAvx2;
    case Isa::kAvx512Vnni256:
      return Isa::kAvx512_256;
    case Isa::kAvx512Vnni:
    case Isa::kAvx512Bf16:
      return Isa::kAvx512;
    default:
      return isa;
  }
}

// And none for that of bf16.
Isa WithoutBf16(Isa isa) { return isa == Isa::kAvx512Bf16 ? Isa::kAvx512Vnni : isa; }

Isa CodeIsa(const EmbeddingKernel& kernel) {
  return kernel.check == RowCheck::kNone ? WithoutVnni(kernel.isa) : WithoutBf16(kernel.isa);
}

bool IsEmitted(Isa isa) { return cpu::IsKnown(isa) && isa != Isa::kScalar; }
bool IsIndex(int bytes) { return bytes == 4 || bytes == 8; }

bool HasExponentBias(RowFormat format) {
  return format == RowFormat::kE4M3 || format == RowFormat::kE5M2;
}

bool HasParameters(RowFormat format) {
  switch (format) {
    case RowFormat::kU8:
    case RowFormat::kU4:
    case RowFormat::kU2:
    case RowFormat::kCodebook4:
    case RowFormat::kTwoTier4:
      return true;
    default:
      return false;
  }
}

bool Exists(const EmbeddingKernel& kernel) {
  if (!IsEmitted(kernel.isa) || !IsIndex(kernel.index_bytes)) return false;
  if (static_cast<int>(kernel.format) >= kRowFormatCount) return false;
  if (kernel.dimension < 1 || kernel.dimension > kMaxDimension) return false;
  if (kernel.format == RowFormat::kU8 && kernel.parameters != DataType::kF32 &&
      kernel.parameters != DataType::kF16) {
    return false;
  }
  if (HasExponentBias(kernel.format) && (kernel.exponent_bias < 1 || kernel.exponent_bias > 31)) {
    return false;
  }
  if (kernel.fast_subnormals &&
      (kernel.format != RowFormat::kE4M3 || kernel.pooling == Pooling::kNone)) {
    return false;
  }
  // Without pooling there is no bag that a position could be counted from.
  if (kernel.pooling == Pooling::kNone && kernel.weights == BagWeights::kPerBagPosition) {
    return false;
  }
  if (kernel.check > RowCheck::kBeside) return false;
  if (kernel.sampled && kernel.check == RowCheck::kNone) return false;
  if (kernel.checks_codebooks &&
      (kernel.check == RowCheck::kNone || kernel.format != RowFormat::kTwoTier4)) {
    return false;
  }
  return kernel.output == DataType::kF32 || kernel.output == DataType::kF16 ||
         kernel.output == DataType::kBF16;
}

const char* PoolingName(Pooling pooling) {
  switch (pooling) {
    case Pooling::kSum:
      return "sum";
    case Pooling::kMean:
      return "mean";
    case Pooling::kNone:
      return "gather";
  }
  return "unknown";
}

const char* PrefetchName(RowPrefetch prefetch) {
  switch (prefetch) {
    case RowPrefetch::kNone:
      break;
    case RowPrefetch::kFromCaches:
      return "prefetchcached";
    case RowPrefetch::kFromMemory:
      return "prefetch";
    case RowPrefetch::kFromMemoryTwice:
      return "prefetchtwice";
  }
  return "none";
}

const char* CheckName(RowCheck check) {
  switch (check) {
    case RowCheck::kNone:
      break;
    case RowCheck::kInRow:
      return "_checked";
    case RowCheck::kBeside:
      return "_checkedbeside";
  }
  return "";
}

std::string ScrubName(const char* what, Isa isa, int64_t bytes, RowCheck check) {
  return std::string("embedding_") + cpu::Traits(WithoutBf16(isa)).name + what + CheckName(check) +
         "_bytes" + std::to_string(bytes);
}

bool ScrubExists(Isa isa, int64_t bytes, RowCheck check) {
  return IsEmitted(isa) && bytes >= 1 && bytes <= 4 * kMaxDimension &&
         (check == RowCheck::kInRow || check == RowCheck::kBeside);
}

std::string CheckIndicesName(Isa isa, int index_bytes) {
  return std::string("embedding_") + cpu::Traits(WithoutVnni(isa)).name + "_check_indices" +
         std::to_string(8 * index_bytes);
}

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit an embedding kernel");
}

Status NoSuchKernel(const EmbeddingKernel& kernel) {
  return Status::Error(StatusCode::kInternal, "",
                       "no embedding kernel for isa %d, format %d, dimension %lld",
                       static_cast<int>(kernel.isa), static_cast<int>(kernel.format),
                       static_cast<long long>(kernel.dimension));
}

Status NoSuchScrub(Isa isa, int64_t bytes) {
  return Status::Error(StatusCode::kInternal, "", "no scrub for isa %d, %lld bytes",
                       static_cast<int>(isa), static_cast<long long>(bytes));
}

Status NoSuchCheck(Isa isa, int index_bytes) {
  return Status::Error(StatusCode::kInternal, "", "no index check for isa %d, %d bytes",
                       static_cast<int>(isa), index_bytes);
}

// Kernels that go through rows of so many bytes with their checksums.
Result<jit::CodeBytes> EmitOverRows(void (*generate)(jit::Emitter&, int64_t, RowCheck),
                                    const char* what, Isa isa, int64_t bytes,
                                    RowCheck check) noexcept {
  if (!ScrubExists(isa, bytes, check)) return NoSuchScrub(isa, bytes);
  try {
    return jit::Emit(WithoutBf16(isa), ScrubName(what, isa, bytes, check),
                     [&](jit::Emitter& emitter) { generate(emitter, bytes, check); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

Result<const jit::Kernel*> GetOverRows(Result<jit::CodeBytes> (*emit)(Isa, int64_t,
                                                                      RowCheck) noexcept,
                                       const char* what, Isa isa, int64_t bytes,
                                       RowCheck check) noexcept {
  if (!ScrubExists(isa, bytes, check)) return NoSuchScrub(isa, bytes);
  try {
    return jit::FindOrEmit(ScrubName(what, isa, bytes, check),
                           [&] { return emit(isa, bytes, check); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

}  // namespace

std::string EmbeddingKernel::Name() const {
  // The format stands first: "avx512" and "bf16" together would be an ISA.
  std::string name = std::string("embedding_") + RowFormatName(format) + "_";
  name += cpu::Traits(CodeIsa(*this)).name;
  name += "_d" + std::to_string(dimension);
  if (format == RowFormat::kU8) name += std::string("_") + DataTypeName(parameters);
  if (HasParameters(format) && place == ParameterPlace::kFirst) name += "_first";
  if (HasExponentBias(format)) name += "_bias" + std::to_string(exponent_bias);
  name += std::string("_") + PoolingName(pooling);
  if (weights == BagWeights::kPerPosition) name += "_weighted";
  if (weights == BagWeights::kPerBagPosition) name += "_bagweighted";
  name += "_index" + std::to_string(8 * index_bytes);
  if (mapped) name += "_mapped";
  if (prefetch != RowPrefetch::kNone) {
    name += std::string("_") + PrefetchName(prefetch) + (fewest_lines ? "fewest" : "");
  }
  if (fast_subnormals) name += "_fastsubnormals";
  name += CheckName(check);
  if (checks_codebooks) name += "codebooks";
  if (sampled) name += "sampled";
  name += std::string("_to_") + DataTypeName(output);
  return name;
}

Result<jit::CodeBytes> EmitEmbeddingKernel(const EmbeddingKernel& kernel) noexcept {
  if (!Exists(kernel)) return NoSuchKernel(kernel);
  try {
    return jit::Emit(CodeIsa(kernel), kernel.Name(),
                     [&](jit::Emitter& emitter) { GenerateEmbedding(emitter, kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

Result<const jit::Kernel*> GetEmbeddingKernel(const EmbeddingKernel& kernel) noexcept {
  if (!Exists(kernel)) return NoSuchKernel(kernel);
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitEmbeddingKernel(kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

Result<jit::CodeBytes> EmitScrub(Isa isa, int64_t bytes, RowCheck check) noexcept {
  return EmitOverRows(GenerateScrub, "_scrub", isa, bytes, check);
}

Result<const jit::Kernel*> GetScrub(Isa isa, int64_t bytes, RowCheck check) noexcept {
  return GetOverRows(EmitScrub, "_scrub", isa, bytes, check);
}

Result<jit::CodeBytes> EmitRowSum(Isa isa, int64_t bytes, RowCheck check) noexcept {
  return EmitOverRows(GenerateRowSum, "_sum", isa, bytes, check);
}

Result<const jit::Kernel*> GetRowSum(Isa isa, int64_t bytes, RowCheck check) noexcept {
  return GetOverRows(EmitRowSum, "_sum", isa, bytes, check);
}

Result<jit::CodeBytes> EmitCheckIndices(Isa isa, int index_bytes) noexcept {
  if (!IsEmitted(isa) || !IsIndex(index_bytes)) return NoSuchCheck(isa, index_bytes);
  try {
    return jit::Emit(WithoutVnni(isa), CheckIndicesName(isa, index_bytes),
                     [&](jit::Emitter& emitter) { GenerateCheckIndices(emitter, index_bytes); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

Result<const jit::Kernel*> GetCheckIndices(Isa isa, int index_bytes) noexcept {
  if (!IsEmitted(isa) || !IsIndex(index_bytes)) return NoSuchCheck(isa, index_bytes);
  try {
    return jit::FindOrEmit(CheckIndicesName(isa, index_bytes),
                           [&] { return EmitCheckIndices(isa, index_bytes); });
  } catch (const std::bad_alloc&) {  // the name
    return NoMemory();
  }
}

}  // namespace qforge::kernels
