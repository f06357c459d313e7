// Compares the sums of rows of accumulators with what rows of A and the row sums of B say they must
// be (arXiv 2103.00130, section on GEMM; exact here, modulo 2^32):
//
//   sum_j acc[i][j] = start + sum_k A[i][k] * S[k],   S[k] = sum_j B[k][j]
//
// S is cut into digits that the dot product takes: of 8 bits, -128 to 127, where it is one of
// bytes, else of 16.
#ifndef QFORGE_KERNELS_ROW_CHECK_H_
#define QFORGE_KERNELS_ROW_CHECK_H_

#include <cstdint>
#include <string>

#include "jit/kernel_cache.h"
#include "qforge/isa.h"
#include "qforge/status.h"

namespace qforge::kernels {

// Everything that changes the bytes of a kernel, and nothing that does not.
struct RowCheckKernel {
  Isa isa = Isa::kAvx512Vnni;
  bool widened = false;  // rows are s16, else u8
  int digits = 1;

  std::string Name() const;
};

// Bits of a digit, and the most that a sum takes.
int RowCheckDigitBits(const RowCheckKernel& kernel);
int MostRowCheckDigits(const RowCheckKernel& kernel);
// Elements of a row that meet one vector of each digit: a chunk.
int RowCheckChunk(const RowCheckKernel& kernel);
// Whether rows that are shorter than a chunk can be read.
bool RowCheckReadsShortRows(Isa isa);

struct RowCheckArguments {
  const void* input;     // first row
  int64_t input_stride;  // bytes
  // By chunk of the row a vector of each digit, the lowest first. With EVEX what a last chunk lacks
  // is 0. With VEX the last chunk of a row that is not a whole number of them ends where the row
  // ends, and is 0 where it overlaps the one before.
  const void* digits;
  int64_t chunks;         // whole ones
  int64_t tail_elements;  // 0, or those behind them
  int64_t tail_offset;    // bytes from the row's first to the last chunk; only with a tail
  const int32_t* sums;    // a vector of partial sums per row
  int64_t parts;          // >= 1: that many arrays of such
  int64_t part_stride;    // bytes from array to array
  int64_t rows;           // >= 1
  int32_t start;
};

// 0 if all rows pass. Reads exactly the rows, and `sums`.
using RowCheckFunction = int32_t(const RowCheckArguments*);

Result<jit::CodeBytes> EmitRowCheckKernel(const RowCheckKernel& kernel) noexcept;
Result<const jit::Kernel*> GetRowCheckKernel(const RowCheckKernel& kernel) noexcept;

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_ROW_CHECK_H_
