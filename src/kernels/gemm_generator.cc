// Emits the loops of the int8 micro-kernel; gemm_epilogue.cc emits what follows the product.
#include <algorithm>
#include <cstddef>
#include <new>
#include <vector>

#include "jit/emitter.h"
#include "kernels/gemm_epilogue.h"
#include "kernels/gemm_kernel.h"
#include "kernels/gemm_sections.h"
#include "kernels/gemm_tile_input.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;
using RegisterSum = qforge_xbyak::RegExp;

// Without a fixed count, groups are unrolled so that a turn holds about so many dot products.
constexpr int kDotsPerTurn = 48;

// Hardware prefetchers follow each load instruction by itself, and give up where it steps 2 KiB or
// more from one turn to the next: with 32 lines a turn, weights stream at half the rate.
constexpr int kMostBytesPerTurn = 1024;

// Where one tile of rows uses a panel, weights are prefetched so far ahead of their use. Where many
// do, their last ones prefetch the next panel, each a part: a single tile would have to wait for
// the third-level cache.
constexpr int kNearBytes = 1024;

// Groups of the next tile that are computed while the epilogue of a tile waits for its results.
constexpr int kHeadGroups = 2;

// The walk is over tiles: down the rows of a panel, then to the next panel. Between two products
// stands one piece of code that ends a tile and begins the next, row by row, so that there are
// always dot products to issue: an epilogue alone is a chain of conversions and packs as long as
// the reorder buffer.
class Generator {
 public:
  Generator(Emitter& emitter, const GemmKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        dot_(kernel.summation == Summation::kDot),
        memory_operand_(kernel.rows == 1 && dot_),
        input_(emitter, kernel.rows, stride_,
               {Register(Gpr::R8), Register(Gpr::R9), Register(Gpr::R10), Register(Gpr::R11)}),
        sections_(emitter, kernel, input_, {weights_, counter_, product_scratch_, scratch_}),
        splits_(Splits()),
        epilogue_(emitter, kernel,
                  {arguments_, columns_, output_, residual_, row_offset_, scratch_}),
        head_groups_(HeadGroups()) {}

  void Generate();

 private:
  enum class Prefetch { kNone, kNear, kNextPanel };

  int Splits() const;
  int Unroll() const;
  int HeadGroups() const;
  bool fixed() const { return kernel_.fixed_groups != kCountedGroups; }
  // Whether sums have 16 bits at first.
  bool narrow() const { return kernel_.summation >= Summation::kNarrow; }
  int VectorWeightBytes() const { return dot_ ? e_.vector_bytes() : e_.vector_bytes() / 2; }
  int GroupWeightBytes() const { return kernel_.vectors * VectorWeightBytes(); }
  // A part of the next panel is a quarter of it or less, so that a turn of the loop has no more
  // than so many lines to prefetch. Where the part is smaller, some of them are the same.
  int PrefetchesPerTurn() const {
    return std::max(1, Unroll() * GroupWeightBytes() / kFewestPrefetchingTiles / 64);
  }

  void FirstTile();
  // Ends a tile and begins the next; behind the last one, goes to `done`.
  void NextTile(Label& done);
  void NextPanel();
  void PointAtTile();
  // The head of the rows [begin, end), with a register for A.
  void Head(Vec a, int begin, int end);

  void Product();
  void NarrowProduct();
  void Outliers();
  void WholeTurns(Prefetch prefetch);
  // `groups` groups from where the pointers stand, and the pointers behind them.
  void Groups(int groups, Prefetch prefetch);
  void Advance(int groups);
  void KTail();
  void Rest();
  void BroadcastTail(int row, Vec to);
  // Adds the products of one group: the vectors of weights at the address `weights` and the rows of
  // A that `broadcast(row)` puts into a_.
  template <class Broadcast>
  void Multiply(int split, const RegisterSum& weights, Broadcast&& broadcast);
  // Accumulators of all parts but the first; they are free from AddSplits() to StartSplits().
  void StartSplits();
  void AddSplits();
  void ReleaseSplit(int split);

  void FlipBits();
  void SumRows();

  Address Argument(size_t offset) const { return e_.ptr[arguments_ + static_cast<int>(offset)]; }

  Emitter& e_;
  const GemmKernel& kernel_;
  const bool dot_;
  // One row uses each vector of B once: straight from memory.
  const bool memory_operand_;

  const Register arguments_{Gpr::RDI};
  const Register weights_{Gpr::RSI};
  const Register stride_{Gpr::RDX};
  const Register output_{Gpr::RCX};
  const Register tiles_{Gpr::RBP};
  const Register row_offset_{Gpr::R12};
  const Register columns_{Gpr::R13};
  const Register residual_{Gpr::R14};
  const Register scratch_{Gpr::R15};
  TileInput input_;
  // During a product, and between two.
  const Register counter_{Gpr::RAX}, next_columns_{Gpr::RAX};
  const Register product_scratch_{Gpr::RBX}, next_row_offset_{Gpr::RBX};

  GemmSections sections_;
  const int splits_;
  GemmEpilogue epilogue_;
  const int head_groups_;
  std::vector<std::vector<std::vector<Vec>>> accumulators_;  // by split, row, vector
  std::vector<Vec> b_;
  Vec a_;
  Vec product_;
};

// Independent chains per output, so that few outputs still cover the latency of the dot product: 4
// or 5 cycles at two a cycle.
int Generator::Splits() const {
  if (narrow()) return 1;  // sums of 32 bits are rare
  const int chains = kernel_.rows * kernel_.vectors;
  const int free =
      e_.traits().vector_registers - (memory_operand_ ? 0 : kernel_.vectors) - (dot_ ? 1 : 2);
  // Weights straight from memory come slower than two vectors a cycle.
  const int needed = memory_operand_ ? 8 : 12;
  int splits = 1;
  while (chains * splits < needed && 2 * chains * splits <= free && splits < 8) splits *= 2;
  while (fixed() && splits > 1 && splits > kernel_.fixed_groups) splits /= 2;
  return splits;
}

int Generator::Unroll() const {
  int unroll = splits_;
  while (2 * unroll * kernel_.rows * kernel_.vectors <= kDotsPerTurn &&
         2 * unroll * GroupWeightBytes() <= kMostBytesPerTurn) {
    unroll *= 2;
  }
  return unroll;
}

int Generator::HeadGroups() const {
  // The head takes weights straight from memory, and one register for A. Loads are two for a dot
  // product where a panel is one vector wide: more than the epilogue leaves time for.
  const int registers = splits_ * kernel_.rows * kernel_.vectors + epilogue_.LeastRegisters() + 1;
  if (!dot_ || kernel_.vectors == 1 || splits_ > 1) return 0;
  if (registers > e_.traits().vector_registers) return 0;
  return fixed() ? std::min(kHeadGroups, kernel_.fixed_groups) : kHeadGroups;
}

void Generator::Generate() {
  e_.EnterFrame({tiles_, row_offset_, columns_, residual_, scratch_, product_scratch_});
  epilogue_.Prepare();
  e_.mov(stride_, Argument(offsetof(GemmArguments, input_stride)));
  for (int split = 0; split < splits_; ++split) {
    accumulators_.emplace_back();
    for (int row = 0; row < kernel_.rows; ++row) {
      accumulators_.back().push_back(e_.vectors().Take(kernel_.vectors));
    }
  }
  for (int split = 1; split < splits_; ++split) ReleaseSplit(split);
  Label tile, done;
  FirstTile();
  e_.L(tile);
  narrow() ? NarrowProduct() : Product();
  AddSplits();
  if (kernel_.outliers) Outliers();
  if (kernel_.injects) FlipBits();
  if (kernel_.sums_rows) SumRows();
  NextTile(done);
  e_.jmp(tile, Emitter::T_NEAR);
  e_.L(done);
  e_.LeaveFrame();
}

void Generator::FirstTile() {
  e_.mov(columns_, Argument(offsetof(GemmArguments, columns)));
  e_.mov(output_, Argument(offsetof(GemmArguments, output)));
  e_.mov(residual_, Argument(offsetof(GemmArguments, residual)));
  e_.mov(tiles_, Argument(offsetof(GemmArguments, tiles)));
  e_.xor_(row_offset_, row_offset_);
  e_.mov(scratch_, Argument(offsetof(GemmArguments, input)));
  e_.mov(Argument(offsetof(GemmArguments, tile_input)), scratch_);
  epilogue_.StartPanel(columns_);
  PointAtTile();
  for (const std::vector<Vec>& row : accumulators_[0]) epilogue_.StartRow(row, columns_);
  StartSplits();
  if (!fixed()) {
    e_.mov(counter_, Argument(offsetof(GemmArguments, groups)));
  } else if (head_groups_ > 0) {
    const Vec a = e_.vectors().Take();
    Head(a, 0, kernel_.rows);
    e_.vectors().Release(a);
    Advance(head_groups_);
  }
}

void Generator::NextTile(Label& done) {
  epilogue_.LoadMultipliers();
  // Where the next tile is. What belongs to the present one stays in registers until its rows have
  // been stored: columns_, output_, residual_ and row_offset_.
  Label next_panel, located;
  e_.dec(tiles_);
  e_.jz(next_panel);
  e_.imul(scratch_, stride_, kernel_.rows);
  e_.add(Argument(offsetof(GemmArguments, tile_input)), scratch_);
  e_.mov(next_columns_, columns_);
  e_.lea(next_row_offset_, e_.ptr[row_offset_ + 4 * kernel_.rows]);
  e_.jmp(located, Emitter::T_NEAR);
  e_.L(next_panel);
  NextPanel();
  e_.L(located);
  PointAtTile();

  epilogue_.Begin();
  const Vec a = head_groups_ > 0 ? e_.vectors().Take() : Vec();
  for (int row = 0; row < kernel_.rows; row += epilogue_.RowsAtOnce()) {
    const int end = std::min(kernel_.rows, row + epilogue_.RowsAtOnce());
    epilogue_.StoreRows({accumulators_[0].begin() + row, accumulators_[0].begin() + end}, row);
    Label was_last;
    e_.test(tiles_, tiles_);
    e_.jz(was_last, Emitter::T_NEAR);
    for (int i = row; i < end; ++i) {
      epilogue_.StartRow(accumulators_[0][static_cast<size_t>(i)], next_columns_);
    }
    if (head_groups_ > 0) Head(a, row, end);
    e_.L(was_last);
  }
  if (head_groups_ > 0) e_.vectors().Release(a);
  epilogue_.End();
  e_.test(tiles_, tiles_);
  e_.jz(done, Emitter::T_NEAR);

  Label same_panel;
  StartSplits();
  Advance(head_groups_);
  e_.mov(columns_, next_columns_);
  e_.mov(row_offset_, next_row_offset_);
  e_.test(row_offset_, row_offset_);
  e_.jnz(same_panel);
  e_.mov(output_, Argument(offsetof(GemmArguments, output)));
  e_.mov(residual_, Argument(offsetof(GemmArguments, residual)));
  e_.L(same_panel);
  if (!fixed()) {
    e_.mov(counter_, Argument(offsetof(GemmArguments, groups)));
    e_.sub(counter_, head_groups_);
  }
}

// Leaves tiles_ at 0 where there is none.
void Generator::NextPanel() {
  const auto advance = [&](size_t argument, int bytes) {
    e_.add(e_.qword[arguments_ + static_cast<int>(argument)], bytes);
  };
  Label none;
  if (kernel_.summation == Summation::kNarrow) {
    e_.mov(Argument(offsetof(GemmArguments, weights)), weights_);
  } else {
    e_.mov(scratch_, Argument(offsetof(GemmArguments, weights_stride)));
    e_.add(Argument(offsetof(GemmArguments, weights)), scratch_);
  }
  advance(offsetof(GemmArguments, columns),
          ColumnFieldCount(kernel_) * kernel_.vectors * e_.vector_bytes());
  const int columns = kernel_.vectors * e_.lanes();
  advance(offsetof(GemmArguments, output), columns * DataTypeSize(kernel_.output));
  // Without a residual it points nowhere.
  advance(offsetof(GemmArguments, residual), columns * std::max(1, DataTypeSize(kernel_.residual)));
  e_.dec(e_.qword[arguments_ + offsetof(GemmArguments, panels)]);
  e_.jz(none, Emitter::T_NEAR);
  e_.mov(tiles_, Argument(offsetof(GemmArguments, tiles)));
  e_.mov(scratch_, Argument(offsetof(GemmArguments, input)));
  e_.mov(Argument(offsetof(GemmArguments, tile_input)), scratch_);
  e_.mov(next_columns_, Argument(offsetof(GemmArguments, columns)));
  e_.xor_(next_row_offset_, next_row_offset_);
  epilogue_.StartPanel(next_columns_);
  e_.L(none);
}

void Generator::PointAtTile() {
  e_.mov(weights_, Argument(offsetof(GemmArguments, weights)));
  input_.PointAt(Argument(offsetof(GemmArguments, tile_input)), scratch_);
}

void Generator::StartSplits() {
  for (int split = 1; split < splits_; ++split) {
    for (const std::vector<Vec>& row : accumulators_[static_cast<size_t>(split)]) {
      e_.vectors().Reserve(row);
      for (Vec v : row) e_.Zero(v);
    }
  }
}

void Generator::Head(Vec a, int begin, int end) {
  for (int row = begin; row < end; ++row) {
    for (int group = 0; group < head_groups_; ++group) {
      e_.Broadcast32(a, input_.At(row, group * kInputGroupBytes));
      for (int v = 0; v < kernel_.vectors; ++v) {
        e_.DotU8S8(accumulators_[0][static_cast<size_t>(row)][static_cast<size_t>(v)], a,
                   e_.ptr[weights_ + group * GroupWeightBytes() + v * VectorWeightBytes()]);
      }
    }
  }
}

void Generator::Product() {
  jit::RegisterPool& pool = e_.vectors();
  a_ = pool.Take();
  if (!memory_operand_) b_ = pool.Take(kernel_.vectors);
  if (!dot_) product_ = pool.Take();
  if (fixed()) {
    Groups(kernel_.fixed_groups - head_groups_, Prefetch::kNone);
  } else {
    if (kernel_.prefetch) {
      Label near, done;
      e_.mov(product_scratch_, Argument(offsetof(GemmArguments, prefetch_tiles)));
      e_.sub(product_scratch_, tiles_);
      e_.jl(near, Emitter::T_NEAR);
      e_.imul(product_scratch_, Argument(offsetof(GemmArguments, groups)));
      e_.imul(product_scratch_, Argument(offsetof(GemmArguments, prefetch_per_group)));
      e_.imul(scratch_, Argument(offsetof(GemmArguments, prefetch_per_group)),
              Unroll() / PrefetchesPerTurn());
      e_.add(product_scratch_, weights_);
      e_.add(product_scratch_, Argument(offsetof(GemmArguments, weights_stride)));
      WholeTurns(Prefetch::kNextPanel);
      e_.jmp(done, Emitter::T_NEAR);
      e_.L(near);
      WholeTurns(Prefetch::kNear);
      e_.L(done);
    } else {
      WholeTurns(Prefetch::kNone);
    }
    Rest();
  }
  if (kernel_.k_tail != 0) KTail();
  pool.Release(a_);
  if (!memory_operand_) pool.Release(b_);
  if (!dot_) pool.Release(product_);
}

void Generator::NarrowProduct() {
  const GemmSections::Accumulators& sums = accumulators_[0];
  if (kernel_.summation == Summation::kSaturating) {
    sections_.Saturating(sums, [&](int row, Vec to) { BroadcastTail(row, to); });
    return;
  }
  sections_.NarrowSteps(sums);
  sections_.WideGroups(sums);
}

void Generator::Outliers() {
  for (int v = 0; v < kernel_.vectors; ++v) {
    GemmSections::Accumulators sums;
    for (const std::vector<Vec>& row : accumulators_[0])
      sums.push_back({row[static_cast<size_t>(v)]});
    sections_.WideGroups(sums);
  }
}

// As many turns as the groups that are left, and the counter at what then is left.
void Generator::WholeTurns(Prefetch prefetch) {
  const int unroll = Unroll();
  Label turn, rest;
  e_.sub(counter_, unroll);
  e_.jl(rest, Emitter::T_NEAR);
  e_.align(32);
  e_.L(turn);
  Groups(unroll, prefetch);
  e_.sub(counter_, unroll);
  e_.jge(turn, Emitter::T_NEAR);
  e_.L(rest);
  e_.add(counter_, unroll);
}

void Generator::Groups(int groups, Prefetch prefetch) {
  for (int group = 0; group < groups; ++group) {
    const int offset = group * GroupWeightBytes();
    if (prefetch == Prefetch::kNear) {
      for (int line = 0; line < GroupWeightBytes(); line += 64) {
        e_.prefetcht0(e_.ptr[weights_ + offset + line + kNearBytes]);
      }
    } else if (prefetch == Prefetch::kNextPanel && group % (groups / PrefetchesPerTurn()) == 0) {
      e_.prefetcht1(e_.ptr[product_scratch_]);
      e_.add(product_scratch_, scratch_);
    }
    Multiply(group % splits_, weights_ + offset,
             [&](int row) { e_.Broadcast32(a_, input_.At(row, group * kInputGroupBytes)); });
  }
  Advance(groups);
}

void Generator::Advance(int groups) {
  if (groups == 0) return;
  e_.add(weights_, groups * GroupWeightBytes());
  input_.Advance(groups * kInputGroupBytes);
}

void Generator::KTail() {
  Multiply(0, weights_, [&](int row) { BroadcastTail(row, a_); });
  // Outliers come next.
  if (kernel_.outliers) e_.add(weights_, GroupWeightBytes());
}

// The last 1 to 3 bytes of a row, and not a byte behind them; what the register holds beyond them
// meets weights of zero.
void Generator::BroadcastTail(int row, Vec to) {
  const qforge_xbyak::Reg32 value = scratch_.cvt32();
  const qforge_xbyak::Reg32 last = product_scratch_.cvt32();
  if (kernel_.k_tail == 1) {
    Address byte = input_.At(row, 0);
    e_.movzx(value, e_.byte[byte.getRegExp()]);
  } else {
    e_.movzx(value, e_.word[input_.At(row, 0).getRegExp()]);
    if (kernel_.k_tail == 3) {
      e_.movzx(last, e_.byte[input_.At(row, 2).getRegExp()]);
      e_.shl(last, 16);
      e_.or_(value, last);
    }
  }
  e_.Broadcast32(to, value);
}

// As many groups as the counter says, one a turn.
void Generator::Rest() {
  Label turn, done;
  e_.test(counter_, counter_);
  e_.jz(done, Emitter::T_NEAR);
  e_.L(turn);
  Groups(1, Prefetch::kNone);
  e_.dec(counter_);
  e_.jnz(turn, Emitter::T_NEAR);
  e_.L(done);
}

template <class Broadcast>
void Generator::Multiply(int split, const RegisterSum& weights_at, Broadcast&& broadcast) {
  const auto weights = [&](int v) { return e_.ptr[weights_at + v * VectorWeightBytes()]; };
  for (int v = 0; v < kernel_.vectors && !memory_operand_; ++v) {
    const Vec b = b_[static_cast<size_t>(v)];
    dot_ ? e_.Load(b, weights(v)) : e_.LoadWidenS8(b, weights(v));
  }
  for (int row = 0; row < kernel_.rows; ++row) {
    broadcast(row);
    for (int v = 0; v < kernel_.vectors; ++v) {
      const Vec accumulator = accumulators_[static_cast<size_t>(split)][static_cast<size_t>(row)]
                                           [static_cast<size_t>(v)];
      if (memory_operand_) {
        e_.DotU8S8(accumulator, a_, weights(v));
      } else if (dot_) {
        e_.DotU8S8(accumulator, a_, e_.Full(b_[static_cast<size_t>(v)]));
      } else {
        e_.DotS16(accumulator, a_, e_.Full(b_[static_cast<size_t>(v)]), product_);
      }
    }
  }
}

void Generator::ReleaseSplit(int split) {
  for (const auto& row : accumulators_[static_cast<size_t>(split)]) e_.vectors().Release(row);
}

void Generator::AddSplits() {
  for (int distance = splits_ / 2; distance >= 1; distance /= 2) {
    for (int split = 0; split < distance; ++split) {
      for (int row = 0; row < kernel_.rows; ++row) {
        for (int v = 0; v < kernel_.vectors; ++v) {
          const auto at = [&](int from) {
            return accumulators_[static_cast<size_t>(from)][static_cast<size_t>(row)]
                                [static_cast<size_t>(v)];
          };
          e_.Add32(at(split), at(split), e_.Full(at(split + distance)));
        }
      }
    }
  }
  for (int split = 1; split < splits_; ++split) ReleaseSplit(split);
}

void Generator::FlipBits() {
  Label other_panel;
  e_.mov(scratch_, Argument(offsetof(GemmArguments, flip_weights)));
  e_.cmp(scratch_, Argument(offsetof(GemmArguments, weights)));
  e_.jne(other_panel, Emitter::T_NEAR);
  e_.mov(scratch_, Argument(offsetof(GemmArguments, flip_row)));
  e_.sub(scratch_, row_offset_);
  for (int row = 0; row < kernel_.rows; ++row) {
    Label other_row;
    e_.cmp(scratch_, 4 * row);
    e_.jne(other_row, Emitter::T_NEAR);
    for (int v = 0; v < kernel_.vectors; ++v) {
      const Vec accumulator = accumulators_[0][static_cast<size_t>(row)][static_cast<size_t>(v)];
      const size_t offset = offsetof(GemmArguments, flips) +
                            static_cast<size_t>(v) * static_cast<size_t>(e_.vector_bytes());
      e_.Xor(accumulator, accumulator, Argument(offset));
    }
    e_.L(other_row);
  }
  e_.L(other_panel);
}

// The additions find room between the last products, which no longer keep all pipes busy.
void Generator::SumRows() {
  const Vec sum = e_.vectors().Take();
  e_.imul(scratch_, row_offset_, e_.vector_bytes() / 4);
  e_.add(scratch_, Argument(offsetof(GemmArguments, row_sums)));
  for (int row = 0; row < kernel_.rows; ++row) {
    const std::vector<Vec>& accumulators = accumulators_[0][static_cast<size_t>(row)];
    const Address at = e_.ptr[scratch_ + row * e_.vector_bytes()];
    e_.Add32(sum, accumulators[0], at);
    for (size_t v = 1; v < accumulators.size(); ++v) {
      e_.Add32(sum, sum, e_.Full(accumulators[v]));
    }
    e_.Store(at, sum);
  }
  e_.vectors().Release(sum);
}

}  // namespace

Result<jit::CodeBytes> EmitGemmKernel(const GemmKernel& kernel) noexcept {
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
  } catch (const std::bad_alloc&) {  // the name
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
