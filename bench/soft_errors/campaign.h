// What a campaign of injected faults finds, by kind of fault.
#ifndef QFORGE_BENCH_SOFT_ERRORS_CAMPAIGN_H_
#define QFORGE_BENCH_SOFT_ERRORS_CAMPAIGN_H_

#include <array>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "support/paired_rounds.h"

namespace qforge::bench {

struct CampaignOptions {
  int64_t injections = 100;   // per case and place
  int64_t clean_rows = 1000;  // per case: checked without a fault
  int rounds = 15;            // of the overhead
  int threads = 1;
  uint64_t seed = 1;
};

// Faults that changed a result, and those of them that were detected.
struct BitResult {
  int64_t harmful = 0;
  int64_t detected = 0;
};

// Faults at one place.
struct PlaceResult {
  std::string place;  // "weights", "accumulators"
  int64_t injections = 0;
  int64_t harmful = 0;   // changed a result
  int64_t detected = 0;  // of the harmful ones
  int64_t harmless_detected = 0;
  std::array<BitResult, 32> by_bit;  // of the element that the bit is in

  void Count(bool changed, bool found, int bit);

  // Of the faults that changed a result; 1 where none did.
  double DetectionRate() const {
    return harmful == 0 ? 1.0 : static_cast<double>(detected) / static_cast<double>(harmful);
  }
};

struct CaseResult {
  std::string name;  // as in gemm_bench: "int8/6x256x1024/isa:avx512_vnni/threads:1"
  std::vector<PlaceResult> places;
  int64_t clean_rows = 0;
  int64_t false_positives = 0;
  bool finds_all = true;  // what integers must agree on; floats have a tolerance
  Spread overhead;        // time with the check over time without, less 1
};

// Time of `checked` over that of `unchecked`, less 1. Both say whether they passed, which they
// must.
Spread MeasureOverhead(const std::function<bool()>& checked, const std::function<bool()>& unchecked,
                       const CampaignOptions& options);

}  // namespace qforge::bench

#endif  // QFORGE_BENCH_SOFT_ERRORS_CAMPAIGN_H_
