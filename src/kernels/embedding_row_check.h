// Adds rows of a table to their checksums, as qforge/row_layout.h defines them, in registers:
// 32-bit lanes that wrap, whose total is 0 where no bit has flipped.
//
// With VNNI a vector of a row takes one instruction, the dot product of its bytes with their
// weights. Every byte is loaded by a window that lies inside of the row; the last window of a row
// begins with bytes that others have counted, whose weight in it is 0. Where a decoder loads the
// payload as it is, its bytes are added from its registers, which spares loads.
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
  // [loaded_begin, loaded_end) is added from registers.
  int64_t loaded_begin = 0;
  int64_t loaded_end = 0;
};

// The windows of a stretch.
class CheckedWindows {
 public:
  struct Window {
    int64_t offset;
    std::vector<uint8_t> weights;  // of the bytes that are loaded from there on
    int width() const { return static_cast<int>(weights.size()); }
  };

  CheckedWindows() = default;
  CheckedWindows(const CheckedBytes& stretch, int vector_bytes);

  const std::vector<Window>& windows() const { return windows_; }
  // So many of the first windows, all of the same weights, are left to a loop of kUnrolled.
  int64_t looped() const { return looped_; }
  static constexpr int kUnrolled = 8;

 private:
  int64_t looped_ = 0;
  std::vector<Window> windows_;
};

struct CheckedRow {
  int64_t bytes = 0;  // without the checksum
  RowCheck check = RowCheck::kInRow;
  bool codebooks = false;  // rows name one
  // What EmitLoaded() is given: all bytes of [loaded_begin, loaded_end), so many times from
  // registers of so many bytes.
  int64_t loaded_begin = 0;
  int64_t loaded_end = 0;
  struct Loads {
    int width;
    int64_t count;
  };
  std::vector<Loads> loads;
  // A row takes less time than a dot product, for which no sum may wait in every row: each row has
  // a sum of its own, which is added to the total (f16 rows of 16 on Zen 5: 55 instead of 77 %).
  bool short_rows = false;
};

class RowChecker {
 public:
  // What it needs; more make it faster.
  static int LeastVectors(const jit::Emitter& emitter) { return emitter.evex() ? 4 : 2; }

  // Takes registers, at most `most_vectors`; the scratches, two vectors and a general register, are
  // free while a row is added. Of the vectors EmitLoaded() uses the first alone.
  RowChecker(jit::Emitter& emitter, const CheckedRow& row, int most_vectors,
             const jit::Vec* scratch, const jit::Register& counter);

  // Of a row's checksum.
  int64_t checksum_bytes() const { return checksum_bytes_; }
  // Whether EmitRow() needs the address of the row in one register, and the counter.
  bool loops() const { return row_.looped() != 0; }

  void EmitKernelStart();
  void EmitZero();
  // Around what is added of one row.
  void EmitRowStart();
  void EmitRowEnd();
  // Bytes of a row that are in a register, loaded there by `width`: `count` of them behind the
  // first `skipped`. What the register holds beyond must be 0 with short_rows.
  void EmitLoaded(jit::Vec bytes, int width, int skipped, int count);
  // The rest of a row, with its checksum where it ends with one.
  void EmitRow(const jit::AddressTerms& row) { EmitStretch(row_, row); }
  // A checksum that stands elsewhere.
  void EmitChecksum(const jit::AddressTerms& at) { EmitStretch(checksum_, at); }
  void EmitCodebook(const jit::AddressTerms& at) { EmitStretch(codebook_, at); }
  void EmitCodebookChecksum(const jit::AddressTerms& at) { EmitStretch(codebook_checksum_, at); }
  // The total of what has been added, in 32 bits. Clobbers the sums and a scratch.
  void EmitTotal(const jit::Register& to);

 private:
  // The sums of all windows of one width.
  struct Sums {
    int width;
    int64_t windows;                // of a row
    std::vector<jit::Vec> vectors;  // which windows take in turn
    std::vector<jit::Vec> totals;   // of all rows, where `vectors` are of one alone
    size_t next = 0;
  };
  struct HeldWeights {
    std::vector<uint8_t> weights;
    jit::Vec vector;
  };

  void CountWindows(const CheckedWindows& stretch);
  void CountWindows(int width, int64_t windows);
  void TakeSums(int most_vectors);
  void SumRows();
  void HoldWeights(const CheckedWindows& windows, int most_vectors);
  void HoldWeights(const std::vector<uint8_t>& weights, int most_vectors);
  // Of the sum to which windows of so many bytes are added.
  int SumWidth(int width) const;
  jit::Vec NextSum(int width);
  const HeldWeights* FindHeld(const std::vector<uint8_t>& weights) const;
  jit::Address Constant(const std::vector<uint8_t>& weights);
  void EmitStretch(const CheckedWindows& stretch, const jit::AddressTerms& at);
  void EmitWindow(const CheckedWindows::Window& window, const jit::AddressTerms& at);
  void EmitAddProducts(jit::Vec sum, int width, jit::Vec weights,
                       const qforge_xbyak::Operand& bytes);
  qforge_xbyak::Xmm Part(jit::Vec v, int width) const;

  jit::Emitter& e_;
  const jit::Vec weights_scratch_;
  const jit::Vec bytes_scratch_;
  const jit::Register counter_;
  int64_t checksum_bytes_ = 0;
  bool sums_rows_ = false;  // all windows have one sum, which is added to the total row by row
  CheckedWindows row_;
  CheckedWindows checksum_;
  CheckedWindows codebook_;
  CheckedWindows codebook_checksum_;
  std::vector<Sums> sums_;
  std::vector<HeldWeights> held_;
};

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_ROW_CHECK_H_
