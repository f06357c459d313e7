#include "kernels/embedding_decoder.h"

#include <cstddef>

#include "kernels/embedding_row_check.h"
#include "qforge/half.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::AddressTerms;
using jit::Emitter;
using jit::Vec;
namespace xb = qforge_xbyak;

// The bits of 2^exponent as a float.
constexpr uint32_t PowerOfTwo(int exponent) { return static_cast<uint32_t>(127 + exponent) << 23; }

// What the decoders have in common.
class DecoderBase : public RowDecoder {
 public:
  DecoderBase(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : e_(emitter), kernel_(kernel), r_(registers), shape_(ShapeOfRow(kernel)) {}

 protected:
  bool weighted() const { return kernel_.weights != BagWeights::kNone; }
  bool pooled() const { return kernel_.pooling != Pooling::kNone; }
  Address Parameter(const RowTerms& row, int offset) const {
    return e_.ptr[row.parameters + static_cast<int>(shape_.parameters + offset)];
  }
  AddressTerms Window(const ColumnVector& columns, const RowTerms& row) const {
    return row.payload + static_cast<int>(columns.offset);
  }
  // The bytes of a window, as they are. Adds those of its columns to the sums that are checked.
  void EmitLoadChecked(Vec to, const ColumnVector& columns, const RowTerms& row) {
    const AddressTerms window = Window(columns, row);
    if (columns.exact_bytes != 0) {
      e_.LoadExact(to, window);
    } else if (WindowBytes() == e_.vector_bytes()) {
      e_.Load(to, e_.ptr[window]);
    } else if (WindowBytes() == 32) {
      e_.vmovups(xb::Ymm(to.index), e_.ptr[window]);
    } else if (WindowBytes() == 16) {
      e_.vmovups(e_.Low(to), e_.ptr[window]);
    } else {
      e_.vmovq(e_.Low(to), e_.ptr[window]);
    }
    const int element_bytes = shape_.element_bits / 8;
    checker_->EmitLoaded(to, columns.skipped * element_bytes, columns.count * element_bytes);
  }
  void EmitScaleByWeight(Vec v) {
    if (weighted()) e_.MulF32(v, v, e_.Full(r_.weight));
  }

  Emitter& e_;
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
  Adder(Emitter& emitter, const EmbeddingKernel& kernel, int exponent)
      : e_(emitter),
        power_bits_(PowerOfTwo(exponent)),
        fused_(exponent != 0 || kernel.dimension > 3 * emitter.lanes()) {
    if (fused_) power_ = e_.vectors().Take();
  }

  void EmitKernelStart() {
    if (fused_) e_.Load(power_, e_.Constant32(power_bits_));
  }
  void EmitAdd(Vec sum, Vec x) {
    fused_ ? e_.FmaAddF32(sum, x, e_.Full(power_)) : e_.AddF32(sum, sum, e_.Full(x));
  }

 private:
  Emitter& e_;
  const uint32_t power_bits_;
  const bool fused_;
  Vec power_;
};

// f32, f16, bf16, e4m3, e5m2: each element is a number by itself.
class FloatDecoder final : public DecoderBase {
 public:
  FloatDecoder(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : DecoderBase(emitter, kernel, registers), adder_(emitter, kernel, Exponent(kernel)) {
    if (kernel_.fast_subnormals) fields_ = e_.vectors().Take();
  }

  int WindowBytes() const override { return e_.lanes() * shape_.element_bits / 8; }
  bool LoadsWholeBytes() const override { return shape_.element_bits > 8; }

  void EmitKernelStart() override {
    adder_.EmitKernelStart();
    if (kernel_.fast_subnormals) e_.Load(fields_, e_.Constant32(kFieldsOfE4M3));
  }

  void EmitAdd(Vec sum, const ColumnVector& columns, const RowTerms& row) override {
    const Vec x = r_.scratch[0];
    if (kernel_.format == RowFormat::kF32 && columns.exact_bytes == 0 && checker_ == nullptr) {
      const Address window = e_.ptr[Window(columns, row)];
      return weighted() ? e_.FmaAddF32(sum, r_.weight, window) : e_.AddF32(sum, sum, window);
    }
    EmitLoad(x, columns, row);
    if (!weighted()) return adder_.EmitAdd(sum, x);
    EmitScaleByPower(x);
    e_.FmaAddF32(sum, r_.weight, e_.Full(x));
  }

  void EmitDecode(Vec to, const ColumnVector& columns, const RowTerms& row) override {
    EmitLoad(to, columns, row);
    EmitScaleByPower(to);
    EmitScaleByWeight(to);
    // Makes a NaN quiet, as all other ways do.
    if (kernel_.format == RowFormat::kBF16) e_.MulF32(to, to, e_.Constant32(PowerOfTwo(0)));
  }

 private:
  // Where an f32 has the sign, the four lower bits of the exponent and the three upper ones of the
  // mantissa.
  static constexpr uint32_t kFieldsOfE4M3 = 0x87F00000;

  // x is what EmitLoad() gives times two to this.
  static int Exponent(const EmbeddingKernel& kernel) {
    if (kernel.fast_subnormals) return 127 - kernel.exponent_bias;
    const bool is_byte = kernel.format == RowFormat::kE4M3 || kernel.format == RowFormat::kE5M2;
    return is_byte ? 15 - kernel.exponent_bias : 0;
  }

  void EmitScaleByPower(Vec v) {
    const int exponent = Exponent(kernel_);
    if (exponent != 0) e_.MulF32(v, v, e_.Constant32(PowerOfTwo(exponent)));
  }

  void EmitLoad(Vec to, const ColumnVector& columns, const RowTerms& row) {
    const AddressTerms window = Window(columns, row);
    if (checker_ != nullptr) {
      EmitLoadChecked(to, columns, row);
    } else if (columns.exact_bytes == 0) {
      return EmitConvert(to, e_.ptr[window]);
    } else {
      e_.LoadExact(to, window);
    }
    EmitConvert(to, shape_.element_bits == 32   ? e_.Full(to)
                    : shape_.element_bits == 16 ? e_.Half(to)
                                                : e_.Low(to));
  }

  void EmitConvert(Vec to, const xb::Operand& from) {
    switch (kernel_.format) {
      case RowFormat::kF16:
        return e_.ConvertF16ToF32(to, from);
      case RowFormat::kBF16:
        return e_.ConvertBF16ToF32(to, from);
      case RowFormat::kE4M3:
        if (!kernel_.fast_subnormals) return e_.ConvertE4M3ToF32(to, from);
        // The fields at their places in an f32 make it one with another exponent bias. e4m3's
        // subnormal numbers remain such.
        e_.ExtendS8To32(to, from);
        e_.ShiftLeft32(to, to, 20);
        return e_.And(to, to, e_.Full(fields_));
      case RowFormat::kE5M2:
        return e_.ConvertE5M2ToF32(to, from);
      default:
        if (from.isMEM()) e_.Load(to, static_cast<const Address&>(from));
        return;
    }
  }

  Adder adder_;
  Vec fields_;
};

// u8. Pooled, scale and bias are never applied to an element: q is added times the scale, and the
// biases have a sum of their own, in one lane until the end of the bag.
class ByteDecoder final : public DecoderBase {
 public:
  ByteDecoder(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : DecoderBase(emitter, kernel, registers),
        scale_(e_.vectors().Take()),
        bias_(e_.vectors().Take()) {}

  int WindowBytes() const override { return e_.lanes(); }
  bool LoadsWholeBytes() const override { return kernel_.dimension < 8 * e_.lanes(); }

  void EmitBagStart() override { e_.Zero(bias_); }

  void EmitRowStart(const RowTerms& row) override {
    const bool f32 = kernel_.parameters == DataType::kF32;
    const Vec bias = pooled() ? r_.scratch[0] : bias_;
    if (!f32) {
      e_.BroadcastF16(scale_, Parameter(row, 0));
      e_.BroadcastF16(bias, Parameter(row, 2));
    } else {
      e_.Broadcast32(scale_, Parameter(row, 0));
      if (!pooled()) e_.Broadcast32(bias, Parameter(row, 4));
    }
    if (!pooled()) return;
    EmitScaleByWeight(scale_);
    f32 ? EmitAddBias(Parameter(row, 4)) : EmitAddBias(e_.Low(bias));
  }

  void EmitAdd(Vec sum, const ColumnVector& columns, const RowTerms& row) override {
    EmitLoad(r_.scratch[0], columns, row);
    e_.FmaAddF32(sum, r_.scratch[0], e_.Full(scale_));
  }

  void EmitDecode(Vec to, const ColumnVector& columns, const RowTerms& row) override {
    EmitLoad(to, columns, row);
    // to * scale + bias
    e_.FmaF32(to, scale_, e_.Full(bias_));
    EmitScaleByWeight(to);
  }

  void EmitBagEnd(const std::vector<Vec>& sums) override {
    e_.Repeat32(bias_, e_.Low(bias_));
    for (Vec sum : sums) e_.AddF32(sum, sum, e_.Full(bias_));
  }

 private:
  void EmitAddBias(const xb::Operand& bias) {
    const xb::Xmm sum = e_.Low(bias_);
    weighted() ? e_.vfmadd231ss(sum, e_.Low(r_.weight), bias) : e_.vaddss(sum, sum, bias);
  }

  void EmitLoad(Vec to, const ColumnVector& columns, const RowTerms& row) {
    if (checker_ != nullptr) {
      EmitLoadChecked(to, columns, row);
      e_.ExtendU8To32(to, e_.Low(to));
    } else if (columns.exact_bytes == 0) {
      e_.ExtendU8To32(to, e_.ptr[Window(columns, row)]);
    } else {
      e_.LoadExact(to, Window(columns, row));
      e_.ExtendU8To32(to, e_.Low(to));
    }
    e_.ConvertS32ToF32(to, to);
  }

  const Vec scale_;
  const Vec bias_;
};

// u4, u2, codebook4, twotier4: the few values that a row is made of, times the weight, are put into
// a table in registers once per row, and the elements look them up. A look-up reads the lowest bits
// of a lane alone, so that elements need a shift each, and no mask.
//
// The payload comes by a broadcast, which costs no shuffle. One of 4 bytes gives columns in their
// order, lane i shifted by i elements. 16 elements of 4 bits need one of 8 bytes: even lanes hold
// the first 8 of them and odd ones the others, and sums stay in this order.
class TableDecoder final : public DecoderBase {
 public:
  TableDecoder(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : DecoderBase(emitter, kernel, registers),
        table_(e_.vectors().Take(shape_.element_bits == 4 ? e_.table16_vectors() : 1)),
        shifts_(e_.vectors().Take()),
        computed_(kernel.format == RowFormat::kU4 && !e_.evex()),
        alternates_(e_.lanes() * shape_.element_bits > 32),
        codes_(e_.vectors().Take(
            IsUniform(kernel.format) && e_.evex() ? static_cast<int>(table_.size()) : 0)),
        next_table_(e_.vectors().Take(StartsAhead() ? static_cast<int>(table_.size()) : 0)),
        adder_(emitter, kernel, 0) {}

  int WindowBytes() const override { return alternates_ ? 8 : 4; }

  int LaneOf(const ColumnVector& columns, int column) const override {
    if (!alternates_) return column;
    const int element = columns.skipped + column;
    return element % 8 * 2 + element / 8;
  }

  void EmitKernelStart() override {
    e_.Load(shifts_, Shifts(0));
    for (size_t i = 0; i < codes_.size(); ++i) e_.Load(codes_[i], Codes(static_cast<int>(i)));
    adder_.EmitKernelStart();
  }

  // A table is ready about 25 cycles after its row's index is known. What waits for it fills the
  // schedulers, unless the row before has enough to do meanwhile (u4 rows of 256 on Zen 5: 4.6 to
  // 4.0 ns; rows of 64 lose). From memory it brings nothing: rows of 256 take as long as before,
  // and rows of 128 up to 5 % longer.
  bool StartsAhead() const override {
    return e_.evex() && pooled() && !kernel_.mapped && kernel_.dimension > 4 * e_.lanes() &&
           (kernel_.prefetch == RowPrefetch::kNone || kernel_.prefetch == RowPrefetch::kFromCaches);
  }

  void EmitRowTurn() override {
    for (size_t i = 0; i < next_table_.size(); ++i) e_.Move(table_[i], next_table_[i]);
  }

  void EmitRowStart(const RowTerms& row) override {
    switch (kernel_.format) {
      case RowFormat::kCodebook4:
        EmitLoadCodebook(row.parameters + static_cast<int>(shape_.parameters));
        break;
      case RowFormat::kTwoTier4:
        EmitLoadCodebookNumber(e_, kernel_, r_.general_scratch, r_.arguments, row.parameters);
        e_.shl(r_.general_scratch, 5);  // 16 centres of 2 bytes
        e_.add(r_.general_scratch,
               e_.ptr[r_.arguments + static_cast<int>(offsetof(EmbeddingArguments, codebooks))]);
        EmitLoadCodebook(r_.general_scratch);
        break;
      default:
        EmitUniformTable(row);
        break;
    }
    if (computed_) return;
    for (Vec v : started_table()) EmitScaleByWeight(v);
  }

  void EmitAdd(Vec sum, const ColumnVector& columns, const RowTerms& row) override {
    EmitDecode(r_.scratch[0], columns, row);
    adder_.EmitAdd(sum, r_.scratch[0]);
  }

  void EmitDecode(Vec to, const ColumnVector& columns, const RowTerms& row) override {
    const AddressTerms window = Window(columns, row);
    if (columns.exact_bytes == 0) {
      EmitRepeat(to, e_.ptr[window]);
    } else {
      e_.LoadExact(to, window);
      EmitRepeat(to, e_.Low(to));
    }
    if (alternates_ || columns.skipped == 0) {
      e_.ShiftRightEach32(to, to, e_.Full(shifts_));
    } else {
      e_.ShiftRightEach32(to, to, Shifts(columns.skipped));
    }
    if (computed_) {
      e_.And(to, to, e_.Constant32(0xF));
      e_.ConvertS32ToF32(to, to);
      e_.FmaF32(to, table_[0], e_.Full(table_[1]));
      EmitScaleByWeight(to);
    } else if (shape_.element_bits == 4) {
      e_.LookUp16(to, table_, &r_.scratch[1]);
    } else {
      e_.LookUp4(to, table_[0]);
    }
  }

 private:
  // Where EmitRowStart() puts a table.
  const std::vector<Vec>& started_table() const { return StartsAhead() ? next_table_ : table_; }

  static bool IsUniform(RowFormat format) {
    return format == RowFormat::kU4 || format == RowFormat::kU2;
  }

  void EmitRepeat(Vec to, const xb::Operand& from) {
    alternates_ ? e_.Repeat64(to, from) : e_.Repeat32(to, from);
  }

  Address Shifts(int skipped) {
    std::vector<int> lanes;
    for (int lane = 0; lane < e_.lanes(); ++lane) {
      lanes.push_back((alternates_ ? lane / 2 : skipped + lane) * shape_.element_bits);
    }
    return e_.ConstantLanes(lanes);
  }

  // The values of q in the part `index` of the table.
  Address Codes(int index) {
    std::vector<int> lanes;
    for (int lane = 0; lane < e_.lanes(); ++lane) {
      const int q = (index * e_.lanes() + lane) % (1 << shape_.element_bits);
      lanes.push_back(static_cast<int>(internal::FloatBits(static_cast<float>(q))));
    }
    return e_.ConstantLanes(lanes);
  }

  void EmitUniformTable(const RowTerms& row) {
    const std::vector<Vec>& table = started_table();
    const Vec scale = computed_ ? table[0] : r_.scratch[0];
    const Vec bias = computed_ ? table[1] : table[0];
    e_.BroadcastF16(scale, Parameter(row, 0));
    e_.BroadcastF16(bias, Parameter(row, 2));
    if (computed_) return;
    for (size_t i = 1; i < table.size(); ++i) e_.Move(table[i], bias);
    for (size_t i = 0; i < table.size(); ++i) {
      if (codes_.empty()) {
        e_.FmaAddF32(table[i], scale, Codes(static_cast<int>(i)));
      } else {
        e_.FmaAddF32(table[i], scale, e_.Full(codes_[i]));
      }
    }
  }

  void EmitLoadCodebook(const AddressTerms& from) {
    const std::vector<Vec>& table = started_table();
    for (size_t i = 0; i < table.size(); ++i) {
      e_.ConvertF16ToF32(table[i], e_.ptr[from + static_cast<int>(i) * 2 * e_.lanes()]);
    }
  }

  const std::vector<Vec> table_;
  const Vec shifts_;
  // Without EVEX a look-up in 16 entries takes five instructions. Where each can be computed from
  // scale and bias, the first two vectors of table_, that is faster.
  const bool computed_;
  const bool alternates_;
  // The values of q in each part of a uniform table, where there are registers for them: one load
  // less per row (u4 rows of 64 on Zen 5: 4 %).
  const std::vector<Vec> codes_;
  const std::vector<Vec> next_table_;  // where StartsAhead()
  Adder adder_;
};

}  // namespace

// A number in which a bit has flipped must not lead away from the codebooks: the row fails its
// check all the same.
void EmitLoadCodebookNumber(Emitter& e, const EmbeddingKernel& kernel, const jit::Register& to,
                            const jit::Register& arguments, const AddressTerms& row) {
  e.movzx(to.cvt32(), e.word[row + static_cast<int>(ShapeOfRow(kernel).parameters)]);
  if (kernel.check == RowCheck::kNone) return;
  const Address last =
      e.ptr[arguments + static_cast<int>(offsetof(EmbeddingArguments, last_codebook))];
  e.cmp(to, last);
  e.cmova(to, last);
}

std::unique_ptr<RowDecoder> RowDecoder::Make(Emitter& emitter, const EmbeddingKernel& kernel,
                                             const DecoderRegisters& registers) {
  switch (kernel.format) {
    case RowFormat::kF32:
    case RowFormat::kF16:
    case RowFormat::kBF16:
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      return std::make_unique<FloatDecoder>(emitter, kernel, registers);
    case RowFormat::kU8:
      return std::make_unique<ByteDecoder>(emitter, kernel, registers);
    case RowFormat::kU4:
    case RowFormat::kU2:
    case RowFormat::kCodebook4:
    case RowFormat::kTwoTier4:
      return std::make_unique<TableDecoder>(emitter, kernel, registers);
  }
  throw jit::EmissionError("no decoder for this row format");
}

}  // namespace qforge::kernels
