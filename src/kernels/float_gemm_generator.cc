// Emits the loops of the float micro-kernel; float_gemm_epilogue.cc emits what follows the product.
#include <algorithm>
#include <cstddef>
#include <functional>
#include <new>
#include <vector>

#include "jit/emitter.h"
#include "kernels/float_gemm_epilogue.h"
#include "kernels/float_gemm_kernel.h"
#include "kernels/gemm_tile_input.h"

namespace qforge::kernels {
namespace {

using jit::Address;
using jit::AddressTerms;
using jit::Emitter;
using jit::Label;
using jit::Register;
using jit::Vec;
using Gpr = qforge_xbyak::Operand;

// Steps are unrolled so that a turn of the loop holds about so many multiplications.
constexpr int kProductsPerTurn = 48;
constexpr int kMostStepsPerTurn = 8;

// Of rows of A, that are so short, so many lines are prefetched so many tiles ahead.
constexpr int kRowPrefetchTiles = 4;
constexpr int kRowPrefetchLines = 2;

class Generator {
 public:
  Generator(Emitter& emitter, const FloatGemmKernel& kernel)
      : e_(emitter),
        kernel_(kernel),
        // Rows of each part have a pointer of their own.
        input_(emitter,
               kernel.split() ? TileInput::kRowsPerPointer * (kernel.streams - 1) + kernel.rows
                              : kernel.rows,
               stride_,
               {Register(Gpr::R8), Register(Gpr::R9), Register(Gpr::R10), Register(Gpr::R11)}),
        epilogue_(emitter, kernel, {arguments_, output_, residual_, counter_, scratch_}) {}

  void Generate();

 private:
  using Sums = std::vector<std::vector<Vec>>;  // by row, and by vector of a stream

  // Bytes of a vector of weights, and of a step of a panel.
  int VectorBytes() const {
    return kernel_.weights == DataType::kF16 ? e_.vector_bytes() / 2 : e_.vector_bytes();
  }
  int StepBytes() const { return kernel_.vectors * VectorBytes(); }
  int InputBytes() const { return kernel_.step_inputs() * (kernel_.dot ? 2 : 4); }
  int StepsPerTurn() const;

  void PointAtTile();
  void Tile();
  // All steps from where the pointers stand.
  void Loop(int streams, const Address& count);
  // The steps that only the last part has.
  void Rest();
  void Steps(int count, int first_stream, int streams);
  // One step, `step` steps behind where the pointers stand; or its first k only.
  void Step(int step, int first_stream, int streams, bool whole);
  // How many streams can hold their vectors of B at the same time, to share the broadcasts of A.
  int StreamsTogether() const;
  // The multiplications by one k of a step, or by both if `dot`, in some streams; `first`: of the
  // step.
  void Multiply(int first_stream, int streams, int step, int k, bool whole, bool first);
  void LoadWeights(Vec to, const AddressTerms& from, int k);
  void Advance(int steps);
  // Adds the sums of parts: of the streams, or to and from memory.
  void AddStreams();
  void AddToTotals();
  // Streams that stand for columns of their own.
  int OutputStreams() const { return kernel_.split() ? 1 : kernel_.streams; }
  void FlipBits();
  void SumRows();
  void ForEachSum(int stream, const std::function<void(Vec sum, int index)>& visit);

  AddressTerms Weights(int stream, int offset) const;
  Address Input(int stream, int row, int offset) const {
    return input_.At(kernel_.split() ? stream * TileInput::kRowsPerPointer + row : row, offset);
  }
  Address Argument(size_t offset) const { return e_.ptr[arguments_ + static_cast<int>(offset)]; }

  Emitter& e_;
  const FloatGemmKernel& kernel_;

