#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>
#include <new>
#include <vector>

#include "qforge/accuracy.h"

namespace qforge {
namespace {

// Steps of the search after which the best choice so far has to do.
constexpr int64_t kMostSteps = 1'000'000;
// More layers than this are a level of recursion each, and beyond proof anyway.
constexpr size_t kMostLayers = 1000;
// A bound holds however the sums that it is compared with were rounded.
constexpr double kCertain = 1.0 - 1e-12;

// 0 * infinity is nothing here.
double NoiseOf(const LayerError& layer) {
  return layer.weight == 0.0 ? 0.0 : layer.weight * layer.error.RelativeNoise();
}

// Of layers that may be either, the cheapest to have in higher precision so that the noise of the
// others fits the budget: a knapsack problem, solved by branch and bound.
class CheapestLayers {
 public:
  CheapestLayers(ArrayView<const LayerError> layers, std::vector<int64_t> undecided, double budget)
      : budget_(budget), higher_(undecided.size()), best_(undecided.size()) {
    // Most noise per cost first; ties as they come.
    const auto noise_per_cost = [&](int64_t i) {
      const double noise = NoiseOf(layers[i]);
      return noise == 0.0 ? 0.0 : noise / layers[i].cost;
    };
    const auto noisier = [&](int64_t a, int64_t b) {
      return noise_per_cost(a) > noise_per_cost(b);
    };
    std::stable_sort(undecided.begin(), undecided.end(), noisier);
    for (const int64_t i : undecided) {
      items_.push_back({i, NoiseOf(layers[i]), layers[i].cost});
      noise_from_.push_back(0.0);
    }
    noise_from_.push_back(0.0);
    for (size_t i = items_.size(); i-- > 0;) noise_from_[i] = noise_from_[i + 1] + items_[i].noise;
  }

  void Search() {
    TakeGreedily();
    if (items_.size() > kMostLayers) {
      steps_ = kMostSteps;
    } else {
      Visit(0, 0.0, 0.0);
    }
  }

  bool optimal() const { return steps_ < kMostSteps; }

  template <class Function>
  void ForEachHigher(Function&& function) const {
    for (size_t i = 0; i < items_.size(); ++i) {
      if (best_[i]) function(items_[i].index);
    }
  }

 private:
  struct Item {
    int64_t index;
    double noise;
    double cost;
  };

  double NoiseWithout(const std::vector<bool>& higher) const {
    double noise = 0.0;
    for (size_t i = 0; i < items_.size(); ++i) noise += higher[i] ? 0.0 : items_[i].noise;
    return noise;
  }

  double CostOf(const std::vector<bool>& higher) const {
    double cost = 0.0;
    for (size_t i = 0; i < items_.size(); ++i) cost += higher[i] ? items_[i].cost : 0.0;
    return cost;
  }

  // The noisiest per cost until the others fit; then, the dearest first, those that fit after all.
  void TakeGreedily() {
    for (size_t i = 0; i < items_.size() && NoiseWithout(best_) > budget_; ++i) best_[i] = true;
    std::vector<size_t> by_cost;
    for (size_t i = 0; i < items_.size() && best_[i]; ++i) by_cost.push_back(i);
    std::stable_sort(by_cost.begin(), by_cost.end(),
                     [&](size_t a, size_t b) { return items_[a].cost > items_[b].cost; });
    for (const size_t i : by_cost) {
      best_[i] = false;
      if (NoiseWithout(best_) > budget_) best_[i] = true;
    }
    best_cost_ = CostOf(best_);
  }

  // Items in front of `depth` are decided: those quantised have `noise`, the others `cost`.
  void Visit(size_t depth, double noise, double cost) {
    if (++steps_ >= kMostSteps || !MayBeCheaper(depth, noise, cost)) return;
    if (depth == items_.size()) {
      if (NoiseWithout(higher_) > budget_) return;
      best_ = higher_;
      best_cost_ = CostOf(best_);
      return;
    }
    higher_[depth] = true;
    Visit(depth + 1, noise, cost + items_[depth].cost);
    higher_[depth] = false;
    Visit(depth + 1, noise + items_[depth].noise, cost);
  }

