// Transposes blocks of a matrix of elements of 1, 2 or 4 bytes.
#ifndef QFORGE_PACK_TRANSPOSE_H_
#define QFORGE_PACK_TRANSPOSE_H_

#include <cstdint>

namespace qforge::pack {

// to[j * to_stride + i] = from[i * from_stride + j] for i < rows, j < cols; strides in elements.
void Transpose(const uint8_t* from, int64_t from_stride, int64_t rows, int64_t cols, uint8_t* to,
               int64_t to_stride) noexcept;
void Transpose(const uint16_t* from, int64_t from_stride, int64_t rows, int64_t cols, uint16_t* to,
               int64_t to_stride) noexcept;
void Transpose(const float* from, int64_t from_stride, int64_t rows, int64_t cols, float* to,
               int64_t to_stride) noexcept;

// to[j * to_stride + i] for i, j < 16; rows from `rows` on count as zeros.
void TransposeBytes16(const uint8_t* from, int64_t from_stride, int64_t rows, uint8_t* to,
                      int64_t to_stride) noexcept;

}  // namespace qforge::pack

#endif  // QFORGE_PACK_TRANSPOSE_H_
