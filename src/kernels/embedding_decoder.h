// Decodes rows of a table into vectors of floats, in registers. One decoder per kind of format; the
// order of operations is that of qforge/embedding_bag.h, so that every ISA gives the same bits.
#ifndef QFORGE_KERNELS_EMBEDDING_DECODER_H_
#define QFORGE_KERNELS_EMBEDDING_DECODER_H_

#include <memory>
#include <vector>

#include "jit/emitter.h"
#include "kernels/embedding_columns.h"
#include "kernels/embedding_kernel.h"

namespace qforge::kernels {

class RowChecker;

// Where a row is: an offset from its first byte is added to `parameters` for what lies at a fixed
// place, and to `payload` for the window of a ColumnVector, which moves on from block to block.
struct RowTerms {
  jit::AddressTerms parameters;
  jit::AddressTerms payload;
};

// What the walk over bags lends.
struct DecoderRegisters {
  static constexpr int kScratchVectors = 3;
  jit::Vec scratch[kScratchVectors];  // free within a row and at the end of a bag
  jit::Register general_scratch;      // likewise
  jit::Register arguments;            // EmbeddingArguments*
  jit::Vec weight;                    // the row's weight in all lanes; no register without weights
};

class RowDecoder {
 public:
  virtual ~RowDecoder() = default;

  // Bytes that loading one vector touches.
  virtual int WindowBytes() const = 0;
  // How many vectors groups have, the largest first. Each number is a power of two.
  virtual std::vector<int> Groups() const { return {}; }
  // The column that ends in `lane`: of a group from the group's first one, else from the vector's.
  // Of lanes that nobody asked for, any other number.
  virtual int ColumnOf(const ColumnVector& columns, int lane) const {
    return lane - columns.skipped;
  }

  // What checking takes from registers, where the payload is before it is decoded. That spares the
  // windows that RowChecker otherwise loads once more, most of which lie in two cache lines: of the
  // 28 % that checking codebook4 rows of 64 takes on Zen 5, in the caches, loads alone are 26.
  enum class LoadedBytes : uint8_t {
    kNone,
    kOfGroups,  // where all columns are in one block
    kAll,
  };
  virtual LoadedBytes BytesToCheck() const { return LoadedBytes::kNone; }
  // They are added to these sums, from here on; null: no more.
  void AddLoadedTo(RowChecker* checker) { checker_ = checker; }

  virtual void EmitKernelStart() {}
  virtual void EmitBagStart() {}
  // What is read of a row once, whatever the number of its columns.
  virtual void EmitRowStart(const RowTerms&) {}
  // Whether that takes so long that it is better done while the row before is added. If so,
  // EmitRowStart() leaves alone what EmitAdd() and EmitDecode() use until EmitRowTurn().
  virtual bool StartsAhead() const { return false; }
  virtual void EmitRowTurn() {}
  // Adds the row, or the weight times the row, to the sum of a bag. The parts of a group follow
  // each other, and scratches are left alone in between.
  virtual void EmitAdd(jit::Vec sum, const ColumnVector& columns, const RowTerms& row) = 0;
  // The row, or the weight times the row, by itself. Not of groups.
  virtual void EmitDecode(jit::Vec to, const ColumnVector& columns, const RowTerms& row) = 0;
  virtual void EmitBagEnd(const std::vector<jit::Vec>&) {}

  // Takes the registers that it needs for longer than a row. `registers` is copied.
  static std::unique_ptr<RowDecoder> Make(jit::Emitter& emitter, const EmbeddingKernel& kernel,
                                          const DecoderRegisters& registers);

 protected:
  RowChecker* checker_ = nullptr;
};

// The number of the codebook that the twotier4 row at `row` names.
void EmitLoadCodebookNumber(jit::Emitter& emitter, const EmbeddingKernel& kernel,
                            const jit::Register& to, const jit::Register& arguments,
                            const jit::AddressTerms& row);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_DECODER_H_
