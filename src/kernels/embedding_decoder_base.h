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
    checker_->EmitLoaded(to, columns.skipped * element_bytes, columns.count * element_bytes);
  }
  void EmitScaleByWeight(jit::Vec v) {
    if (weighted()) e_.MulF32(v, v, e_.Full(r_.weight));
  }

  jit::Emitter& e_;
  const EmbeddingKernel kernel_;
  const DecoderRegisters r_;
  const RowShape shape_;
};

// Adds to a sum what has been decoded, times a power of two.
//
// From a number of vectors on this is fma(x, power, sum) also where the power is 1, which gives the
// same: it leaves the pipes to shuffles that an addition would share with them (f16 rows of 256
// on Zen 5: 4.8 to 4.0 ns). With fewer vectors the longer latency would show.
class Adder {
 public:
  Adder(jit::Emitter& emitter, const EmbeddingKernel& kernel, int exponent)
      : e_(emitter),
        power_bits_(PowerOfTwo(exponent)),
        fused_(exponent != 0 || kernel.dimension > 3 * emitter.lanes()) {
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
