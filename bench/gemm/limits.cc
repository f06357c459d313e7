#include "gemm/limits.h"

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>
#include <new>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "base/aligned_buffer.h"
#include "base/arithmetic.h"
#include "kernels/gemm_kernel.h"
#include "plan/row_tiles.h"
#include "support/value_or_throw.h"

namespace qforge::bench {
namespace {

// Runs `work(thread)` on each thread of the context, at the same time.
template <class Function>
void OnAllThreads(const Context& context, const Function& work) {
  if (context.pool() == nullptr) return work(0);
  context.pool()->ParallelFor(
      context.thread_count(),
      [](void* argument, int64_t thread) noexcept {
        (*static_cast<const Function*>(argument))(thread);
      },
      const_cast<void*>(static_cast<const void*>(&work)));
}

// Memory that weights could lie in, filled with such.
class Block {
 public:
  enum class Pages { kSmall, kHuge };

  Block(DataType type, int64_t bytes, Pages pages) {
    if (pages == Pages::kHuge) {
      const auto wanted = std::max(static_cast<size_t>(bytes), base::AlignedBuffer::kHugePageBytes);
      huge_ = ValueOrThrow(base::AlignedBuffer::Allocate(wanted));
      data_ = huge_.As<uint8_t>();
    } else {
      constexpr int64_t kPage = 4096;
      small_.reset(static_cast<uint8_t*>(
          std::aligned_alloc(kPage, static_cast<size_t>(base::AlignUp(bytes, kPage)))));
      if (small_ == nullptr) throw std::bad_alloc();
      data_ = small_.get();
    }
    FillOperands(type, 3, data_, bytes);
  }

  const uint8_t* data() const { return data_; }

 private:
  struct Free {
    void operator()(uint8_t* p) const { std::free(p); }
  };
  base::AlignedBuffer huge_;
  std::unique_ptr<uint8_t, Free> small_;
  uint8_t* data_ = nullptr;
};

using Blocks = std::vector<std::shared_ptr<Block>>;  // one per thread

Limit MakeStreamLimit(Isa isa, const InstructionMix& mix, const StreamPattern& pattern,
                      Block::Pages pages, const Blocks& blocks, int64_t block_bytes,
                      const Context& context) {
  InstructionMix used_once = mix;
  used_once.rows = 1;
  const StreamLoop loop = ValueOrThrow(MakeStreamLoop(isa, used_once, pattern));
  const int64_t part_bytes = base::AlignDown(block_bytes / pattern.streams, int64_t{64});
  const int64_t turns = part_bytes / loop.bytes_per_turn;
  Limit limit;
  limit.amount = static_cast<double>(turns * loop.bytes_per_turn * pattern.streams) *
                 static_cast<double>(blocks.size());
  limit.work = [=](int64_t passes) {
    OnAllThreads(context, [&](int64_t thread) {
      loop.run(blocks[static_cast<size_t>(thread)]->data(), part_bytes, turns, passes);
    });
  };
  limit.description =
      std::to_string(pattern.streams) + (pattern.streams == 1 ? " stream, " : " streams, ") +
      (pattern.prefetch == 0 ? "no prefetch"
                             : "prefetch " + std::to_string(pattern.prefetch) + " bytes ahead") +
      (pages == Block::Pages::kHuge ? ", huge pages" : ", small pages");
  return limit;
}

Limit FindStreamLimit(Isa isa, const InstructionMix& mix, int64_t bytes, const Context& context) {
  // Below this the first-level cache holds all of it, and turns of a loop begin to show.
  constexpr int64_t kLeastBytes = 16 << 10;
  constexpr int kTrialRounds = 5;
  constexpr double kTrialSeconds = 8e-4;
  const int64_t block_bytes = std::max(bytes / context.thread_count(), kLeastBytes);

  std::vector<Limit> candidates;
  PairedRounds trial(kTrialSeconds);
  for (const Block::Pages pages : {Block::Pages::kHuge, Block::Pages::kSmall}) {
    Blocks blocks;
    for (int thread = 0; thread < context.thread_count(); ++thread) {
      blocks.push_back(std::make_shared<Block>(mix.weights, block_bytes, pages));
    }
    for (const int streams : {1, 2, 4, 8}) {
      for (const int prefetch : {0, 256, 1024, 2048, 4096}) {
        candidates.push_back(
            MakeStreamLimit(isa, mix, {streams, prefetch}, pages, blocks, block_bytes, context));
        trial.Add(candidates.back().work);
      }
    }
  }
  trial.Run(kTrialRounds);

  size_t best = 0;
  double best_rate = 0;
  for (size_t i = 0; i < candidates.size(); ++i) {
    const double rate = candidates[i].amount / Quartiles(trial.Seconds(i)).median;
    if (rate > best_rate) {
      best_rate = rate;
      best = i;
    }
  }
  return candidates[best];
}

}  // namespace

InstructionMix LimitingMix(const Operands& operands, const pack::PanelLayout& layout,
                           int64_t rows) {
  InstructionMix mix;
  mix.weights = layout.type;
  if (operands.is_float()) {
    mix.kind = operands.input == DataType::kBF16 ? ProductKind::kDotBF16 : ProductKind::kFma;
    return mix;
  }
  switch (layout.summation) {
    case kernels::Summation::kWidened: {
      const plan::RowTiles tiles =
          plan::SplitRows(rows, kernels::MaxRows(layout.isa, layout.summation, layout.vectors));
      mix.kind = ProductKind::kWidenedS8;
      mix.rows = tiles.height + (tiles.taller > 0 ? 1 : 0);
      break;
    }
    case kernels::Summation::kNarrow:
      mix.kind = ProductKind::kNarrowS8;
      if (operands.family == Family::kInt8Acc16) mix.depth = layout.depth;
      break;
    default:
      break;
  }
  return mix;
}

Limit IssueLimit(Isa isa, const InstructionMix& mix, const Context& context) {
  // Turns per repetition: a repetition should not be much shorter than a call is.
  constexpr int64_t kTurns = 64;
  const IssueLoop loop = ValueOrThrow(MakeIssueLoop(isa, mix));
  Limit limit;
  limit.amount = static_cast<double>(kTurns * loop.operations_per_turn) * context.thread_count();
  limit.work = [=](int64_t repetitions) {
    OnAllThreads(context, [&](int64_t) { loop.run(kTurns * repetitions); });
  };
  limit.description = mix.Description();
  return limit;
}

Limit StreamLimit(Isa isa, const InstructionMix& mix, int64_t bytes, const Context& context) {
  static std::map<std::tuple<Isa, std::string, int64_t, int>, Limit> known;
  const auto key = std::make_tuple(isa, mix.Variant(), bytes, context.thread_count());
  const auto found = known.find(key);
  if (found != known.end()) return found->second;
  return known.emplace(key, FindStreamLimit(isa, mix, bytes, context)).first->second;
}

}  // namespace qforge::bench
