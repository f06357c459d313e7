// What the decoders of rows have in common, for them alone.
#ifndef QFORGE_KERNELS_EMBEDDING_DECODER_BASE_H_
#define QFORGE_KERNELS_EMBEDDING_DECODER_BASE_H_

#include <cstdint>
#include <memory>

#include "kernels/embedding_decoder.h"
#include "kernels/embedding_row_check.h"

namespace qforge::kernels {

// The bits of 2^exponent as a float.
constexpr uint32_t PowerOfTwo(int exponent) { return static_cast<uint32_t>(127 + exponent) << 23; }

class DecoderBase : public RowDecoder {
 public:
  DecoderBase(jit::Emitter& emitter, const EmbeddingKernel& kernel,
              const DecoderRegisters& registers)
      : e_(emitter), kernel_(kernel), r_(registers), shape_(ShapeOfRow(kernel)) {}

 protected:
  bool weighted() const { return kernel_.weights != BagWeights::kNone; }
  bool pooled() const { return kernel_.pooling != Pooling::kNone; }
  jit::Address Parameter(const RowTerms& row, int offset) const {
    return e_.ptr[row.parameters + static_cast<int>(shape_.parameters + offset)];
  }
  jit::AddressTerms Window(const ColumnVector& columns, const RowTerms& row) const {
    return row.payload + static_cast<int>(columns.offset);
  }
  bool checks() const { return kernel_.check != RowCheck::kNone; }
  // Bytes that the columns of one vector take.
  int VectorBytes() const { return e_.lanes() * shape_.element_bits / 8; }
  // The window of a group, repeated to a whole vector. Adds it to the sums that are checked.
  void EmitLoadGroup(jit::Vec to, const ColumnVector& columns, const RowTerms& row) {
    const int bytes = columns.parts * VectorBytes();
    e_.RepeatBytes(to, e_.ptr[Window(columns, row)], bytes);
    if (checker_ != nullptr) checker_->EmitLoaded(to, bytes, 0, bytes);
  }
  // The bytes of a window, as they are. Adds those of its columns to the sums that are checked.
  void EmitLoadChecked(jit::Vec to, const ColumnVector& columns, const RowTerms& row) {
    const jit::AddressTerms window = Window(columns, row);
    if (columns.exact_bytes != 0) {
      e_.LoadExact(to, window);
    } else if (WindowBytes() == e_.vector_bytes()) {
      e_.Load(to, e_.ptr[window]);
    } else if (WindowBytes() == 32) {
      e_.vmovups(qforge_xbyak::Ymm(to.index), e_.ptr[window]);
    } else if (WindowBytes() == 16) {
      e_.vmovups(e_.Low(to), e_.ptr[window]);
    } else {
      e_.vmovq(e_.Low(to), e_.ptr[window]);
    }
    const int element_bytes = shape_.element_bits / 8;
    checker_->EmitLoaded(to, WindowBytes(), columns.skipped * element_bytes,
                         columns.count * element_bytes);
  }
  void EmitScaleByWeight(jit::Vec v) {
    if (weighted()) e_.MulF32(v, v, e_.Full(r_.weight));
  }

  jit::Emitter& e_;
  const EmbeddingKernel kernel_;
  const DecoderRegisters r_;
  const RowShape shape_;
};

// Groups of four vectors of bytes: in each lane one byte after the other, with zeros around it. A
// group is one load of 64 bytes, which a check adds as they are, in one dot product instead of four
// (u8 rows of 128 on Zen 5, in the caches: checking takes 16 % instead of 34). Without a check four
// loads of 16 bytes take the same time, and leave columns in their order.
class ByteGroups {
 public:
  static constexpr int kParts = 4;

  // Bytes go to the byte `place` of a lane. Not of rows of more than `most_vectors`.
  ByteGroups(jit::Emitter& emitter, const EmbeddingKernel& kernel, int place, int most_vectors)
      : e_(emitter), place_(place) {
    if (e_.vector_bytes() != 64 || kernel.check == RowCheck::kNone) return;
    const int64_t vectors = kernel.dimension / e_.lanes();
    if (kernel.pooling == Pooling::kNone || vectors < kParts || vectors > most_vectors) return;
    orders_ = e_.vectors().Take(kParts);
  }

  bool used() const { return !orders_.empty(); }

  // Of a group's first vector, which part follows `part` vectors later.
  static int ColumnOf(int part, int lane) { return lane / 4 * 16 + part * 4 + lane % 4; }

  void EmitKernelStart() {
    for (int part = 0; part < static_cast<int>(orders_.size()); ++part) {
      std::vector<uint8_t> order(64, 0x80);
      for (int lane = 0; lane < e_.lanes(); ++lane) {
        order[static_cast<size_t>(4 * lane + place_)] = static_cast<uint8_t>(4 * part + lane % 4);
      }
      e_.Load(orders_[static_cast<size_t>(part)], e_.ConstantBytes(order));
    }
  }
  void EmitPart(jit::Vec to, jit::Vec group, int part) {
    e_.vpshufb(e_.Full(to), e_.Full(group), e_.Full(orders_[static_cast<size_t>(part)]));
  }

 private:
  jit::Emitter& e_;
  const int place_;
  std::vector<jit::Vec> orders_;
};

// Adds to a sum what has been decoded, times a power of two.
//
// From a number of vectors on this is fma(x, power, sum) also where the power is 1, which gives the
// same: it leaves the pipes to shuffles that an addition would share with them (f16 rows of 256
// on Zen 5: 4.8 to 4.0 ns). With fewer vectors the longer latency would show. f32 has no shuffles,
// and the check's dot products share their pipes with an fma.
class Adder {
 public:
  Adder(jit::Emitter& emitter, const EmbeddingKernel& kernel, int exponent)
      : e_(emitter),
        power_bits_(PowerOfTwo(exponent)),
        fused_(exponent != 0 ||
               (kernel.format != RowFormat::kF32 && kernel.dimension > 3 * emitter.lanes())) {
    if (fused_) power_ = e_.vectors().Take();
  }

  bool fused() const { return fused_; }

  void EmitKernelStart() {
    if (fused_) e_.Load(power_, e_.Constant32(power_bits_));
  }
  void EmitAdd(jit::Vec sum, jit::Vec x) {
    fused_ ? e_.FmaAddF32(sum, x, e_.Full(power_)) : e_.AddF32(sum, sum, e_.Full(x));
  }

 private:
  jit::Emitter& e_;
  const uint32_t power_bits_;
  const bool fused_;
  jit::Vec power_;
};

// embedding_table_decoder.cc
std::unique_ptr<RowDecoder> MakeTableDecoder(jit::Emitter& emitter, const EmbeddingKernel& kernel,
                                             const DecoderRegisters& registers);

}  // namespace qforge::kernels

#endif  // QFORGE_KERNELS_EMBEDDING_DECODER_BASE_H_