  // Whether it costs less than the best choice when a part of a layer may be taken.
  bool MayBeCheaper(size_t depth, double noise, double cost) const {
    if (noise * kCertain > budget_) return false;
    double excess = (noise + noise_from_[depth]) * kCertain - budget_;
    for (size_t i = depth; i < items_.size() && excess > 0.0 && items_[i].noise > 0.0; ++i) {
      cost += items_[i].cost * std::min(1.0, excess / items_[i].noise);
      excess -= items_[i].noise;
    }
    return cost * kCertain < best_cost_;
  }

  std::vector<Item> items_;
  std::vector<double> noise_from_;  // of an item and all behind it
  const double budget_;
  std::vector<bool> higher_;
  std::vector<bool> best_;
  double best_cost_ = 0.0;
  int64_t steps_ = 0;
};

Status CheckLayers(ArrayView<const LayerError> layers) {
  if (layers.size() < 0 || (layers.data() == nullptr && !layers.empty())) {
    return Status::Error(StatusCode::kInvalidArgument, "layers", "%" PRId64 " layers at %p",
                         layers.size(), static_cast<const void*>(layers.data()));
  }
  for (int64_t i = 0; i < layers.size(); ++i) {
    for (const double value : {layers[i].cost, layers[i].weight}) {
      if (value >= 0.0 && std::isfinite(value)) continue;
      return Status::Error(StatusCode::kOutOfRange, "layers",
                           "layer %" PRId64 " has cost %g and weight %g; both are finite and >= 0",
                           i, layers[i].cost, layers[i].weight);
    }
  }
  return Status();
}

Status CheckBudget(const ErrorBudget& budget) {
  if (std::isnan(budget.min_signal_to_noise)) {
    return Status::Error(StatusCode::kInvalidArgument, "budget.min_signal_to_noise", "is NaN");
  }
  if (!(budget.max_total_noise >= 0.0)) {
    return Status::Error(StatusCode::kOutOfRange, "budget.max_total_noise", "%g is not >= 0",
                         budget.max_total_noise);
  }
  return Status();
}

// Whether the layer may be quantised at all. A NaN may not.
bool MayBeQuantized(const LayerError& layer, const ErrorBudget& budget) {
  return layer.error.SignalToNoise() >= budget.min_signal_to_noise &&
         std::isfinite(layer.error.RelativeNoise()) && layer.error.not_finite == 0;
}

PrecisionChoice Choose(ArrayView<const LayerError> layers, const ErrorBudget& budget,
                       ArrayView<LayerPrecision> precisions) {
  std::vector<int64_t> undecided;
  undecided.reserve(static_cast<size_t>(layers.size()));
  for (int64_t i = 0; i < layers.size(); ++i) {
    if (MayBeQuantized(layers[i], budget)) undecided.push_back(i);
  }
  std::vector<bool> quantized(static_cast<size_t>(layers.size()), false);
  for (const int64_t i : undecided) quantized[static_cast<size_t>(i)] = true;
  CheapestLayers cheapest(layers, std::move(undecided), budget.max_total_noise);
  cheapest.Search();
  cheapest.ForEachHigher([&](int64_t i) { quantized[static_cast<size_t>(i)] = false; });

  PrecisionChoice choice;
  choice.optimal = cheapest.optimal();
  for (int64_t i = 0; i < layers.size(); ++i) {
    if (quantized[static_cast<size_t>(i)]) {
      precisions[i] = LayerPrecision::kQuantized;
      choice.total_noise += NoiseOf(layers[i]);
    } else {
      precisions[i] = LayerPrecision::kHigher;
      choice.cost += layers[i].cost;
      ++choice.higher;
    }
  }
  return choice;
}

}  // namespace

Result<PrecisionChoice> ChoosePrecisions(ArrayView<const LayerError> layers,
                                         const ErrorBudget& budget,
                                         ArrayView<LayerPrecision> precisions) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckLayers(layers));
  QFORGE_RETURN_IF_ERROR(CheckBudget(budget));
  if (precisions.size() != layers.size() || (precisions.data() == nullptr && !layers.empty())) {
    return Status::Error(StatusCode::kInvalidArgument, "precisions",
                         "%" PRId64 " at %p; there are %" PRId64 " layers", precisions.size(),
                         static_cast<const void*>(precisions.data()), layers.size());
  }
  try {
    return Choose(layers, budget, precisions);
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "layers", "no memory for %" PRId64,
                         layers.size());
  }
}

}  // namespace qforge
