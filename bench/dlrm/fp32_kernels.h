// The vector code of this program's own fp32 arithmetic, compiled once per vector width, so that
// int8 is compared with a decent fp32 on every machine.
#ifndef QFORGE_BENCH_DLRM_FP32_KERNELS_H_
#define QFORGE_BENCH_DLRM_FP32_KERNELS_H_

#include <cstdint>

#include "qforge/isa.h"

namespace dlrm {

// One tile of y = max(x * w + bias, floor). `panel` holds w packed: for each of `depth` inputs, the
// weights of the tile's columns, padded with zeros to whole vectors, as is `bias`.
struct Fp32Tile {
  const float* input;
  int64_t input_stride;
  int64_t depth;
  const float* panel;
  const float* bias;
  float floor;  // 0 for ReLU, -infinity for none
  float* output;
  int64_t output_stride;
  int64_t columns;  // to be stored
};

struct Fp32Kernels {
  static constexpr int64_t kMaxRows = 6;
  static constexpr int64_t kMaxVectors = 4;

  const char* name;
  int64_t lanes;     // floats per vector
  int64_t max_rows;  // of a tile, at most kMaxRows
  // For each number of rows up to max_rows and of vectors of columns, both less 1.
  void (*tile[kMaxRows][kMaxVectors])(const Fp32Tile& tile);
  // The sum of rows indices[0] to indices[count - 1] of a table of rows of `dim`.
  void (*sum_rows)(const float* table, int64_t dim, const int64_t* indices, int64_t count,
                   float* sum);
  // The dot products of vectors i and j of one request for (i, j) = (1, 0), (2, 0), (2, 1), ...
  // `vectors` is count x dim; `transposed` is dim x stride, stride >= count a multiple of `lanes`.
  // Up to `lanes` elements after the last product are overwritten.
  void (*dot_pairs)(const float* vectors, const float* transposed, int64_t count, int64_t dim,
                    int64_t stride, float* products);
};

// The widest that go with `isa`, which must be supported.
const Fp32Kernels& Fp32KernelsFor(qforge::Isa isa);

extern const Fp32Kernels kFp32KernelsSse2;
extern const Fp32Kernels kFp32KernelsAvx2;
extern const Fp32Kernels kFp32KernelsAvx512;

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_FP32_KERNELS_H_
