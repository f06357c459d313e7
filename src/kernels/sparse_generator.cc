// Emits the block kernel of products with sparse weights.
#include <cstddef>
#include <new>
#include <vector>

#include "jit/emitter.h"
#include "kernels/sparse_kernel.h"

namespace qforge::kernels {
namespace {

namespace xb = qforge_xbyak;
using jit::Address;
using jit::AddressTerms;
using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

constexpr int kQuad = 4;
// Columns that are summed side by side: one would wait for its own sums.
constexpr int kPair = 2;
// Rows of C that are stored together: the 4 x 4 values that two rounds of interleaving transpose.
constexpr int kGroupRows = 4;

class Generator {
 public:
  Generator(Emitter& emitter, const SparseKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        vectors_(kSparseTileColumns / emitter.lanes()),
        column_bytes_(kernel.rows * 4) {}

  void Generate();

 private:
  // A vector of one byte per row of the block, which may be narrower than those of the ISA.
  xb::Xmm Block(Vec v) const {
    if (kernel_.rows == 64) return xb::Zmm(v.index);
    if (kernel_.rows == 32) return xb::Ymm(v.index);
    return xb::Xmm(v.index);
  }
  Address Argument(size_t offset) const { return e_.ptr[arguments_ + static_cast<int>(offset)]; }
  int TileBytes() const { return kSparseTileColumns * column_bytes_; }  // of sums

  // The sums of the tile at tile_, at sums_.
  void SumTile();
  void AddQuad(const std::vector<Vec>& accumulators);
  // acc += the four products of each group of 4 bytes of `a`, which it clobbers.
  void Dot(Vec acc, Vec a);

  // The rows of the tiles from panel_ to panel_end_, from their sums to C.
  void StorePanel();
  // Points at the four rows that begin at four times group_.
  void PointAtGroup();
  // Four rows of a tile. `partial`: columns beyond N are left alone.
  void StoreGroup(bool partial);
  // Four rows of one vector of columns, transposed into group_rows_.
  void LoadGroup(int vector);
  void PrepareMasks();

  Emitter& e_;
  const SparseKernel& kernel_;
  const int vectors_;       // of a row of a tile
  const int column_bytes_;  // of sums

  const Register arguments_{Gpr::RDI};
  const Register quads_{Gpr::RSI};
  const Register panel_{Gpr::RDX}, panel_end_{Gpr::R12};  // tiles
  const Register tile_{Gpr::R11};
  const Register sums_{Gpr::R9};
  const Register scratch_{Gpr::RAX}, scratch2_{Gpr::RBX};
  // While a tile is summed.
  const Register block_{Gpr::R8};
  const Register pair_{Gpr::RCX}, pairs_end_{Gpr::R15};
  const Register count_{Gpr::R10};  // of quads that are left
  const Register positions_{Gpr::RBX};
  const Register offsets_[kQuad] = {Register(Gpr::RAX), Register(Gpr::RBP), Register(Gpr::R13),
                                    Register(Gpr::R14)};
  // While rows are stored.
  const Register group_{Gpr::R10};
  const Register row_{Gpr::RCX};  // the group's first
  const Register output_{Gpr::RBX};
  const Register columns_left_{Gpr::RAX};
  const Register row_offsets_[kGroupRows - 1] = {Register(Gpr::R13), Register(Gpr::R14),
                                                 Register(Gpr::RBP)};

  std::vector<Vec> accumulators_[kPair];
  std::vector<Vec> a_, b_;
  Vec weights_, ones_;
  std::vector<Vec> group_rows_;  // accumulators, which are in memory by then
};

void Generator::Generate() {
  e_.EnterFrame({scratch2_, panel_end_, pairs_end_, offsets_[1], offsets_[2], offsets_[3]});
  for (std::vector<Vec>& column : accumulators_) column = e_.vectors().Take(kQuad);
  a_ = e_.vectors().Take(kQuad);
  b_ = e_.vectors().Take(2);
  group_rows_ = accumulators_[0];
  weights_ = e_.vectors().Take();
  if (!e_.traits().vnni) {
    ones_ = e_.vectors().Take();
    e_.Load(ones_, e_.Constant32(0x00010001));
  }
  e_.mov(quads_, Argument(offsetof(SparseArguments, quads)));
  e_.mov(panel_, Argument(offsetof(SparseArguments, tiles)));

  Label panel, tile;
  e_.L(panel);
  e_.mov(scratch_, Argument(offsetof(SparseArguments, tiles_end)));
  e_.lea(panel_end_, e_.ptr[panel_ + kSparsePanelTiles * static_cast<int>(sizeof(SparseTile))]);
  e_.cmp(panel_end_, scratch_);
  e_.cmova(panel_end_, scratch_);

  e_.mov(block_, Argument(offsetof(SparseArguments, block)));
  e_.mov(sums_, Argument(offsetof(SparseArguments, sums)));
  e_.mov(tile_, panel_);
  e_.L(tile);
  SumTile();
  e_.add(sums_, TileBytes());
  e_.add(tile_, static_cast<int>(sizeof(SparseTile)));
  e_.cmp(tile_, panel_end_);
  e_.jne(tile, Emitter::T_NEAR);

  StorePanel();
  e_.mov(panel_, panel_end_);
  e_.cmp(panel_, Argument(offsetof(SparseArguments, tiles_end)));
  e_.jne(panel, Emitter::T_NEAR);
  e_.LeaveFrame();
}

void Generator::SumTile() {
  Label pair, quads, sum;
  e_.lea(pair_, e_.ptr[tile_ + static_cast<int>(offsetof(SparseTile, pairs))]);
  e_.lea(pairs_end_, e_.ptr[tile_ + static_cast<int>(sizeof(SparseTile))]);
  e_.L(pair);
  e_.mov(positions_.cvt32(), e_.dword[pair_]);
  e_.add(pair_, 4);
  for (const std::vector<Vec>& column : accumulators_) {
    for (Vec v : column) e_.vpxor(e_.Low(v), e_.Low(v), e_.Low(v));
  }
  e_.mov(count_.cvt32(), positions_.cvt32());
  e_.shr(count_.cvt32(), 8);
  e_.jz(sum, Emitter::T_NEAR);
  e_.L(quads);
  for (const std::vector<Vec>& column : accumulators_) AddQuad(column);
  e_.dec(count_.cvt32());
  e_.jnz(quads, Emitter::T_NEAR);
  e_.L(sum);
  for (const std::vector<Vec>& column : accumulators_) {
    e_.mov(scratch_.cvt32(), positions_.cvt32());
    e_.and_(scratch_.cvt32(), kSparseTileColumns - 1);
    e_.shr(positions_.cvt32(), 4);
    e_.imul(scratch_.cvt32(), scratch_.cvt32(), column_bytes_);
    for (int i = 0; i < kQuad; ++i) {
      const Address to = e_.ptr[sums_ + scratch_ + i * kernel_.rows];
      const xb::Xmm from = Block(column[static_cast<size_t>(i)]);
      e_.evex() ? e_.vmovdqu32(to, from) : e_.vmovdqu(to, from);
    }
  }
  e_.cmp(pair_, pairs_end_);
  e_.jne(pair, Emitter::T_NEAR);
}

void Generator::AddQuad(const std::vector<Vec>& accumulators) {
  const int scale = kernel_.rows / 8;  // offsets are 8 times the slot
  e_.vpbroadcastd(Block(weights_),
                  e_.ptr[quads_ + static_cast<int>(offsetof(SparseQuad, weights))]);
  for (int i = 0; i < kQuad; ++i) {
    e_.movzx(offsets_[i].cvt32(), e_.word[quads_ + 2 * i]);
    const Address from = e_.ptr[block_ + offsets_[i] * scale];
    const xb::Xmm to = Block(a_[static_cast<size_t>(i)]);
    e_.evex() ? e_.vmovdqu32(to, from) : e_.vmovdqu(to, from);
  }
  e_.add(quads_, static_cast<int>(sizeof(SparseQuad)));
  const auto a = [&](int i) { return Block(a_[static_cast<size_t>(i)]); };
  const auto b = [&](int i) { return Block(b_[static_cast<size_t>(i)]); };
  e_.vpunpcklbw(b(0), a(0), a(1));
  e_.vpunpckhbw(a(0), a(0), a(1));
  e_.vpunpcklbw(b(1), a(2), a(3));
  e_.vpunpckhbw(a(2), a(2), a(3));
  e_.vpunpckhwd(a(1), b(0), b(1));
  e_.vpunpcklwd(b(0), b(0), b(1));
  e_.vpunpckhwd(a(3), a(0), a(2));
  e_.vpunpcklwd(a(2), a(0), a(2));
  const Vec interleaved[kQuad] = {b_[0], a_[1], a_[2], a_[3]};
  for (size_t i = 0; i < kQuad; ++i) Dot(accumulators[i], interleaved[i]);
}

void Generator::Dot(Vec acc, Vec a) {
  if (e_.traits().vnni) {
    e_.vpdpbusd(Block(acc), Block(a), Block(weights_),
                e_.evex() ? xb::EvexEncoding : xb::VexEncoding);
    return;
  }
  e_.vpmaddubsw(Block(a), Block(a), Block(weights_));  // SparsePairable(): does not saturate
  e_.vpmaddwd(Block(a), Block(a), Block(ones_));
  e_.vpaddd(Block(acc), Block(acc), Block(a));
}

void Generator::StorePanel() {
  Label group, tile, partial, stored, done;
  e_.xor_(group_, group_);
  e_.L(group);
  e_.lea(row_, e_.ptr[group_ * kGroupRows]);
  e_.cmp(row_, Argument(offsetof(SparseArguments, row_count)));
  e_.jge(done, Emitter::T_NEAR);
  PointAtGroup();
  e_.mov(tile_, panel_);
  e_.L(tile);
  e_.mov(columns_left_, e_.ptr[tile_ + static_cast<int>(offsetof(SparseTile, column))]);
  e_.lea(output_, e_.ptr[row_ + columns_left_ * 4]);
  e_.neg(columns_left_);
  e_.add(columns_left_, Argument(offsetof(SparseArguments, outputs)));
  e_.cmp(columns_left_, kSparseTileColumns);
  e_.jl(partial, Emitter::T_NEAR);
  StoreGroup(/*partial=*/false);
  e_.L(stored);
  e_.add(sums_, TileBytes());
  e_.add(tile_, static_cast<int>(sizeof(SparseTile)));
  e_.cmp(tile_, panel_end_);
  e_.jne(tile, Emitter::T_NEAR);
  e_.inc(group_);
  e_.jmp(group, Emitter::T_NEAR);

  e_.L(partial);
  StoreGroup(/*partial=*/true);
  e_.jmp(stored, Emitter::T_NEAR);
  e_.L(done);
}

void Generator::PointAtGroup() {
  const Register stride = row_offsets_[0];
  // Where fewer than four rows are left, those that are not there share the address of the last,
  // and are stored before it.
  e_.mov(scratch_, Argument(offsetof(SparseArguments, row_count)));
  e_.sub(scratch_, row_);
  e_.mov(stride, Argument(offsetof(SparseArguments, output_stride)));
  e_.imul(row_, stride);
  e_.add(row_, Argument(offsetof(SparseArguments, output)));
  e_.lea(row_offsets_[1], e_.ptr[stride * 2]);
  e_.lea(row_offsets_[2], e_.ptr[stride + stride * 2]);
  e_.xor_(scratch2_, scratch2_);
  for (int i = 0; i < kGroupRows - 1; ++i) {
    e_.cmp(scratch_, i + 2);
    e_.cmovl(row_offsets_[i], i == 0 ? scratch2_ : row_offsets_[i - 1]);
  }
  // Interleaving bytes has put rows 16 l + 4 q to 16 l + 4 q + 3 in the 128-bit lane l of the
  // accumulator q.
  e_.mov(scratch_, group_);
  e_.and_(scratch_, kQuad - 1);
  e_.imul(scratch_, scratch_, kernel_.rows);
  e_.mov(sums_, group_);
  e_.shr(sums_, 2);
  e_.shl(sums_, 4);
  e_.add(sums_, scratch_);
  e_.add(sums_, Argument(offsetof(SparseArguments, sums)));
}

void Generator::StoreGroup(bool partial) {
  const AddressTerms rows[kGroupRows] = {output_, output_ + row_offsets_[0],
                                         output_ + row_offsets_[1], output_ + row_offsets_[2]};
  if (partial) PrepareMasks();
  for (int vector = 0; vector < vectors_; ++vector) {
    LoadGroup(vector);
    const auto at = [&](int row) { return e_.ptr[rows[row] + vector * e_.vector_bytes()]; };
    const xb::Opmask k(1 + vector);
    const Vec vex_mask = accumulators_[1][static_cast<size_t>(vector)];
    // All rows are read before one is written: see PointAtGroup().
    for (int row = 0; row < kGroupRows && kernel_.accumulate; ++row) {
      const Vec sum = group_rows_[static_cast<size_t>(row)];
      if (!partial) {
        e_.Add32(sum, sum, at(row));
      } else if (e_.evex()) {
        e_.vpaddd(e_.Full(sum) | k, e_.Full(sum), at(row));
      } else {
        e_.vpmaskmovd(e_.Full(b_[0]), e_.Full(vex_mask), at(row));
        e_.Add32(sum, sum, e_.Full(b_[0]));
      }
    }
    for (int row = kGroupRows - 1; row >= 0; --row) {
      const Vec sum = group_rows_[static_cast<size_t>(row)];
      if (!partial) {
        e_.Store(at(row), sum);
      } else if (e_.evex()) {
        e_.vmovdqu32(at(row) | k, e_.Full(sum));
      } else {
        e_.vpmaskmovd(at(row), e_.Full(vex_mask), e_.Full(sum));
      }
    }
  }
}

void Generator::LoadGroup(int vector) {
  const int lanes128 = e_.vector_bytes() / 16;
  for (int i = 0; i < kGroupRows; ++i) {
    // The 128-bit lane p: four rows of the column 4 p + i of this vector.
    const Vec to = group_rows_[static_cast<size_t>(i)];
    for (int p = 0; p < lanes128; ++p) {
      const Address from = e_.ptr[sums_ + (vector * e_.lanes() + 4 * p + i) * column_bytes_];
      if (p == 0) {
        e_.vmovdqu(e_.Low(to), from);
      } else if (lanes128 == 2) {
        e_.vinserti128(xb::Ymm(to.index), xb::Ymm(to.index), from, 1);
      } else {
        e_.vinserti32x4(xb::Zmm(to.index), xb::Zmm(to.index), from, static_cast<uint8_t>(p));
      }
    }
  }
  const auto rows = [&](int i) { return e_.Full(group_rows_[static_cast<size_t>(i)]); };
  const auto halves = [&](int i) { return e_.Full(a_[static_cast<size_t>(i)]); };
  e_.vpunpckldq(halves(0), rows(0), rows(1));
  e_.vpunpckhdq(halves(1), rows(0), rows(1));
  e_.vpunpckldq(halves(2), rows(2), rows(3));
  e_.vpunpckhdq(halves(3), rows(2), rows(3));
  e_.vpunpcklqdq(rows(0), halves(0), halves(2));
  e_.vpunpckhqdq(rows(1), halves(0), halves(2));
  e_.vpunpcklqdq(rows(2), halves(1), halves(3));
  e_.vpunpckhqdq(rows(3), halves(1), halves(3));
}

void Generator::PrepareMasks() {
  if (e_.evex()) {
    // (1 << columns) - 1; of the second vector, where there is one, the upper half.
    const qforge_xbyak::Reg32 bits = block_.cvt32();  // each panel loads it again
    e_.xor_(bits, bits);
    e_.bts(bits, columns_left_.cvt32());
    e_.dec(bits);
    e_.kmovd(xb::Opmask(1), bits);
    if (vectors_ == 2) e_.kshiftrd(xb::Opmask(2), xb::Opmask(1), static_cast<uint8_t>(e_.lanes()));
    return;
  }
  e_.Broadcast32(b_[0], columns_left_.cvt32());
  for (int vector = 0; vector < vectors_; ++vector) {
    std::vector<int> positions;
    for (int lane = 0; lane < e_.lanes(); ++lane) positions.push_back(vector * e_.lanes() + lane);
    const xb::Xmm mask = e_.Full(accumulators_[1][static_cast<size_t>(vector)]);
    e_.vpcmpgtd(mask, e_.Full(b_[0]), e_.ConstantLanes(positions));
  }
}

}  // namespace

Result<jit::CodeBytes> EmitSparseKernel(const SparseKernel& kernel) noexcept {
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
  } catch (const std::bad_alloc&) {  // the name
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a sparse kernel");
  }
}

}  // namespace qforge::kernels
