#include "kernels/gemm_sections.h"

#include <cstddef>

#include "base/arithmetic.h"

namespace qforge::kernels {

using jit::Emitter;
using jit::Label;
using jit::Vec;

namespace {

// Weights are prefetched so far ahead of their use. Less is not enough for few rows, whose weights
// come from the third level: between 2 and 8 KiB, 6 rows gain some per cent on average. From the
// second level, more than 2 KiB is worse.
constexpr int kPrefetchBytes = 8192;
constexpr int kNearPrefetchBytes = 2048;

// Products of a vector that a turn of a loop holds at most, unless one entry has more.
constexpr int kProductsPerTurn = 24;

// Of 16 bits.
constexpr uint32_t kOnes = 0x00010001;

}  // namespace

void GemmSections::ForEach(int groups, int bytes, const std::function<void(int first)>& entry) {
  // Entries of a turn: what a loop costs would show where they are short.
  int unroll = 1;
  while (2 * unroll * groups * kernel_.rows * kernel_.vectors <= kProductsPerTurn) unroll *= 2;
  const auto turn = [&](int entries) {
    for (int i = 0; i < entries; ++i) entry(i * groups);
    e_.add(r_.weights, entries * groups * bytes);
    e_.add(r_.position, entries * groups * static_cast<int>(sizeof(int32_t)));
  };
  Label turns, rest, one, done;
  e_.mov(r_.counter, e_.ptr[r_.weights + offsetof(SectionHeader, count)]);
  e_.lea(r_.position, e_.ptr[r_.weights + sizeof(SectionHeader)]);
  e_.add(r_.weights, e_.ptr[r_.weights + offsetof(SectionHeader, weights_from)]);
  if (unroll > 1) {
    e_.sub(r_.counter, unroll);
    e_.jl(rest, Emitter::T_NEAR);
    e_.align(32);
    e_.L(turns);
    turn(unroll);
    e_.sub(r_.counter, unroll);
    e_.jge(turns, Emitter::T_NEAR);
    e_.L(rest);
    e_.add(r_.counter, unroll);
  } else {
    e_.test(r_.counter, r_.counter);
  }
  e_.jz(done, Emitter::T_NEAR);
  e_.L(one);
  turn(1);
  e_.dec(r_.counter);
  e_.jnz(one, Emitter::T_NEAR);
  e_.L(done);
}

void GemmSections::Prefetch(int offset, int bytes) {
  if (!kernel_.prefetch && !kernel_.near_prefetch) return;
  const int ahead = kernel_.prefetch ? kPrefetchBytes : kNearPrefetchBytes;
  for (int line = base::AlignUp(offset, 64); line < offset + bytes; line += 64) {
    e_.prefetcht0(e_.ptr[r_.weights + ahead + line]);
  }
}

void GemmSections::Move(int group) {
  e_.movsxd(r_.scratch, e_.dword[r_.position + group * static_cast<int>(sizeof(int32_t))]);
  input_.Advance(r_.scratch);
}

void GemmSections::NarrowSteps(const Accumulators& accumulators) {
  const Narrow narrow = TakeNarrow();
  const int bytes = kernel_.vectors * e_.vector_bytes();
  ForEach(kernel_.depth, bytes, [&](int first) {
    for (int group = first; group < first + kernel_.depth; ++group) {
      Move(group);
      Prefetch(group * bytes, bytes);
      NarrowGroup(narrow, group * bytes, group == first,
                  [&](int row, Vec to) { e_.Broadcast32(to, input_.At(row, 0)); });
    }
    Widen(narrow, accumulators);
  });
  Release(narrow);
}

void GemmSections::WideGroups(const Accumulators& accumulators) {
  const int vectors = static_cast<int>(accumulators[0].size());
  const int vector_bytes = e_.vector_bytes();
  const Vec even = e_.vectors().Take();
  const Vec odd = e_.vectors().Take();
  const Vec input = vectors > 1 ? e_.vectors().Take() : odd;
  ForEach(1, 2 * vectors * vector_bytes, [&](int group) {
    Move(group);
    Prefetch(2 * group * vectors * vector_bytes, 2 * vectors * vector_bytes);
    for (int row = 0; row < kernel_.rows; ++row) {
      e_.Broadcast32(input, input_.At(row, 0));
      for (int v = 0; v < vectors; ++v) {
        const Vec accumulator = accumulators[static_cast<size_t>(row)][static_cast<size_t>(v)];
        const int offset = 2 * (group * vectors + v) * vector_bytes;
        e_.And(even, input, e_.Constant32(0x00FF00FF));
        e_.ShiftRight16(odd, input, 8);
        e_.DotS16(accumulator, even, e_.ptr[r_.weights + offset], even);
        e_.DotS16(accumulator, odd, e_.ptr[r_.weights + offset + vector_bytes], odd);
      }
    }
  });
  e_.vectors().Release(even);
  e_.vectors().Release(odd);
  if (vectors > 1) e_.vectors().Release(input);
}

void GemmSections::Saturating(const Accumulators& accumulators,
                              const std::function<void(int row, Vec to)>& tail) {
  const Narrow narrow = TakeNarrow();
  Label block, group, behind;
  e_.L(block);
  for (const std::vector<Vec>& row : narrow.sums) {
    for (Vec sum : row) e_.Zero(sum);
  }
  // `position` counts the groups of the block down.
  e_.mov(r_.position, kSaturatingGroups);
  e_.cmp(r_.counter, r_.position);
  e_.cmovl(r_.position, r_.counter);
  e_.sub(r_.counter, r_.position);
  e_.test(r_.position, r_.position);
  e_.jz(behind, Emitter::T_NEAR);
  e_.align(32);
  e_.L(group);
  Prefetch(0, kernel_.vectors * e_.vector_bytes());
  NarrowGroup(narrow, 0, false, [&](int row, Vec to) { e_.Broadcast32(to, input_.At(row, 0)); });
  e_.add(r_.weights, kernel_.vectors * e_.vector_bytes());
  input_.Advance(kInputGroupBytes);
  e_.dec(r_.position);
  e_.jnz(group, Emitter::T_NEAR);
  e_.L(behind);
  if (kernel_.k_tail != 0) {
    Label not_the_last;
    e_.test(r_.counter, r_.counter);
    e_.jnz(not_the_last, Emitter::T_NEAR);
    NarrowGroup(narrow, 0, false, tail);
    e_.L(not_the_last);
  }
  Widen(narrow, accumulators);
  e_.test(r_.counter, r_.counter);
  e_.jnz(block, Emitter::T_NEAR);
  Release(narrow);
}

GemmSections::Narrow GemmSections::TakeNarrow() {
  jit::RegisterPool& pool = e_.vectors();
  Narrow narrow;
  for (int row = 0; row < kernel_.rows; ++row) narrow.sums.push_back(pool.Take(kernel_.vectors));
  narrow.weights = pool.Take(kernel_.vectors);
  narrow.input = pool.Take();
  if (kernel_.vectors > 1) narrow.product = pool.Take();
  if (pool.Free() > 0) {
    narrow.ones = pool.Take();
    e_.Load(narrow.ones, e_.Constant32(kOnes));
  }
  return narrow;
}

void GemmSections::Release(const Narrow& narrow) {
  jit::RegisterPool& pool = e_.vectors();
  for (const std::vector<Vec>& row : narrow.sums) pool.Release(row);
  pool.Release(narrow.weights);
  pool.Release(narrow.input);
  if (kernel_.vectors > 1) pool.Release(narrow.product);
  if (narrow.ones.index >= 0) pool.Release(narrow.ones);
}

void GemmSections::NarrowGroup(const Narrow& narrow, int offset, bool first,
                               const std::function<void(int row, Vec to)>& broadcast) {
  const auto in_memory = [&](int v) { return e_.ptr[r_.weights + offset + v * e_.vector_bytes()]; };
  const auto multiply = [&](Vec to, int v) {
    // One row uses each vector of B once: straight from memory.
    if (kernel_.rows == 1) {
      e_.PairSumsU8S8(to, narrow.input, in_memory(v));
    } else {
      e_.PairSumsU8S8(to, narrow.input, e_.Full(narrow.weights[static_cast<size_t>(v)]));
    }
  };
  for (int v = 0; kernel_.rows > 1 && v < kernel_.vectors; ++v) {
    e_.Load(narrow.weights[static_cast<size_t>(v)], in_memory(v));
  }
  for (int row = 0; row < kernel_.rows; ++row) {
    broadcast(row, narrow.input);
    for (int v = 0; v < kernel_.vectors; ++v) {
      const Vec sum = narrow.sums[static_cast<size_t>(row)][static_cast<size_t>(v)];
      if (first) {
        multiply(sum, v);
        continue;
      }
      const Vec product = v == kernel_.vectors - 1 ? narrow.input : narrow.product;
      multiply(product, v);
      if (kernel_.summation == Summation::kSaturating) {
        e_.AddSaturateS16(sum, sum, e_.Full(product));
      } else {
        e_.Add16(sum, sum, e_.Full(product));
      }
    }
  }
}

void GemmSections::Widen(const Narrow& narrow, const Accumulators& accumulators) {
  for (size_t row = 0; row < accumulators.size(); ++row) {
    for (size_t v = 0; v < accumulators[row].size(); ++v) {
      const Vec sum = narrow.sums[row][v];
      if (narrow.ones.index >= 0) {
        e_.PairSumsS16(sum, sum, e_.Full(narrow.ones));
      } else {
        e_.PairSumsS16(sum, sum, e_.Constant32(kOnes));
      }
      e_.Add32(accumulators[row][v], accumulators[row][v], e_.Full(sum));
    }
  }
}

}  // namespace qforge::kernels
