// Where the rows of A are that a tile reads.
#ifndef QFORGE_KERNELS_GEMM_TILE_INPUT_H_
#define QFORGE_KERNELS_GEMM_TILE_INPUT_H_

#include "jit/emitter.h"

namespace qforge::kernels {

// Four bytes of a row: what a dot product broadcasts.
constexpr int kInputGroupBytes = 4;

// Three rows to a pointer, addressed as base, base + stride and base + 2 * stride.
class TileInput {
 public:
  static constexpr int kRowsPerPointer = 3;
  static constexpr int kPointers = 4;

  TileInput(jit::Emitter& emitter, int rows, const jit::Register& stride,
            const jit::Register (&pointers)[kPointers])
      : e_(emitter),
        used_((rows + kRowsPerPointer - 1) / kRowsPerPointer),
        stride_(stride),
        pointers_{pointers[0], pointers[1], pointers[2], pointers[3]} {}

  // From the first row's pointer, the others. Clobbers `scratch`.
  void PointAt(const jit::Address& first, const jit::Register& scratch) {
    e_.mov(pointers_[0], first);
    if (used_ > 1) e_.lea(scratch, e_.ptr[stride_ + stride_ * 2]);
    for (int i = 1; i < used_; ++i) e_.lea(pointers_[i], e_.ptr[pointers_[i - 1] + scratch]);
  }

  // Pointers `distance`, which is memory, from each other.
  void PointAt(const jit::Address& first, const jit::Address& distance) {
    e_.mov(pointers_[0], first);
    for (int i = 1; i < used_; ++i) {
      e_.mov(pointers_[i], distance);
      e_.add(pointers_[i], pointers_[i - 1]);
    }
  }

  // Prefetches the first `lines` lines of each of the `rows` rows that stand `tiles` tiles of as
  // many rows further down. Clobbers `scratch`.
  void PrefetchRows(int rows, int tiles, int lines, const jit::Register& scratch) {
    constexpr int kLineBytes = 64;
    for (int row = 0; row < rows; ++row) {
      const int step = row % kRowsPerPointer;
      if (step == 0) {
        e_.imul(scratch, stride_, rows * tiles);
        e_.add(scratch, pointers_[row / kRowsPerPointer]);
      }
      for (int line = 0; line < lines; ++line) {
        const int offset = line * kLineBytes;
        e_.prefetcht0(step == 0 ? e_.ptr[scratch + offset]
                                : e_.ptr[scratch + stride_ * step + offset]);
      }
    }
  }

  jit::Address At(int row, int offset) const {
    const jit::Register& base = pointers_[row / kRowsPerPointer];
    const int step = row % kRowsPerPointer;
    return step == 0 ? e_.ptr[base + offset] : e_.ptr[base + stride_ * step + offset];
  }

  // `bytes` is a number or a register.
  template <class Bytes>
  void Advance(const Bytes& bytes) {
    for (int i = 0; i < used_; ++i) e_.add(pointers_[i], bytes);
  }

 private:
  jit::Emitter& e_;
  const int used_;
  const jit::Register stride_;
  const jit::Register pointers_[kPointers];
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_GEMM_TILE_INPUT_H_
