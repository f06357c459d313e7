// Kernels that walk along an array: ranges, conversions between floats and quantised values or
// 16-bit floats, and the forms in which the GEMM driver prepares rows of A.
//
// Contracts that all of them share. Counts are >= 0, of elements. A kernel reads and writes exactly
// the elements that its contract names, none in front of them and none behind. Pointers need no
// alignment; an output overlaps no input. Results are those of the functions of the same name in
// ref/reference.h, bit for bit, provided that MXCSR holds its default (base::FloatEnvironment).
// Kernels keep no state: any number of threads may call one.
#ifndef QFORGE_KERNELS_ARRAY_KERNELS_H_
#define QFORGE_KERNELS_ARRAY_KERNELS_H_

#include <cstdint>
#include <string>

#include "jit/kernel.h"
#include "qforge/isa.h"
#include "qforge/quantization.h"
#include "qforge/status.h"
#include "qforge/types.h"

namespace qforge::kernels {

enum class ArrayOperation : uint8_t {
  kUpdateRange,         // UpdateRangeFunction
  kUpdateColumnRanges,  // UpdateRangeFunction
  kQuantize,            // QuantizeFunction
  kQuantizeColumns,     // QuantizeColumnsFunction
  kDequantize,          // DequantizeFunction
  kRequantize,          // RequantizeFunction, one multiplier
  kRequantizeColumns,   // RequantizeFunction, one multiplier per element
  kRowSums,             // RowSumsFunction
  kWiden,               // WidenFunction
  kFlipSign,            // FlipSignFunction
  kBinIndices,          // BinIndicesFunction
  kToF32,               // ToF32Function
  kFromF32,             // FromF32Function
  kFromF32Clipped,      // FromF32Function, clipped to the finite range
};
inline constexpr int kArrayOperationCount = 14;

// Everything that changes the bytes of a kernel, and nothing that does not.
struct ArrayKernel {
  Isa isa = Isa::kAvx512Vnni;  // not kScalar
  ArrayOperation operation = ArrayOperation::kUpdateRange;
  // The quantised type that is read or written, kU8 or kS8; kF16 or kBF16 for the conversions from
  // and to f32; kNone for the ranges, kFlipSign and kBinIndices.
  DataType type = DataType::kNone;

  // Unique among kernels with different bytes; fit for a symbol and a file name.
  std::string Name() const;
};

// kUpdateRange: lowers *min and raises *max to hold all `values`. NaN is passed over. Which sign a
// bound of zero has is not specified; ref::FinishRange settles that, and the case that *min is
// still +inf and *max -inf, from where the caller starts. kUpdateColumnRanges: the same for min[i]
// and max[i] with values[i] alone: `count` ranges.
using UpdateRangeFunction = void(const float* values, int64_t count, float* min, float* max);

// Writes `count` elements of u8 or s8 and then zeros up to `padded_count` >= `count`.
using QuantizeFunction = void(const float* input, int64_t count, int64_t padded_count,
                              const QuantizationParameters* parameters, void* output);

// One row of a matrix whose columns have parameters of their own, `count` of each.
using QuantizeColumnsFunction = void(const float* input, int64_t count, const float* scales,
                                     const int32_t* zero_points, void* output);

using DequantizeFunction = void(const void* input, int64_t count,
                                const QuantizationParameters* parameters, float* output);

// One row. The output is kept in [lo, hi], which lies within the limits of its type.
struct RequantizeLimits {
  int32_t zero_point;
  int32_t lo;
  int32_t hi;
};
using RequantizeFunction = void(const int32_t* input, int64_t count, const float* multipliers,
                                const RequantizeLimits* limits, void* output);

// sums[i] = the sum of the first `count` elements, u8 or s8, of the row at input + i * stride,
// modulo 2^32, for i < rows.
using RowSumsFunction = void(const void* input, int64_t rows, int64_t count, int64_t stride,
                             int32_t* sums);

// Copies u8 or s8 to s16, and writes zeros up to `padded_count` >= `count`.
using WidenFunction = void(const void* input, int64_t count, int64_t padded_count, int16_t* output);

// output[i] = input[i] + 128, that is input[i] xor 0x80, and zeros up to `padded_count` >= `count`.
using FlipSignFunction = void(const int8_t* input, int64_t count, int64_t padded_count,
                              uint8_t* output);

// indices[i] = the cell of values[i] in the grid of qforge/histogram.h, of width 1 / inverse_width,
// a power of two, counted from `first`, which is between -2^24 and 2^24. `count` for what lies in
// none of the `count` cells, NaN and infinities among it; count + 1 for a zero.
struct BinGrid {
  float inverse_width;
  int32_t first;
  int32_t count;
};
using BinIndicesFunction = void(const float* values, int64_t count, const BinGrid* grid,
                                int32_t* indices);

// Converts f16 or bf16, and writes zeros up to `padded_count` >= `count`.
using ToF32Function = void(const void* input, int64_t count, int64_t padded_count, float* output);

using FromF32Function = void(const float* input, int64_t count, void* output);

// The code of a kernel, for inspection and publication. kInternal where there is no such kernel.
Result<jit::CodeBytes> EmitArrayKernel(const ArrayKernel& kernel) noexcept;

// The published kernel, emitted at the first request. Afterwards it costs two loads and takes no
// lock, so that operations which have no creation step may ask at each call. Thread-safe.
Result<const jit::Kernel*> GetArrayKernel(const ArrayKernel& kernel) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_ARRAY_KERNELS_H_
