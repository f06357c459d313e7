#include "gemm/comparison.h"

#include <algorithm>
#include <utility>

#include "pack/packed_matrix.h"
#include "support/isas.h"

namespace qforge::bench {
namespace {

// A bound of less than this part of the other one does not become the larger of the two by noise.
constexpr double kFarBelow = 0.7;

double EstimatedRate(const Limit& limit) {
  constexpr double kTrialSeconds = 1e-3;
  PairedRounds trial(kTrialSeconds);
  const size_t party = trial.Add(limit.work);
  trial.Run(3);
  return limit.amount / Quartiles(trial.Seconds(party)).median;
}

}  // namespace

Comparison::Comparison(const Shape& shape, const Operands& operands, Isa isa, int threads)
    : isa_(isa),
      threads_(threads),
      problem_(MakeProblem(shape, operands)),
      weights_(PackWeights(*problem_, isa)) {}

size_t Comparison::AddLinear(int threads, DataType output) {
  return rounds_.Add(LinearWork(problem_, weights_, MakeContext(isa_, threads), output));
}

size_t Comparison::AddWithoutOutliers() {
  Operands operands = problem_->operands;
  operands.has_outliers = false;
  const std::shared_ptr<const Problem> problem = MakeProblem(shape(), operands);
  return rounds_.Add(LinearWork(problem, PackWeights(*problem, isa_), MakeContext(isa_, threads_),
                                operands.traits().output));
}

size_t Comparison::AddPeer(Peer& peer, bool* exact) {
  PeerWork prepared = PreparePeer(peer, problem_, isa_);
  *exact = prepared.exact;
  return rounds_.Add(std::move(prepared.work));
}

void Comparison::AddLimits() {
  if (isa_ == Isa::kScalar) return;
  const Context context = MakeContext(isa_, threads_);
  const double weight_bytes = problem_->operands.WeightBytes(shape());
  const InstructionMix mix = LimitingMix(problem_->operands, weights_.matrix().layout, shape().m);
  const Limit issue = IssueLimit(isa_, mix, context);
  const Limit stream = StreamLimit(isa_, mix, static_cast<int64_t>(weight_bytes), context);
  const double issue_seconds = shape().operations() / EstimatedRate(issue);
  const double stream_seconds = weight_bytes / EstimatedRate(stream);
  if (issue_seconds >= kFarBelow * stream_seconds) {
    issue_ = LimitParty{rounds_.Add(issue.work), issue, shape().operations()};
  }
  if (stream_seconds >= kFarBelow * issue_seconds) {
    stream_ = LimitParty{rounds_.Add(stream.work), stream, weight_bytes};
  }
}

double Comparison::BoundSeconds(const LimitParty& limit, size_t round) const {
  return limit.work * rounds_.Seconds(limit.party)[round] / limit.limit.amount;
}

Spread Comparison::OfLimit(size_t party) const {
  return rounds_.Over([&](size_t round) {
    double bound = 0;
    if (issue_) bound = std::max(bound, BoundSeconds(*issue_, round));
    if (stream_) bound = std::max(bound, BoundSeconds(*stream_, round));
    return bound / rounds_.Seconds(party)[round];
  });
}

double Comparison::Gops(size_t party) const {
  return shape().operations() / Quartiles(rounds_.Seconds(party)).median * 1e-9;
}

std::optional<double> Comparison::IssueGops() const {
  if (!issue_) return std::nullopt;
  return issue_->limit.amount / Quartiles(rounds_.Seconds(issue_->party)).median * 1e-9;
}

std::optional<double> Comparison::StreamGigabytesPerSecond() const {
  if (!stream_) return std::nullopt;
  return stream_->limit.amount / Quartiles(rounds_.Seconds(stream_->party)).median * 1e-9;
}

std::string Comparison::Bound() const {
  if (!has_limits()) return "";
  if (!issue_) return "stream";
  if (!stream_) return "issue";
  const Spread stream_over_issue = rounds_.Over(
      [&](size_t round) { return BoundSeconds(*stream_, round) / BoundSeconds(*issue_, round); });
  return stream_over_issue.median > 1 ? "stream" : "issue";
}

}  // namespace qforge::bench
