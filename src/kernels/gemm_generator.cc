// Emits the loops of the int8 micro-kernel; gemm_epilogue.cc emits what follows the product.
#include <cstddef>
#include <vector>

#include "jit/emitter.h"
#include "kernels/gemm_epilogue.h"
#include "kernels/gemm_kernel.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;
using RegisterSum = qforge_xbyak::RegExp;

constexpr int kGroupBytes = 4;      // of a row of A: four u8, or two s16
constexpr int kRowsPerPointer = 3;  // addressed as base, base + stride, base + 2 * stride

// Without a fixed count, groups are unrolled so that a turn holds about so many dot products.
constexpr int kDotsPerTurn = 48;

// Hardware prefetchers follow each load instruction by itself, and give up where it steps 2 KiB or
// more from one turn to the next: with 32 lines a turn, weights stream at half the rate.
constexpr int kMostBytesPerTurn = 1024;

class Generator {
 public:
  Generator(Emitter& emitter, const GemmKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        vnni_(emitter.traits().vnni),
        memory_operand_(kernel.rows == 1 && vnni_),
        splits_(Splits()),
        epilogue_(emitter, kernel,
                  {arguments_, columns_, output_, residual_, row_offset_, scratch_}) {}

  void Generate();

 private:
  int Splits() const;
  int Unroll() const;
  int VectorWeightBytes() const { return vnni_ ? e_.vector_bytes() : e_.vector_bytes() / 2; }
  int GroupWeightBytes() const { return kernel_.vectors * VectorWeightBytes(); }

  void Tile();
  void PointAtRows();
  Address InputAt(int row, int offset) const;
  void Product();
  // `groups` groups from where the pointers stand, and the pointers behind them.
  void Groups(int groups);
  void KTail();
  void Rest();
  // Adds the products of one group: the vectors of weights at the address `weights` and the rows of
  // A that `broadcast(row)` puts into a_.
  template <class Broadcast>
  void Multiply(int split, const RegisterSum& weights, Broadcast&& broadcast);

  Address Argument(size_t offset) const { return e_.ptr[arguments_ + static_cast<int>(offset)]; }

  Emitter& e_;
  const GemmKernel& kernel_;
  const bool vnni_;
  // One row uses each vector of B once: straight from memory.
  const bool memory_operand_;

  const Register arguments_{Gpr::RDI};
  const Register weights_{Gpr::RSI};
  const Register stride_{Gpr::RDX};
  const Register output_{Gpr::RCX};
  const Register counter_{Gpr::RAX};
  const Register tiles_{Gpr::RBP};
  const Register row_offset_{Gpr::R12};
  const Register columns_{Gpr::R13};
  const Register residual_{Gpr::R14};
  const Register scratch_{Gpr::R15};
  const Register inputs_[4] = {Register(Gpr::R8), Register(Gpr::R9), Register(Gpr::R10),
                               Register(Gpr::R11)};
  const Register byte_scratch_{Gpr::RBX};  // how far ahead to prefetch, until KTail

  const int splits_;
  GemmEpilogue epilogue_;
  std::vector<std::vector<Vec>> accumulators_;  // by split; then row, vector
  std::vector<Vec> b_;
  Vec a_;
  Vec product_;
};

// Independent chains per output, so that few outputs still cover the latency of the dot product: 4
// or 5 cycles at two a cycle.
int Generator::Splits() const {
  const int chains = kernel_.rows * kernel_.vectors;
  const int free =
      e_.traits().vector_registers - (memory_operand_ ? 0 : kernel_.vectors) - (vnni_ ? 1 : 2);
  // Weights straight from memory come slower than two vectors a cycle.
  const int needed = memory_operand_ ? 8 : 12;
  int splits = 1;
  while (chains * splits < needed && 2 * chains * splits <= free && splits < 8) splits *= 2;
  if (kernel_.fixed_groups > 0) {
    while (splits > kernel_.fixed_groups) splits /= 2;
  }
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

void Generator::Generate() {
  e_.EnterFrame({tiles_, row_offset_, columns_, residual_, scratch_, byte_scratch_});
  epilogue_.Prepare();
  e_.mov(stride_, Argument(offsetof(GemmArguments, input_stride)));

  Label panel, tile;
  e_.L(panel);
  e_.mov(counter_, Argument(offsetof(GemmArguments, input)));
  e_.mov(Argument(offsetof(GemmArguments, tile_input)), counter_);
  e_.mov(columns_, Argument(offsetof(GemmArguments, columns)));
  e_.mov(output_, Argument(offsetof(GemmArguments, output)));
  e_.mov(residual_, Argument(offsetof(GemmArguments, residual)));
  e_.mov(tiles_, Argument(offsetof(GemmArguments, tiles)));
  e_.xor_(row_offset_, row_offset_);
  epilogue_.StartPanel();
  e_.L(tile);
  Tile();
  e_.imul(counter_, stride_, kernel_.rows);
  e_.add(Argument(offsetof(GemmArguments, tile_input)), counter_);
  e_.add(row_offset_, 4 * kernel_.rows);
  e_.dec(tiles_);
  e_.jnz(tile, Emitter::T_NEAR);

  const int columns = kernel_.vectors * e_.lanes();
  e_.mov(counter_, Argument(offsetof(GemmArguments, weights_stride)));
  e_.add(Argument(offsetof(GemmArguments, weights)), counter_);
  const auto advance = [&](size_t argument, int bytes) {
    e_.add(e_.qword[arguments_ + static_cast<int>(argument)], bytes);
  };
  advance(offsetof(GemmArguments, columns),
          ColumnFieldCount(kernel_) * kernel_.vectors * e_.vector_bytes());
  advance(offsetof(GemmArguments, output), columns * DataTypeSize(kernel_.output));
  advance(offsetof(GemmArguments, residual), columns);
  e_.dec(e_.qword[arguments_ + offsetof(GemmArguments, panels)]);
  e_.jnz(panel, Emitter::T_NEAR);
  e_.LeaveFrame();
}

void Generator::Tile() {
  jit::RegisterPool& pool = e_.vectors();
  accumulators_.clear();
  for (int split = 0; split < splits_; ++split) {
    accumulators_.push_back(pool.Take(kernel_.rows * kernel_.vectors));
  }
  epilogue_.Start(accumulators_[0]);
  for (int split = 1; split < splits_; ++split) {
    for (Vec accumulator : accumulators_[static_cast<size_t>(split)]) e_.Zero(accumulator);
  }

  a_ = pool.Take();
  if (!memory_operand_) b_ = pool.Take(kernel_.vectors);
  if (!vnni_) product_ = pool.Take();
  PointAtRows();
  e_.mov(weights_, Argument(offsetof(GemmArguments, weights)));
  if (kernel_.prefetch) {
    e_.cmp(tiles_, 1);
    e_.mov(byte_scratch_, Argument(offsetof(GemmArguments, prefetch)));
    e_.cmove(byte_scratch_, Argument(offsetof(GemmArguments, last_tile_prefetch)));
  }
  Product();
  pool.Release(a_);
  if (!memory_operand_) pool.Release(b_);
  if (!vnni_) pool.Release(product_);

  for (int distance = splits_ / 2; distance >= 1; distance /= 2) {
    for (int split = 0; split < distance; ++split) {
      for (size_t i = 0; i < accumulators_[0].size(); ++i) {
        const Vec to = accumulators_[static_cast<size_t>(split)][i];
        e_.Add32(to, to, e_.Full(accumulators_[static_cast<size_t>(split + distance)][i]));
      }
    }
  }
  for (int split = 1; split < splits_; ++split) {
    pool.Release(accumulators_[static_cast<size_t>(split)]);
  }
  epilogue_.Store(accumulators_[0]);
  pool.Release(accumulators_[0]);
}

void Generator::PointAtRows() {
  e_.mov(inputs_[0], Argument(offsetof(GemmArguments, tile_input)));
  if (kernel_.rows > kRowsPerPointer) e_.lea(scratch_, e_.ptr[stride_ + stride_ * 2]);
  for (int i = 1; i * kRowsPerPointer < kernel_.rows; ++i) {
    e_.lea(inputs_[i], e_.ptr[inputs_[i - 1] + scratch_]);
  }
}

Address Generator::InputAt(int row, int offset) const {
  const Register& base = inputs_[row / kRowsPerPointer];
  switch (row % kRowsPerPointer) {
    case 0:
      return e_.ptr[base + offset];
    case 1:
      return e_.ptr[base + stride_ + offset];
    default:
      return e_.ptr[base + stride_ * 2 + offset];
  }
}

void Generator::Product() {
  if (kernel_.fixed_groups > 0) {
    Groups(kernel_.fixed_groups);
  } else {
    const int unroll = Unroll();
    Label turn, rest;
    e_.mov(counter_, Argument(offsetof(GemmArguments, groups)));
    e_.sub(counter_, unroll);
    e_.jl(rest, Emitter::T_NEAR);
    e_.align(32);
    e_.L(turn);
    Groups(unroll);
    e_.sub(counter_, unroll);
    e_.jge(turn, Emitter::T_NEAR);
    e_.L(rest);
    e_.add(counter_, unroll);
    Rest();
  }
  if (kernel_.k_tail != 0) KTail();
}

void Generator::Groups(int groups) {
  for (int group = 0; group < groups; ++group) {
    const int offset = group * GroupWeightBytes();
    if (kernel_.prefetch) {
      for (int line = 0; line < GroupWeightBytes(); line += 64) {
        e_.prefetcht0(e_.ptr[weights_ + byte_scratch_ + offset + line]);
      }
    }
    Multiply(group % splits_, weights_ + offset,
             [&](int row) { e_.Broadcast32(a_, InputAt(row, group * kGroupBytes)); });
  }
  e_.add(weights_, groups * GroupWeightBytes());
  for (int i = 0; i * kRowsPerPointer < kernel_.rows; ++i) {
    e_.add(inputs_[i], groups * kGroupBytes);
  }
}

void Generator::KTail() {
  // The last 1 to 3 bytes of a row, and not a byte behind them; what the register holds beyond them
  // meets weights of zero.
  const qforge_xbyak::Reg32 value = scratch_.cvt32();
  const qforge_xbyak::Reg32 last = byte_scratch_.cvt32();
  Multiply(0, weights_, [&](int row) {
    if (kernel_.k_tail == 1) {
      Address byte = InputAt(row, 0);
      e_.movzx(value, e_.byte[byte.getRegExp()]);
    } else {
      e_.movzx(value, e_.word[InputAt(row, 0).getRegExp()]);
      if (kernel_.k_tail == 3) {
        e_.movzx(last, e_.byte[InputAt(row, 2).getRegExp()]);
        e_.shl(last, 16);
        e_.or_(value, last);
      }
    }
    e_.Broadcast32(a_, value);
  });
}

// As many groups as the counter says, one a turn.
void Generator::Rest() {
  Label turn, done;
  e_.test(counter_, counter_);
  e_.jz(done, Emitter::T_NEAR);
  e_.L(turn);
  Groups(1);
  e_.dec(counter_);
  e_.jnz(turn, Emitter::T_NEAR);
  e_.L(done);
}

template <class Broadcast>
void Generator::Multiply(int split, const RegisterSum& weights_at, Broadcast&& broadcast) {
  const auto weights = [&](int v) { return e_.ptr[weights_at + v * VectorWeightBytes()]; };
  for (int v = 0; v < kernel_.vectors && !memory_operand_; ++v) {
    const Vec b = b_[static_cast<size_t>(v)];
    vnni_ ? e_.Load(b, weights(v)) : e_.LoadWidenS8(b, weights(v));
  }
  for (int row = 0; row < kernel_.rows; ++row) {
    broadcast(row);
    for (int v = 0; v < kernel_.vectors; ++v) {
      const Vec accumulator =
          accumulators_[static_cast<size_t>(split)][static_cast<size_t>(row * kernel_.vectors + v)];
      if (memory_operand_) {
        e_.DotU8S8(accumulator, a_, weights(v));
      } else if (vnni_) {
        e_.DotU8S8(accumulator, a_, e_.Full(b_[static_cast<size_t>(v)]));
      } else {
        e_.DotS16(accumulator, a_, b_[static_cast<size_t>(v)], product_);
      }
    }
  }
}

}  // namespace

Result<jit::CodeBytes> EmitGemmKernel(const GemmKernel& kernel) noexcept {
  return jit::Emit(kernel.isa, kernel.Name(),
                   [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
}

}  // namespace qforge::kernels
