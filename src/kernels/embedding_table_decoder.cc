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
//
// In groups, all that one load has brought is used up before the next one: of a window of 32 or 64
// bytes, repeated to 64, each lane has 4 bytes, and the vectors of a group look up its nibbles, the
// 4-bit parts, one after the other. A nibble is a column or, of u2, two, which have a table each. A
// sum then has every eighth or sixteenth column, which is sorted out at the end of a bag.
class TableDecoder final : public DecoderBase {
 public:
  TableDecoder(Emitter& emitter, const EmbeddingKernel& kernel, const DecoderRegisters& registers)
      : DecoderBase(emitter, kernel, registers),
        columns_per_nibble_(4 / shape_.element_bits),
        groups_(ChooseGroups()),
        table_(e_.vectors().Take(shape_.element_bits == 4 ? e_.table16_vectors()
                                 : groups_.empty()        ? 1
                                                          : 2)),
        shifts_(e_.vectors().Take()),
        computed_(kernel.format == RowFormat::kU4 && !e_.evex()),
        alternates_(e_.lanes() * shape_.element_bits > 32),
        codes_(e_.vectors().Take(
            IsUniform(kernel.format) && e_.evex() ? static_cast<int>(table_.size()) : 0)),
        next_table_(e_.vectors().Take(StartsAhead() ? static_cast<int>(table_.size()) : 0)),
        adder_(emitter, kernel, 0) {}

  int WindowBytes() const override { return alternates_ ? 8 : 4; }

  std::vector<int> Groups() const override { return groups_; }
  LoadedBytes BytesToCheck() const override {
    return groups_.empty() ? LoadedBytes::kNone : LoadedBytes::kOfGroups;
  }

  int ColumnOf(const ColumnVector& columns, int lane) const override {
    if (columns.parts > 1) {
      const Group group(*this, columns);
      const int nibble = 8 * (lane % group.dwords) + group.FirstNibble(lane);
      return nibble * columns_per_nibble_ + columns.part;
    }
    return alternates_ ? lane % 2 * 8 + lane / 2 - columns.skipped : lane;
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
    const Vec x = r_.scratch[0];
    const bool fused = adder_.fused() && (!e_.evex() || IsEven(columns));
    columns.parts > 1 ? EmitDecodePart(x, columns, row, fused) : EmitDecode(x, columns, row, fused);
    fused ? adder_.EmitAdd(sum, x) : e_.AddF32(sum, sum, e_.Full(x));
  }

  void EmitDecode(Vec to, const ColumnVector& columns, const RowTerms& row) override {
    EmitDecode(to, columns, row, true);
  }

 private:
  // How the window of a group is spread over lanes.
  struct Group {
    Group(const TableDecoder& decoder, const ColumnVector& columns)
        : nibbles(columns.parts / decoder.columns_per_nibble_), dwords(2 * nibbles) {}

    // Of lane `lane` and the group's first vector.
    int FirstNibble(int lane) const { return lane / dwords * nibbles; }

    int nibbles;  // that a lane serves, one after the other
    int dwords;   // of the window; it is repeated to 16
  };

  // Rows from memory gain, as fewer loads and fewer instructions let more of them be under way: u4
  // rows of 256 on Zen 5 take 6.4 instead of 6.9 ns, u2 rows of 256 5.7 instead of 6.4. Shorter
  // ones do not, nor does what comes from the caches, where sorting out columns takes what this
  // saves. A check gains wherever windows are whole, since it need not load them: u4 rows of 128 in
  // the caches then take 3 % longer instead of 8, codebook4 3 instead of 14.
  std::vector<int> ChooseGroups() const {
    if (e_.vector_bytes() != 64 || !pooled()) return {};
    const bool from_memory = kernel_.prefetch == RowPrefetch::kFromMemory ||
                             kernel_.prefetch == RowPrefetch::kFromMemoryTwice;
    const int64_t shortest_row = shape_.element_bits == 4 ? 256 : 128;
    const int whole = shape_.element_bits == 4 ? 8 : 16;
    if (from_memory && kernel_.dimension >= shortest_row) {
      if (shape_.element_bits == 4) return {whole};
      return {whole, whole / 2};
    }
    if (checks() && kernel_.dimension >= whole * e_.lanes()) return {whole};
    return {};
  }

  // The lanes of `from`, each shifted right by its count, to where only the lowest bits are read.
  //
  // On Zen 5 shifts and additions share two of four pipes, and rotations and multiplications
  // others. Where each rotation is followed by an addition and each shift by an fma, and both take
  // turns, all pipes are busy (rows of 32 in the caches: 6 to 10 %).
  void EmitShift(Vec to, Vec from, const xb::Operand& counts, bool fused) {
    fused || !e_.evex() ? e_.ShiftRightEach32(to, from, counts)
                        : e_.RotateRightEach32(to, from, counts);
  }

  void EmitDecode(Vec to, const ColumnVector& columns, const RowTerms& row, bool fused) {
    const AddressTerms window = Window(columns, row);
    if (columns.exact_bytes == 0) {
      EmitRepeat(to, e_.ptr[window]);
    } else {
      e_.LoadExact(to, window);
      EmitRepeat(to, e_.Low(to));
    }
    if (alternates_ || columns.skipped == 0) {
      EmitShift(to, to, e_.Full(shifts_), fused);
    } else {
      EmitShift(to, to, Shifts(columns.skipped), fused);
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

  void EmitDecodePart(Vec to, const ColumnVector& columns, const RowTerms& row, bool fused) {
    const Group group(*this, columns);
    const int nibble = columns.part / columns_per_nibble_;
    const int table = columns.part % columns_per_nibble_;
    const Vec window = r_.scratch[1];
    const Vec index = nibble == 0 ? window : r_.scratch[2];
    if (columns.part == 0) {
      EmitLoadGroup(window, columns, row);
      if (group.dwords < e_.lanes()) {
        std::vector<int> counts;
        for (int lane = 0; lane < e_.lanes(); ++lane) counts.push_back(4 * group.FirstNibble(lane));
        e_.RotateRightEach32(window, window, e_.ConstantLanes(counts));
      }
    } else if (table == 0) {
      fused ? e_.ShiftRight32(index, window, 4 * nibble)
            : e_.RotateRight32(index, window, 4 * nibble);
    }
    e_.LookUp16(to, index, table_[static_cast<size_t>(table)]);
  }

  // Whether this is every other vector.
  bool IsEven(const ColumnVector& columns) const {
    if (columns.parts > 1) return columns.part % 2 == 0;
    return columns.offset / WindowBytes() % 2 == 0;
  }

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
      // A second table of u2 is that of the upper of two elements.
      const int entry = shape_.element_bits == 4 ? index * e_.lanes() + lane : lane >> 2 * index;
      const int q = entry % (1 << shape_.element_bits);
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

  const int columns_per_nibble_;
  const std::vector<int> groups_;
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
