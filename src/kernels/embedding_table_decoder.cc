#include <cstddef>

#include "kernels/embedding_decoder_base.h"
#include "qforge/half.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::AddressTerms;
using jit::Emitter;
using jit::Vec;
namespace xb = qforge_xbyak;

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
        e_.movzx(r_.general_scratch.cvt32(),
                 e_.word[row.parameters + static_cast<int>(shape_.parameters)]);
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

std::unique_ptr<RowDecoder> MakeTableDecoder(Emitter& emitter, const EmbeddingKernel& kernel,
                                             const DecoderRegisters& registers) {
  return std::make_unique<TableDecoder>(emitter, kernel, registers);
}

}  // namespace qforge::kernels
