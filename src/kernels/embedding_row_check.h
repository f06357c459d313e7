// Adds rows of a table to their checksums, as qforge/row_layout.h defines them, in registers:
// 32-bit lanes that wrap, whose total is 0 where no bit has flipped.
//
// With VNNI a vector of a row takes one instruction, the dot product of its bytes with their
// weights. Every byte is loaded by a window that lies inside of the row; the last window of a row
// begins with bytes that others have counted, whose weight in it is 0.
#ifndef QFORGE_KERNELS_EMBEDDING_ROW_CHECK_H_
#define QFORGE_KERNELS_EMBEDDING_ROW_CHECK_H_

#include <cstdint>
#include <vector>

#include "jit/emitter.h"
#include "kernels/embedding_kernel.h"

namespace qforge::kernels {

// A stretch of bytes to add up: so many, of which those from `checksum` on are one.
struct CheckedBytes {
  int64_t bytes = 0;
  int64_t checksum = 0;
  bool padded = false;  // a vector from each of them on may be read
};

// The windows of a stretch, of one width.
class CheckedWindows {
 public:
  struct Window {
    int64_t offset;
    std::vector<uint8_t> weights;  // of the bytes from there on, `width` of them
  };

  CheckedWindows() = default;
  CheckedWindows(const CheckedBytes& stretch, int vector_bytes);

  int width() const { return width_; }
  const std::vector<Window>& windows() const { return windows_; }
  // So many of the first windows, all of the same weights, are left to a loop of kUnrolled.
  int64_t looped() const { return looped_; }
  static constexpr int kUnrolled = 8;

 private:
  // What an instruction loads. Fewer than 4 bytes: one at a time.
  int width_ = 0;
  int64_t looped_ = 0;
  std::vector<Window> windows_;
};

class RowChecker {
 public:
  // For rows of `row_bytes` bytes without their checksum. Takes registers; the scratches, two
  // vectors and a general register, are free while a row is added.
  RowChecker(jit::Emitter& emitter, int64_t row_bytes, RowCheck check, bool codebooks,
             const jit::Vec* scratch, const jit::Register& counter);

  // Of a row's checksum.
  int64_t checksum_bytes() const { return checksum_bytes_; }
  // Whether EmitRow() needs the address of the row in one register, and the counter.
  bool loops() const { return row_.looped() != 0; }

  void EmitKernelStart();
  void EmitZero();
  // A row, with its checksum where it ends with one.
  void EmitRow(const jit::AddressTerms& row) { EmitStretch(row_, row); }
  // A checksum that stands elsewhere.
  void EmitChecksum(const jit::AddressTerms& at) { EmitStretch(checksum_, at); }
  void EmitCodebook(const jit::AddressTerms& at) { EmitStretch(codebook_, at); }
  void EmitCodebookChecksum(const jit::AddressTerms& at) { EmitStretch(codebook_checksum_, at); }
  // The total of what has been added, in 32 bits. Clobbers the sums and a scratch.
  void EmitTotal(const jit::Register& to);

 private:
  struct Sums {
    int width;
    std::vector<jit::Vec> vectors;
  };
  struct HeldWeights {
    std::vector<uint8_t> weights;
    jit::Vec vector;
  };

  void TakeSums(const CheckedWindows& windows, int most);
  void HoldWeights(const CheckedWindows& windows);
  const std::vector<jit::Vec>& SumsOf(int width) const;
  const HeldWeights* FindHeld(const std::vector<uint8_t>& weights) const;
  jit::Address Constant(const std::vector<uint8_t>& weights);
  void EmitStretch(const CheckedWindows& stretch, const jit::AddressTerms& at);
  void EmitWindow(jit::Vec sum, int width, const std::vector<uint8_t>& weights,
                  const jit::AddressTerms& at);
  void EmitAddProducts(jit::Vec sum, int width, jit::Vec weights,
                       const qforge_xbyak::Operand& bytes);
  qforge_xbyak::Xmm Part(jit::Vec v, int width) const;

  jit::Emitter& e_;
  const jit::Vec weights_scratch_;
  const jit::Vec bytes_scratch_;
  const jit::Register counter_;
  int64_t checksum_bytes_ = 0;
  CheckedWindows row_;
  CheckedWindows checksum_;
  CheckedWindows codebook_;
  CheckedWindows codebook_checksum_;
  std::vector<Sums> sums_;
  std::vector<HeldWeights> held_;
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_ROW_CHECK_H_
