#include "kernels/float_gemm_kernel.h"

#include <algorithm>
#include <new>

#include "cpu/isa_table.h"

namespace qforge::kernels {
namespace {

const char* ActivationName(Activation activation) {
  switch (activation) {
    case Activation::kNone:
      return "";
    case Activation::kRelu:
      return "_relu";
    case Activation::kClamp:
      return "_clamp";
    case Activation::kGeluErf:
      return "_geluerf";
    case Activation::kGeluTanh:
      return "_gelutanh";
    case Activation::kSigmoid:
      return "_sigmoid";
    case Activation::kSilu:
      return "_silu";
  }
  return "_unknown";
}

}  // namespace

int MaxFloatRows(Isa isa, int vectors) {
  // Accumulators, the vectors of B, the broadcast of A. Above 12 rows nothing is gained.
  return std::min(kMostFloatRows, (cpu::Traits(isa).vector_registers - vectors - 1) / vectors);
}

int FloatStreams(Isa isa, int rows, int vectors, int parts) {
  // The latency of a multiplication and addition is 4 cycles, of a bf16 dot product 6, at two a
  // cycle, and sums should not have to be begun the moment they can be.
  constexpr int kEnough = 16;
  const bool wide = cpu::Traits(isa).vector_registers == 32;
  const int sums = rows * vectors;
  if (parts > 1) {
    // Rows of all parts are addressed by a pointer per part.
    const bool fit = rows <= 3 && sums * parts <= (wide ? kMostFloatAccumulators : 12);
    return sums < kEnough && fit ? parts : 1;
  }
  int streams = 1;
  while (sums * streams < kEnough && 2 * streams <= kMostFloatStreams &&
         2 * sums * streams <= (wide ? kMostFloatAccumulators : 12)) {
    streams *= 2;
  }
  return streams;
}

std::string FloatGemmKernel::Name() const {
  // The type stands first: "avx512" and "bf16" together would be an ISA.
  std::string name = DataTypeName(weights);
  name += std::string("_gemm_") + cpu::Traits(isa).name;
  if (dot) name += "_dot";
  name += "_" + std::to_string(rows) + "x" + std::to_string(vectors);
  if (streams > 1) name += "x" + std::to_string(streams);
  if (parts > 1) name += "_parts" + std::to_string(parts);
  if (tail_lanes != 0) name += "_tail" + std::to_string(tail_lanes);
  if (odd) name += "_odd";
  if (prefetch_bytes != 0) name += "_prefetch" + std::to_string(prefetch_bytes);
  if (prefetch_rows) name += "_rowsahead";
  name += std::string("_") + DataTypeName(output);
  if (scaled) name += "_alpha";
  if (accumulate) name += "_beta";
  if (bias) name += "_bias";
  if (residual != DataType::kNone) name += std::string("_residual") + DataTypeName(residual);
  name += ActivationName(activation);
  if (sums_rows) name += "_rowsums";
  if (injects) name += "_injected";
  return name;
}

Result<const jit::Kernel*> GetFloatGemmKernel(const FloatGemmKernel& kernel) noexcept {
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitFloatGemmKernel(kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
