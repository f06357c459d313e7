// The array functions that every ISA has: emitted kernels, or the reference where the ISA is
// kScalar. Their contracts stand in kernels/array_kernels.h.
#ifndef QFORGE_OPS_ARRAY_FUNCTIONS_H_
#define QFORGE_OPS_ARRAY_FUNCTIONS_H_

#include "kernels/array_kernels.h"
#include "qforge/isa.h"
#include "qforge/status.h"
#include "qforge/types.h"

namespace qforge {

// Each fails where the kernel's code cannot be emitted or published. Thread-safe; cheap, and
// without a lock, when asked again. `type` is the quantised one, kU8 or kS8, or that of 16-bit
// floats, kF16 or kBF16.
Result<kernels::UpdateRangeFunction*> GetUpdateRange(Isa isa) noexcept;
Result<kernels::UpdateRangeFunction*> GetUpdateColumnRanges(Isa isa) noexcept;
Result<kernels::QuantizeFunction*> GetQuantize(Isa isa, DataType type) noexcept;
Result<kernels::QuantizeColumnsFunction*> GetQuantizeColumns(Isa isa, DataType type) noexcept;
Result<kernels::DequantizeFunction*> GetDequantize(Isa isa, DataType type) noexcept;
Result<kernels::RequantizeFunction*> GetRequantize(Isa isa, DataType type,
                                                   bool per_column) noexcept;
Result<kernels::BinIndicesFunction*> GetBinIndices(Isa isa) noexcept;
Result<kernels::ToF32Function*> GetToF32(Isa isa, DataType type) noexcept;
Result<kernels::FromF32Function*> GetFromF32(Isa isa, DataType type, bool clipped) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_ARRAY_FUNCTIONS_H_
