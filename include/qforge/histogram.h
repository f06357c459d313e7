// A histogram of the floats that pass through a layer, from which its quantisation parameters are
// chosen (qforge/range_choice.h).
#ifndef QFORGE_HISTOGRAM_H_
#define QFORGE_HISTOGRAM_H_

#include <cstdint>
#include <memory>
#include <utility>

#include "qforge/export.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct HistogramOptions {
  int64_t max_bins = 2048;  // 16 to 1,048,576
};

// What a histogram consists of, to store it and to make it anew.
struct HistogramData {
  int64_t max_bins = 2048;
  int bin_exponent = 0;                   // the width of a bin is 2^bin_exponent
  int64_t first_bin = 0;                  // the number of the bin that `counts` begins with
  ArrayView<const uint64_t> counts = {};  // finite values other than zero, by bin
  float min = 0.0f;                       // of all finite values, exact; 0 without any
  float max = 0.0f;
  uint64_t zeros = 0;  // of either sign
  uint64_t nans = 0;
  uint64_t positive_infinities = 0;
  uint64_t negative_infinities = 0;
};

// Counts values as they come. What it holds is a function of the values and of `max_bins` alone:
// the order in which they came, how they were cut into arrays, and which histograms were merged in
// which order leave no trace, not in a single bit.
//
// Bins are cells of a grid that every histogram shares. With a width w = 2^e, bin i >= 0 holds the
// values x >= +0 with i*w <= x < (i+1)*w, and bin -1 - i the mirror image, -(i+1)*w < x <= -i*w.
// Bins are kept from the one that holds the smallest value to the one that holds the largest, and e
// is the smallest for which these are no more than max_bins (nor is w finer than a float of the
// largest magnitude, or than 2^-126). When the range grows past that, w doubles and pairs of bins
// become one: a count never has to be split. So at least about half of max_bins cover the range,
// wherever it lies.
//
// Zero, which every quantisation represents exactly and which ReLU makes in masses, is counted
// apart, and so are NaN and the infinities, which are no part of the range.
//
// Const members are safe to call from any number of threads, Observe and Merge are not: give each
// thread a histogram of its own, and merge them. Results are the same on every ISA.
class Histogram {
 public:
  static Result<Histogram> Create(const HistogramOptions& options = {}) noexcept;
  // The histogram that data() was taken from. kInvalidArgument for what no histogram can hold.
  static Result<Histogram> FromData(const HistogramData& data) noexcept;

  Histogram(Histogram&&) noexcept = default;
  Histogram& operator=(Histogram&&) noexcept = default;

  // Counts `values`. Allocates nothing but, on the first use in the process, its kernels; on an
  // error nothing is counted.
  Status Observe(ArrayView<const float> values) noexcept;
  Status Observe(const MatrixView<const float>& values) noexcept;

  // Adds what `other` has counted. Both must have the same max_bins. kOutOfRange where a count
  // would exceed 2^64 - 1. On an error nothing is added.
  Status Merge(const Histogram& other) noexcept;

  // Views the histogram, until it changes or ends.
  HistogramData data() const noexcept;

  // Finite values counted, zeros included.
  uint64_t finite_count() const noexcept { return finite_count_; }
  float min() const noexcept { return min_; }
  float max() const noexcept { return max_; }
  uint64_t zeros() const noexcept { return zeros_; }
  uint64_t nans() const noexcept { return nans_; }
  uint64_t infinities() const noexcept { return positive_infinities_ + negative_infinities_; }

  // Of the bins in use, from the one that holds min() on.
  ArrayView<const uint64_t> counts() const noexcept { return {counts_.get(), bins_}; }
  double bin_width() const noexcept;
  // The lower end of counts()[i], exact; Edge(counts().size()) is the upper end of the last one.
  double Edge(int64_t i) const noexcept;

 private:
  Histogram(int64_t max_bins, std::unique_ptr<uint64_t[]> counts,
            std::unique_ptr<uint64_t[]> spare) noexcept
      : max_bins_(max_bins), counts_(std::move(counts)), spare_(std::move(spare)) {}

  void ObserveBlock(const float* values, int64_t count, const struct HistogramKernels& kernels);
  void Cover(float min, float max) noexcept;

  int64_t max_bins_;
  int exponent_ = 0;
  int64_t first_bin_ = 0;
  int64_t bins_ = 0;
  uint64_t finite_count_ = 0;
  float min_ = 0.0f;
  float max_ = 0.0f;
  uint64_t zeros_ = 0;
  uint64_t nans_ = 0;
  uint64_t positive_infinities_ = 0;
  uint64_t negative_infinities_ = 0;
  std::unique_ptr<uint64_t[]> counts_;  // max_bins_ and two more, see ObserveBlock()
  std::unique_ptr<uint64_t[]> spare_;   // as many, for what changes places
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_HISTOGRAM_H_
