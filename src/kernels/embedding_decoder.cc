#include "kernels/embedding_decoder.h"

#include <cstddef>
#include <limits>

#include "kernels/embedding_decoder_base.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::AddressTerms;
using jit::Emitter;
using jit::Vec;
namespace xb = qforge_xbyak;

// f32, f16, bf16, e4m3, e5m2: each element is a number by itself.
class FloatDecoder final : public DecoderBase {
 public:
  FloatDecoder(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : DecoderBase(emitter, kernel, registers),
        adder_(emitter, kernel, Exponent(kernel)),
        byte_groups_(emitter, kernel, 3, kernel.fast_subnormals ? kLongestInGroups : 0) {
    if (kernel_.fast_subnormals) fields_ = e_.vectors().Take();
  }

  int WindowBytes() const override { return e_.lanes() * shape_.element_bits / 8; }
  LoadedBytes BytesToCheck() const override {
    return shape_.element_bits > 8 || !Groups().empty() ? LoadedBytes::kAll : LoadedBytes::kNone;
  }

  std::vector<int> Groups() const override {
    if (byte_groups_.used()) return {ByteGroups::kParts};
    return {};
  }

  int ColumnOf(const ColumnVector& columns, int lane) const override {
    if (columns.parts > 1) return ByteGroups::ColumnOf(columns.part, lane);
    return RowDecoder::ColumnOf(columns, lane);
  }

  void EmitKernelStart() override {
    adder_.EmitKernelStart();
    byte_groups_.EmitKernelStart();
    if (kernel_.fast_subnormals) e_.Load(fields_, e_.Constant32(kFieldsOfE4M3));
  }

  void EmitAdd(Vec sum, const ColumnVector& columns, const RowTerms& row) override {
    const Vec x = r_.scratch[0];
    if (kernel_.format == RowFormat::kF32 && columns.exact_bytes == 0 && checker_ == nullptr) {
      const Address window = e_.ptr[Window(columns, row)];
      return weighted() ? e_.FmaAddF32(sum, r_.weight, window) : e_.AddF32(sum, sum, window);
    }
    columns.parts > 1 ? EmitLoadPart(x, columns, row) : EmitLoad(x, columns, row);
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
  // Of e4m3, in multiples of lanes. Beyond, sorting out columns takes what groups save.
  static constexpr int kLongestInGroups = 8;

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

  // e4m3 that is summed as an f32 with another exponent bias.
  void EmitLoadPart(Vec to, const ColumnVector& columns, const RowTerms& row) {
    const Vec group = r_.scratch[1];
    if (columns.part == 0) EmitLoadGroup(group, columns, row);
    byte_groups_.EmitPart(to, group, columns.part);
    e_.vpsrad(e_.Full(to), e_.Full(to), 4);
    e_.And(to, to, e_.Full(fields_));
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
  ByteGroups byte_groups_;
  Vec fields_;
};

// u8. Pooled, scale and bias are never applied to an element: q is added times the scale, and the
// biases have a sum of their own, in one lane until the end of the bag.
class ByteDecoder final : public DecoderBase {
 public:
  ByteDecoder(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : DecoderBase(emitter, kernel, registers),
        scale_(e_.vectors().Take()),
        bias_(e_.vectors().Take()),
        groups_(emitter, kernel, 0, std::numeric_limits<int>::max()) {}

  int WindowBytes() const override { return e_.lanes(); }
  LoadedBytes BytesToCheck() const override {
    return groups_.used() || kernel_.dimension < 8 * e_.lanes() ? LoadedBytes::kAll
                                                                : LoadedBytes::kNone;
  }

  std::vector<int> Groups() const override {
    if (groups_.used()) return {ByteGroups::kParts};
    return {};
  }

  int ColumnOf(const ColumnVector& columns, int lane) const override {
    if (columns.parts > 1) return ByteGroups::ColumnOf(columns.part, lane);
    return RowDecoder::ColumnOf(columns, lane);
  }

  void EmitKernelStart() override { groups_.EmitKernelStart(); }

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
    const Vec x = r_.scratch[0];
    if (columns.parts > 1) {
      const Vec group = r_.scratch[1];
      if (columns.part == 0) EmitLoadGroup(group, columns, row);
      groups_.EmitPart(x, group, columns.part);
      e_.ConvertS32ToF32(x, x);
    } else {
      EmitLoad(x, columns, row);
    }
    e_.FmaAddF32(sum, x, e_.Full(scale_));
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
  ByteGroups groups_;
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
      return MakeTableDecoder(emitter, kernel, registers);
  }
  throw jit::EmissionError("no decoder for this row format");
}

}  // namespace qforge::kernels
