#include "kernels/gemm_kernel.h"

#include <algorithm>

#include "cpu/isa_table.h"

namespace qforge::kernels {

int GroupSize(Isa isa) { return cpu::Traits(isa).vnni ? 4 : 2; }

int VectorColumns(Isa isa) { return cpu::Traits(isa).vector_bytes / 4; }

int MaxVectors(Isa isa) { return cpu::Traits(isa).vector_registers == 32 ? 4 : 2; }

int MaxRows(Isa isa, int vectors) {
  // The product needs accumulators, the vectors of B, the broadcast of A, and without VNNI the
  // product before it is added; the epilogue fewer. Above 12 rows nothing is gained: loads are
  // hidden from 6 on.
  const cpu::IsaTraits& traits = cpu::Traits(isa);
  const int free = traits.vector_registers - vectors - (traits.vnni ? 1 : 2);
  return std::min(12, free / vectors);
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
  name += "_" + std::to_string(rows) + "x" + std::to_string(vectors);
  if (tail_lanes != 0) name += "_tail" + std::to_string(tail_lanes);
  if (k_tail != 0) name += "_ktail" + std::to_string(k_tail);
  if (fixed_groups != kCountedGroups) name += "_groups" + std::to_string(fixed_groups);
  if (prefetch) name += "_prefetch";
  name += std::string("_") + DataTypeName(output);
  if (accumulate) name += "_accumulate";
  if (float_bias) name += "_fbias";
  if (per_row) name += "_perrow";
  if (weight_zero_points) name += "_wzp";
  if (residual != DataType::kNone) name += std::string("_residual") + DataTypeName(residual);
  if (bounded) name += "_bounded";
  if (lower_clamp) name += "_lower";
  if (upper_clamp) name += "_upper";
  return name;
}

Result<const jit::Kernel*> GetGemmKernel(const GemmKernel& kernel) noexcept {
  return jit::FindOrEmit(kernel.Name(), [&] { return EmitGemmKernel(kernel); });
}

}  // namespace qforge::kernels
