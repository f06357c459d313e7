// A histogram as the methods of range choice look at it: pieces of the line, each with an even
// density, behind whatever activation follows.
#ifndef QFORGE_OPS_RANGE_DENSITY_H_
#define QFORGE_OPS_RANGE_DENSITY_H_

#include <cstdint>
#include <vector>

#include "qforge/histogram.h"
#include "qforge/range_choice.h"

namespace qforge {

// Steps of one size around 0: the reals n * scale, lowest <= n <= highest.
struct QuantizationSteps {
  QuantizationSteps(const QuantizationParameters& parameters, const ParameterOptions& options);

  double scale;
  double lowest;
  double highest;
};

class RangeDensity {
 public:
  // Throws std::bad_alloc. The histogram holds a finite value, `options` are valid.
  RangeDensity(const Histogram& histogram, const RangeOptions& options);

  // Of the values behind the activation.
  const ValueRange& range() const { return range_; }
  double bin_width() const { return bin_width_; }
  double finite_count() const { return finite_count_; }

  // Values other than 0: even over [begins[i], ends[i]], or all in one place where the two are
  // equal. In ascending order, none across 0.
  int64_t size() const { return static_cast<int64_t>(counts_.size()); }
  double begin(int64_t i) const { return begins_[static_cast<size_t>(i)]; }
  double end(int64_t i) const { return ends_[static_cast<size_t>(i)]; }
  double count(int64_t i) const { return counts_[static_cast<size_t>(i)]; }

  // How many values are below x, or above it.
  double CountBelow(double x) const;
  double CountAbove(double x) const;

  // As HistogramL2Error(), which is this.
  double L2Error(const QuantizationSteps& steps) const;
  // The parts of L2Error() that are due to values below x, or above it, being clipped to x.
  double ClippedBelow(double x) const;
  double ClippedAbove(double x) const;

 private:
  void Add(double begin, double end, double count);

  ValueRange range_;
  double bin_width_ = 0.0;
  double finite_count_ = 0.0;
  std::vector<double> begins_;
  std::vector<double> ends_;
  std::vector<double> counts_;
  std::vector<double> densities_;  // counts / (end - begin); 0 where that has no width
  std::vector<size_t> points_;     // the pieces that have no width
};

}  // namespace qforge

#endif  // QFORGE_OPS_RANGE_DENSITY_H_
