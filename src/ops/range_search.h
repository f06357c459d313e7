// The searches behind ChooseRange: each goes through ranges whose ends are edges of bins.
#ifndef QFORGE_OPS_RANGE_SEARCH_H_
#define QFORGE_OPS_RANGE_SEARCH_H_

#include <cstdint>
#include <vector>

#include "ops/range_density.h"
#include "qforge/quantization.h"

namespace qforge {

// The ranges [low(i), high(j)] that a search may choose from, and the parameters of each. Range 0,
// 0 is that of the smallest and largest value; ends move towards 0 as i and j grow.
class RangeCandidates {
 public:
  // Throws std::bad_alloc.
  RangeCandidates(const RangeDensity& density, const ParameterOptions& options);

  int64_t lows() const { return static_cast<int64_t>(lows_.size()); }
  int64_t highs() const { return static_cast<int64_t>(highs_.size()); }
  double low(int64_t i) const { return -static_cast<double>(lows_[static_cast<size_t>(i)]); }
  double high(int64_t j) const { return static_cast<double>(highs_[static_cast<size_t>(j)]); }
  // The candidate furthest in that is no further in than x; 0 where there is none.
  int64_t LowAround(double x) const;
  int64_t HighAround(double x) const;

  // False for a range without width, unless it is the only one.
  bool IsRange(int64_t i, int64_t j) const;
  QuantizationParameters Parameters(int64_t i, int64_t j) const;
  QuantizationSteps Steps(int64_t i, int64_t j) const { return {Parameters(i, j), options_}; }

 private:
  const ParameterOptions options_;
  // Distances from 0, descending. Symmetric: the low ones are 0 alone, the high ones stand for
  // both.
  std::vector<float> lows_;
  std::vector<float> highs_;
};

struct RangeIndex {
  int64_t low = 0;
  int64_t high = 0;
};

// Throw std::bad_alloc.
RangeIndex SearchL2Approximately(const RangeDensity& density, const RangeCandidates& candidates);
RangeIndex SearchL2(const RangeDensity& density, const RangeCandidates& candidates);
RangeIndex SearchKlDivergence(const RangeDensity& density, const RangeCandidates& candidates);

}  // namespace qforge

#endif  // QFORGE_OPS_RANGE_SEARCH_H_
