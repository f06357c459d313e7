#include "soft_errors/campaign.h"

#include <stdexcept>

namespace qforge::bench {

void PlaceResult::Count(bool changed, bool found, int bit) {
  ++injections;
  harmful += changed ? 1 : 0;
  detected += changed && found ? 1 : 0;
  harmless_detected += !changed && found ? 1 : 0;
  if (!changed) return;
  BitResult& of_bit = by_bit[static_cast<size_t>(bit)];
  ++of_bit.harmful;
  of_bit.detected += found ? 1 : 0;
}

Spread MeasureOverhead(const std::function<bool()>& checked, const std::function<bool()>& unchecked,
                       const CampaignOptions& options) {
  PairedRounds rounds;
  const auto work = [](const std::function<bool()>& call) {
    return [&call](int64_t repetitions) {
      for (int64_t i = 0; i < repetitions; ++i) {
        if (!call()) throw std::runtime_error("a call without a fault did not pass its check");
      }
    };
  };
  const size_t without = rounds.Add(work(unchecked));
  const size_t with = rounds.Add(work(checked));
  rounds.Run(options.rounds);
  Spread ratio = rounds.Ratio(with, without);
  for (double* value : {&ratio.low, &ratio.median, &ratio.high}) *value -= 1.0;
  return ratio;
}

}  // namespace qforge::bench
