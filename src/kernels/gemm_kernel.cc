#include "kernels/gemm_kernel.h"

#include <algorithm>
#include <new>

#include "cpu/isa_table.h"

namespace qforge::kernels {

Summation AnySummation(Isa isa) {
  return cpu::Traits(isa).vnni ? Summation::kDot : Summation::kWidened;
}

int VectorColumns(Isa isa) { return cpu::Traits(isa).vector_bytes / 4; }

int MaxVectors(Isa isa, Summation summation, int depth) {
  // Where sums of 16 bits are widened often, multiplications are the bound even if each vector of B
  // is loaded and each row of A broadcast for itself; and the fewer columns share a step, the more
  // groups of k fit into it. With deep steps, loads are the bound.
  if (summation == Summation::kNarrow) return depth <= 2 ? 1 : 2;
  if (summation == Summation::kSaturating) return 2;
  return cpu::Traits(isa).vector_registers == 32 ? 4 : 2;
}

int MaxRows(Isa isa, Summation summation, int vectors) {
  // The product needs accumulators, the vectors of B, the broadcast of A, and without the dot
  // product what is added; in 16 bits accumulators of both widths, and ones or a product. The
  // epilogue needs fewer. Above 12 rows nothing is gained: loads are hidden from 6 on.
  const int registers = cpu::Traits(isa).vector_registers;
  switch (summation) {
    case Summation::kDot:
      return std::min(12, (registers - vectors - 1) / vectors);
    case Summation::kWidened:
      return std::min(12, (registers - vectors - 2) / vectors);
    default:
      return std::min(12, (registers - vectors - 2) / (2 * vectors));
  }
}

int ColumnFieldIndex(const GemmKernel& kernel, ColumnField field) {
  switch (field) {
    case ColumnField::kOffset:
      return 0;
    case ColumnField::kBias:
      return 1;
    case ColumnField::kMultiplier:
      return 2;
    case ColumnField::kFloatBias:
      return 3;
    case ColumnField::kZeroPoint:
      return 2 + (kernel.scaled() ? 1 : 0) + (kernel.float_bias ? 1 : 0);
  }
  return 0;
}

int ColumnFieldCount(const GemmKernel& kernel) {
  return ColumnFieldIndex(kernel, ColumnField::kZeroPoint) + (kernel.weight_zero_points ? 1 : 0);
}

std::string GemmKernel::Name() const {
  std::string name = "gemm_";
  name += cpu::Traits(isa).name;
  if (summation == Summation::kNarrow) name += "_depth" + std::to_string(depth);
  if (summation == Summation::kSaturating) name += "_saturating";
  if (outliers) name += "_outliers";
  name += "_" + std::to_string(rows) + "x" + std::to_string(vectors);
  if (tail_lanes != 0) name += "_tail" + std::to_string(tail_lanes);
  if (k_tail != 0) name += "_ktail" + std::to_string(k_tail);
  if (fixed_groups != kCountedGroups) name += "_groups" + std::to_string(fixed_groups);
  if (prefetch) name += "_prefetch";
  if (near_prefetch) name += "_near_prefetch";
  name += std::string("_") + DataTypeName(output);
  if (accumulate) name += "_accumulate";
  if (float_bias) name += "_fbias";
  if (per_row) name += "_perrow";
  if (weight_zero_points) name += "_wzp";
  if (residual != DataType::kNone) name += std::string("_residual") + DataTypeName(residual);
  if (bounded) name += "_bounded";
  if (lower_clamp) name += "_lower";
  if (upper_clamp) name += "_upper";
  if (sums_rows) name += "_rowsums";
  if (injects) name += "_injected";
  return name;
}

Result<const jit::Kernel*> GetGemmKernel(const GemmKernel& kernel) noexcept {
  try {
    return jit::FindOrEmit(kernel.Name(), [&] { return EmitGemmKernel(kernel); });
  } catch (const std::bad_alloc&) {  // the name
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