  const Register arguments_{Gpr::RDI};
  const Register weights_{Gpr::RSI};
  const Register stride_{Gpr::RDX};
  const Register output_{Gpr::RCX};
  const Register counter_{Gpr::RAX};
  const Register tiles_{Gpr::RBP};
  const Register stream_stride_{Gpr::R12};
  const Register fourth_stream_{Gpr::R13};
  const Register residual_{Gpr::R14};
  const Register scratch_{Gpr::R15};
  TileInput input_;
  FloatEpilogue epilogue_;
  std::vector<Sums> sums_;  // by stream
  std::vector<Vec> b_;
  Vec a_;
};

int Generator::StepsPerTurn() const {
  const int products =
      kernel_.rows * kernel_.vectors * kernel_.streams * (kernel_.dot ? 1 : kernel_.step_inputs());
  int steps = 1;
  while (2 * steps * products <= kProductsPerTurn && steps < kMostStepsPerTurn) steps *= 2;
  return steps;
}

void Generator::Generate() {
  e_.EnterFrame({tiles_, stream_stride_, fourth_stream_, residual_, scratch_});
  epilogue_.Prepare();
  e_.mov(stride_, Argument(offsetof(FloatGemmArguments, input_stride)));
  if (kernel_.streams > 1) {
    e_.mov(stream_stride_, Argument(offsetof(FloatGemmArguments, stream_bytes)));
  }
  for (int stream = 0; stream < kernel_.streams; ++stream) {
    sums_.emplace_back();
    for (int row = 0; row < kernel_.rows; ++row) {
      sums_.back().push_back(e_.vectors().Take(kernel_.vectors));
    }
  }
  const auto advance = [&](size_t argument, int bytes) {
    e_.add(e_.qword[arguments_ + static_cast<int>(argument)], bytes);
  };
  Label panel, tile;
  e_.L(panel);
  e_.mov(output_, Argument(offsetof(FloatGemmArguments, output)));
  e_.mov(residual_, Argument(offsetof(FloatGemmArguments, residual)));
  e_.mov(tiles_, Argument(offsetof(FloatGemmArguments, tiles)));
  e_.mov(scratch_, Argument(offsetof(FloatGemmArguments, input)));
  e_.mov(Argument(offsetof(FloatGemmArguments, tile_input)), scratch_);
  if (kernel_.sums_rows) {
    e_.mov(scratch_, Argument(offsetof(FloatGemmArguments, row_sums)));
    e_.mov(Argument(offsetof(FloatGemmArguments, tile_row_sums)), scratch_);
  }
  e_.L(tile);
  PointAtTile();
  Tile();
  if (kernel_.injects) FlipBits();
  if (kernel_.sums_rows) SumRows();
  epilogue_.Begin();
  for (int stream = 0; stream < OutputStreams(); ++stream) {
    epilogue_.BeginStream(stream);
    for (const std::vector<Vec>& row : sums_[static_cast<size_t>(stream)]) epilogue_.Row(row);
  }
  epilogue_.End();
  e_.imul(scratch_, stride_, kernel_.rows);
  e_.add(Argument(offsetof(FloatGemmArguments, tile_input)), scratch_);
  e_.dec(tiles_);
  e_.jnz(tile, Emitter::T_NEAR);

  e_.mov(scratch_, Argument(offsetof(FloatGemmArguments, weights_stride)));
  e_.add(Argument(offsetof(FloatGemmArguments, weights)), scratch_);
  const int columns = kernel_.vectors * e_.lanes();
  advance(offsetof(FloatGemmArguments, bias), columns * 4);
  advance(offsetof(FloatGemmArguments, output), columns * DataTypeSize(kernel_.output));
  advance(offsetof(FloatGemmArguments, residual), columns * DataTypeSize(kernel_.residual));
  e_.dec(e_.qword[arguments_ + offsetof(FloatGemmArguments, panels)]);
  e_.jnz(panel, Emitter::T_NEAR);
  e_.LeaveFrame();
}

void Generator::PointAtTile() {
  e_.mov(weights_, Argument(offsetof(FloatGemmArguments, weights)));
  if (kernel_.streams > 3) {
    e_.lea(fourth_stream_, e_.ptr[stream_stride_ + stream_stride_ * 2]);
    e_.add(fourth_stream_, weights_);
  }
  const Address first = Argument(offsetof(FloatGemmArguments, tile_input));
  if (kernel_.split()) {
    input_.PointAt(first, Argument(offsetof(FloatGemmArguments, part_input_bytes)));
  } else {
    input_.PointAt(first, scratch_);
    if (kernel_.prefetch_rows) {
      input_.PrefetchRows(kernel_.rows, kRowPrefetchTiles, kRowPrefetchLines, scratch_);
    }
  }
}

void Generator::Tile() {
  const auto zero = [&] {
    for (int stream = 0; stream < kernel_.streams; ++stream) {
      ForEachSum(stream, [&](Vec sum, int) { e_.Zero(sum); });
    }
  };
  a_ = e_.vectors().Take();
  b_ = e_.vectors().Take(StreamsTogether() * kernel_.vectors);
  if (kernel_.parts == 1 || kernel_.split()) {
    zero();
    Loop(kernel_.streams, Argument(offsetof(FloatGemmArguments, steps)));
    Rest();
    if (kernel_.split()) AddStreams();
  } else {
    // Part after part, each begun from 0 and added to what those before it gave.
    Label part, last;
    e_.mov(e_.qword[arguments_ + offsetof(FloatGemmArguments, parts_left)], kernel_.parts);
    e_.L(part);
    zero();
    Loop(1, Argument(offsetof(FloatGemmArguments, steps)));
    e_.dec(e_.qword[arguments_ + offsetof(FloatGemmArguments, parts_left)]);
    e_.jz(last, Emitter::T_NEAR);
    AddToTotals();
    e_.jmp(part, Emitter::T_NEAR);
    e_.L(last);
    Rest();
    ForEachSum(0, [&](Vec sum, int index) {
      e_.AddF32(sum, sum,
                Argument(offsetof(FloatGemmArguments, totals) +
                         static_cast<size_t>(index * e_.vector_bytes())));
    });
  }
  e_.vectors().Release(a_);
  e_.vectors().Release(b_);
}

void Generator::Loop(int streams, const Address& count) {
  const int unroll = StepsPerTurn();
  Label turn, single, rest, done;
  e_.mov(counter_, count);
  e_.sub(counter_, unroll);
  e_.jl(rest, Emitter::T_NEAR);
  e_.align(32);
  e_.L(turn);
  Steps(unroll, 0, streams);
  e_.sub(counter_, unroll);
  e_.jge(turn, Emitter::T_NEAR);
  e_.L(rest);
  if (unroll > 1) {
    e_.add(counter_, unroll);
    e_.jz(done, Emitter::T_NEAR);
    e_.L(single);
    Steps(1, 0, streams);
    e_.dec(counter_);
    e_.jnz(single, Emitter::T_NEAR);
    e_.L(done);
  }
}

void Generator::Rest() {
  const int last = kernel_.split() ? kernel_.streams - 1 : 0;
  const int streams = kernel_.split() ? 1 : kernel_.streams;
  Label step, done;
  e_.mov(counter_, Argument(offsetof(FloatGemmArguments, rest)));
  e_.test(counter_, counter_);
  e_.jz(done, Emitter::T_NEAR);
  e_.L(step);
  Steps(1, last, streams);
  e_.dec(counter_);
  e_.jnz(step, Emitter::T_NEAR);
  e_.L(done);
  if (kernel_.odd) Step(0, last, streams, false);
}

void Generator::Steps(int count, int first_stream, int streams) {
  for (int step = 0; step < count; ++step) Step(step, first_stream, streams, true);
  Advance(count);
}

void Generator::Advance(int steps) {
  e_.add(weights_, steps * StepBytes());
  if (kernel_.streams > 3) e_.add(fourth_stream_, steps * StepBytes());
  input_.Advance(steps * InputBytes());
}

AddressTerms Generator::Weights(int stream, int offset) const {
  switch (stream) {
    case 0:
      return weights_ + offset;
    case 3:
      return fourth_stream_ + offset;
    default:
      return weights_ + stream_stride_ * stream + offset;
  }
}

void Generator::Step(int step, int first_stream, int streams, bool whole) {
  const int end = first_stream + streams;
  const int offset = step * StepBytes();
  // Where a line holds several steps, once per line.
  const bool new_line = StepBytes() >= 64 || offset % 64 == 0;
  const bool prefetch = kernel_.prefetch_bytes != 0 && whole && new_line;
  const int ahead = kernel_.prefetch_bytes / kernel_.streams;
  for (int stream = first_stream; prefetch && stream < end; ++stream) {
    for (int line = 0; line < StepBytes(); line += 64) {
      e_.prefetcht0(e_.ptr[Weights(stream, offset + line + ahead)]);
    }
  }
  const int inputs = kernel_.dot || !whole ? 1 : kernel_.step_inputs();
  for (int k = 0; k < inputs; ++k) {
    const int together = StreamsTogether();
    for (int stream = first_stream; stream < end; stream += together) {
      Multiply(stream, std::min(together, end - stream), step, k, whole, stream == first_stream);
    }
  }
}

void Generator::LoadWeights(Vec to, const AddressTerms& from, int k) {
  switch (kernel_.weights) {
    case DataType::kF16:
      e_.ConvertF16ToF32(to, e_.ptr[from]);
      return;
    case DataType::kBF16:
      if (kernel_.dot) return e_.Load(to, e_.ptr[from]);
      k == 0 ? e_.LoadLowerBF16(to, e_.ptr[from]) : e_.LoadUpperBF16(to, e_.ptr[from]);
      return;
    default:
      e_.Load(to, e_.ptr[from]);
  }
}

int Generator::StreamsTogether() const {
  // One row needs each vector of B once.
  if (kernel_.split() || kernel_.rows == 1) return 1;
  const int all =
      kernel_.rows * kernel_.vectors * kernel_.streams + kernel_.vectors * kernel_.streams;
  return all < e_.traits().vector_registers ? kernel_.streams : 1;
}

void Generator::Multiply(int first_stream, int streams, int step, int k, bool whole, bool first) {
  // One row uses each vector of f32 once: straight from memory.
  const bool memory_operand =
      kernel_.rows == 1 && (kernel_.weights == DataType::kF32 || kernel_.dot);
  const auto from = [&](int stream, int v) {
    return Weights(stream, step * StepBytes() + v * VectorBytes());
  };
  const auto b = [&](int stream, int v) {
    return b_[static_cast<size_t>((stream - first_stream) * kernel_.vectors + v)];
  };
  const auto for_each_vector = [&](const auto& visit) {
    for (int stream = first_stream; stream < first_stream + streams; ++stream) {
      for (int v = 0; v < kernel_.vectors; ++v) visit(stream, v);
    }
  };
  if (!memory_operand) {
    for_each_vector([&](int stream, int v) { LoadWeights(b(stream, v), from(stream, v), k); });
  }
  for (int row = 0; row < kernel_.rows; ++row) {
    // Panels side by side share A.
    const bool loaded = !kernel_.split() && kernel_.rows == 1 && !first;
    const Address a = Input(first_stream, row, step * InputBytes() + (kernel_.dot ? 0 : 4 * k));
    if (!loaded && kernel_.dot && !whole) {
      e_.movzx(scratch_.cvt32(), e_.word[a.getRegExp()]);
      e_.Broadcast32(a_, scratch_.cvt32());
    } else if (!loaded) {
      e_.Broadcast32(a_, a);
    }
    for_each_vector([&](int stream, int v) {
      const Vec sum =
          sums_[static_cast<size_t>(stream)][static_cast<size_t>(row)][static_cast<size_t>(v)];
      const auto multiply = [&](const qforge_xbyak::Operand& operand) {
        kernel_.dot ? e_.DotBF16(sum, a_, operand) : e_.FmaAddF32(sum, a_, operand);
      };
      if (memory_operand) {
        multiply(e_.ptr[from(stream, v)]);
      } else {
        multiply(e_.Full(b(stream, v)));
      }
    });
  }
}

void Generator::ForEachSum(int stream, const std::function<void(Vec sum, int index)>& visit) {
  int index = 0;
  for (const std::vector<Vec>& row : sums_[static_cast<size_t>(stream)]) {
    for (Vec sum : row) visit(sum, index++);
  }
}

void Generator::AddStreams() {
  for (int stream = 1; stream < kernel_.streams; ++stream) {
    std::vector<Vec> totals;
    ForEachSum(0, [&](Vec sum, int) { totals.push_back(sum); });
    ForEachSum(stream, [&](Vec sum, int index) {
      const Vec total = totals[static_cast<size_t>(index)];
      e_.AddF32(total, total, e_.Full(sum));
    });
  }
}

void Generator::AddToTotals() {
  // The first part's sums are the totals so far.
  Label first;
  const auto total = [&](int index) {
    return Argument(offsetof(FloatGemmArguments, totals) +
                    static_cast<size_t>(index * e_.vector_bytes()));
  };
  e_.cmp(e_.qword[arguments_ + offsetof(FloatGemmArguments, parts_left)], kernel_.parts - 1);
  e_.je(first, Emitter::T_NEAR);
  ForEachSum(0, [&](Vec sum, int index) { e_.AddF32(sum, sum, total(index)); });
  e_.L(first);
  ForEachSum(0, [&](Vec sum, int index) { e_.Store(total(index), sum); });
}

void Generator::FlipBits() {
  const int size = DataTypeSize(kernel_.output);
  const int missing = kernel_.tail_lanes == 0 ? 0 : e_.lanes() - kernel_.tail_lanes;
  const int columns = kernel_.vectors * e_.lanes() - missing;
  for (int stream = 0; stream < OutputStreams(); ++stream) {
    // Where the output of the fault is, seen from a row.
    e_.mov(scratch_, Argument(offsetof(FloatGemmArguments, flip_output)));
    e_.sub(scratch_, output_);
    if (stream > 0) {
      e_.imul(counter_, Argument(offsetof(FloatGemmArguments, stream_columns)), stream * size);
      e_.sub(scratch_, counter_);
    }
    for (int row = 0; row < kernel_.rows; ++row) {
      Label elsewhere;
      if (row > 0) e_.sub(scratch_, Argument(offsetof(FloatGemmArguments, output_stride)));
      e_.mov(counter_, scratch_);
      e_.cmp(counter_, columns * size);
      e_.jae(elsewhere, Emitter::T_NEAR);
      e_.neg(counter_);
      if (size == 2) e_.add(counter_, counter_);
      e_.add(counter_, arguments_);
      const std::vector<Vec>& sums = sums_[static_cast<size_t>(stream)][static_cast<size_t>(row)];
      for (int v = 0; v < kernel_.vectors; ++v) {
        const Vec sum = sums[static_cast<size_t>(v)];
        const size_t offset = offsetof(FloatGemmArguments, flips) +
                              static_cast<size_t>(4 * kMostFloatColumns + v * e_.vector_bytes());
        e_.Xor(sum, sum, e_.ptr[counter_ + static_cast<int>(offset)]);
      }
      e_.L(elsewhere);
    }
  }
}

void Generator::SumRows() {
  const Vec total = e_.vectors().Take();
  e_.mov(scratch_, Argument(offsetof(FloatGemmArguments, tile_row_sums)));
  for (int row = 0; row < kernel_.rows; ++row) {
    const Address at = e_.ptr[scratch_ + row * e_.vector_bytes()];
    e_.Load(total, at);
    for (int stream = 0; stream < OutputStreams(); ++stream) {
      for (Vec sum : sums_[static_cast<size_t>(stream)][static_cast<size_t>(row)]) {
        e_.AddF32(total, total, e_.Full(sum));
      }
    }
    e_.Store(at, total);
  }
  e_.vectors().Release(total);
  e_.add(scratch_, kernel_.rows * e_.vector_bytes());
  e_.mov(Argument(offsetof(FloatGemmArguments, tile_row_sums)), scratch_);
}

}  // namespace

Result<jit::CodeBytes> EmitFloatGemmKernel(const FloatGemmKernel& kernel) noexcept {
  try {
    return jit::Emit(kernel.isa, kernel.Name(),
                     [&](Emitter& emitter) { Generator(emitter, kernel).Generate(); });
  } catch (const std::bad_alloc&) {  // the name
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory to emit a kernel");
  }
}

}  // namespace qforge::kernels
