// A product and what it is compared with, side by side in paired rounds.
#ifndef QFORGE_BENCH_GEMM_COMPARISON_H_
#define QFORGE_BENCH_GEMM_COMPARISON_H_

#include <cstddef>
#include <memory>
#include <optional>
#include <string>

#include "gemm/limits.h"
#include "gemm/operands.h"
#include "gemm/problem.h"
#include "gemm/shapes.h"
#include "peers/peer.h"
#include "qforge/context.h"
#include "qforge/isa.h"
#include "qforge/packed_weights.h"
#include "qforge/types.h"
#include "support/paired_rounds.h"

namespace qforge::bench {

// Each Add function adds a party to rounds() and returns its index there; all throw
// std::runtime_error for what cannot be made.
class Comparison {
 public:
  // Parties run with `threads` threads unless they are given another number.
  Comparison(const Shape& shape, const Operands& operands, Isa isa, int threads);

  // qforge, with the family's output unless another is named.
  size_t AddLinear() { return AddLinear(threads_); }
  size_t AddLinear(int threads) { return AddLinear(threads, problem_->operands.traits().output); }
  size_t AddLinear(int threads, DataType output);
  // qforge on the same shape with weights of the family that have no outliers.
  size_t AddWithoutOutliers();
  size_t AddPeer(Peer& peer, bool* exact);
  // The loops that measure the issue and the stream limit; where one of the two bounds is far below
  // the other it is left out. The scalar ISA has neither.
  void AddLimits();

  PairedRounds& rounds() { return rounds_; }
  const PairedRounds& rounds() const { return rounds_; }
  const Shape& shape() const { return problem_->shape; }
  const PackedWeights& weights() const { return weights_; }

  bool has_limits() const { return issue_.has_value() || stream_.has_value(); }
  // T_bound / T of each round, with
  // T_bound = max(2 m n k / issue rate, bytes of weights / stream rate).
  Spread OfLimit(size_t party) const;
  // 2 m n k / T, in 10^9 per second, of the median T.
  double Gops(size_t party) const;

  // Medians of the limits themselves; nothing where the loop was left out.
  std::optional<double> IssueGops() const;
  std::optional<double> StreamGigabytesPerSecond() const;
  // What bounds the product: "issue", "stream", or "" without limits.
  std::string Bound() const;
  std::string issue_description() const { return issue_ ? issue_->limit.description : ""; }
  std::string stream_description() const { return stream_ ? stream_->limit.description : ""; }

 private:
  struct LimitParty {
    size_t party;
    Limit limit;
    double work;  // what the product takes of it: operations or bytes
  };

  // The time that the product takes at this limit.
  double BoundSeconds(const LimitParty& limit, size_t round) const;

  Isa isa_;
  int threads_;
  std::shared_ptr<const Problem> problem_;
  PackedWeights weights_;
  PairedRounds rounds_;
  std::optional<LimitParty> issue_;
  std::optional<LimitParty> stream_;
};

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_GEMM_COMPARISON_H_
