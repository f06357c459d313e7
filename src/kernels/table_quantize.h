// Kernels that quantise one row of an embedding table, and tell how well.
//
// Contracts that all of them share. A row lies in a workspace: it has `count` > 0 elements, and
// memory for a multiple of 16, which kernels may read; what is there beyond `count` has no
// influence but where a contract says so. Codes likewise: memory for those of a multiple of 16
// elements, which a kernel writes, with 0 beyond `count`. Pointers need no alignment; an output
// overlaps no input. Results are those of ref/table_quantization.h, bit for bit, provided that
// MXCSR holds its default (base::FloatEnvironment). Kernels keep no state: any number of threads
// may call one.
#ifndef QFORGE_KERNELS_TABLE_QUANTIZE_H_
#define QFORGE_KERNELS_TABLE_QUANTIZE_H_

#include <cstdint>
#include <string>

#include "jit/kernel.h"
#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge::kernels {

enum class TableQuantizeOperation : uint8_t {
  kLoadF32,         // LoadRowFunction
  kLoadF16,         // LoadRowFunction
  kRangeLosses,     // RangeLossesFunction
  kEncode8,         // EncodeRangeFunction
  kEncode4,         // EncodeRangeFunction
  kEncode2,         // EncodeRangeFunction
  kCodebookLosses,  // CodebookLossesFunction
  kEncodeCodebook,  // EncodeCodebookFunction
};
inline constexpr int kTableQuantizeOperationCount = 8;

// How many elements kernels take at a time, and the memory of a row or of codes is a multiple of.
inline constexpr int64_t kRowBlock = 16;

// Everything that changes the bytes of a kernel, and nothing that does not.
struct TableQuantizeKernel {
  Isa isa = Isa::kAvx512Vnni;  // not kScalar
  TableQuantizeOperation operation = TableQuantizeOperation::kRangeLosses;

  // Unique among kernels with different bytes; fit for a symbol and a file name.
  std::string Name() const;
};

// Writes the row's block as floats, and its range. `source` is f32 or f16 in a workspace, too, and
// what lies beyond `count` there counts for the range: copies of elements, say.
struct ValueBounds {
  float min;
  float max;
};
using LoadRowFunction = void(const void* source, int64_t count, float* row, ValueBounds* bounds);

struct RowRange {
  float scale;
  float inverse_scale;
  float bias;
  float levels;  // 255, 15 or 3
};
// The losses of two ranges at once, which have the same levels.
using RangeLossesFunction = void(const float* row, int64_t count, const RowRange* ranges,
                                 float* losses);
// The levels are those of the kernel.
using EncodeRangeFunction = void(const float* row, int64_t count, const RowRange* range,
                                 uint8_t* codes);

struct Codebook {
  float bounds[16];
  float centres[16];
};
// The loss with each of `codebook_count` > 0 codebooks.
using CodebookLossesFunction = void(const float* row, int64_t count, const Codebook* codebooks,
                                    int64_t codebook_count, float* losses);
using EncodeCodebookFunction = void(const float* row, int64_t count, const Codebook* codebook,
                                    uint8_t* codes);

// The code of a kernel, for inspection and publication. kInternal where there is no such kernel.
Result<jit::CodeBytes> EmitTableQuantizeKernel(const TableQuantizeKernel& kernel) noexcept;

// The published kernel, emitted at the first request. Thread-safe.
Result<const jit::Kernel*> GetTableQuantizeKernel(const TableQuantizeKernel& kernel) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_TABLE_QUANTIZE_H_
