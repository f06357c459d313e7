#include "qforge/histogram.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <limits>
#include <new>

#include "base/float_environment.h"
#include "ops/array_functions.h"
#include "ops/validate.h"
#include "ref/histogram.h"
#include "ref/reference.h"

namespace qforge {

struct HistogramKernels {
  kernels::UpdateRangeFunction* update_range;
  kernels::BinIndicesFunction* bin_indices;
};

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr int64_t kFewestBins = 16;
constexpr int64_t kMostBins = int64_t{1} << 20;

// Values that are looked at together: they and their bins stay in the first-level cache.
constexpr int64_t kBlock = 2048;

Status CheckMaxBins(const char* field, int64_t max_bins) {
  if (max_bins >= kFewestBins && max_bins <= kMostBins) return Status();
  return Status::Error(StatusCode::kOutOfRange, field,
                       "%" PRId64 " is not in [%" PRId64 ", %" PRId64 "]", max_bins, kFewestBins,
                       kMostBins);
}

Result<HistogramKernels> GetKernels() {
  const Result<Isa> isa = BestIsa();
  if (!isa.ok()) return isa.status();
  const auto update_range = GetUpdateRange(*isa);
  if (!update_range.ok()) return update_range.status();
  const auto bin_indices = GetBinIndices(*isa);
  if (!bin_indices.ok()) return bin_indices.status();
  return HistogramKernels{*update_range, *bin_indices};
}

// The cell that `cell` becomes a part of when widths double `times` times.
int64_t Widened(int64_t cell, int times) { return cell >> std::min(times, 63); }

float InverseWidth(int exponent) { return std::ldexp(1.0f, -exponent); }

Status Impossible(const char* field) {
  return Status::Error(StatusCode::kInvalidArgument, field, "does not fit the rest of the data");
}

// The ends of the range are values that were counted. `data` has a bin.
Status CheckEnds(const HistogramData& data) {
  const uint64_t first = data.counts[0];
  const uint64_t last = data.counts[data.counts.size() - 1];
  if (data.min == 0.0f ? data.zeros == 0 : first == 0) return Impossible("data.min");
  if (data.max == 0.0f ? data.zeros == 0 || last != 0 : last == 0) return Impossible("data.max");
  if (data.zeros > 0 && (data.min > 0.0f || data.max < 0.0f)) return Impossible("data.zeros");
  const bool two_in_one_bin = data.counts.size() == 1 && data.min != 0.0f && data.min != data.max;
  return two_in_one_bin && first == 1 ? Impossible("data.counts") : Status();
}

bool SumFits(uint64_t a, uint64_t b) { return a <= std::numeric_limits<uint64_t>::max() - b; }

}  // namespace

Result<Histogram> Histogram::Create(const HistogramOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMaxBins("options.max_bins", options.max_bins));
  const size_t slots = static_cast<size_t>(options.max_bins) + 2;
  std::unique_ptr<uint64_t[]> counts(new (std::nothrow) uint64_t[slots]());
  std::unique_ptr<uint64_t[]> spare(new (std::nothrow) uint64_t[slots]());
  if (counts == nullptr || spare == nullptr) {
    return Status::Error(StatusCode::kResourceExhausted, "options.max_bins",
                         "no memory for %" PRId64 " bins", options.max_bins);
  }
  return Histogram(options.max_bins, std::move(counts), std::move(spare));
}

Result<Histogram> Histogram::FromData(const HistogramData& data) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMaxBins("data.max_bins", data.max_bins));
  QFORGE_RETURN_IF_ERROR(
      CheckMatrix("data.counts", AsBytes(data.counts.data(), data.counts.size()), DataType::kU8));
  Result<Histogram> histogram = Create({data.max_bins});
  if (!histogram.ok()) return histogram.status();
  histogram->nans_ = data.nans;
  histogram->positive_infinities_ = data.positive_infinities;
  histogram->negative_infinities_ = data.negative_infinities;

  uint64_t finite_count = data.zeros;
  for (int64_t i = 0; i < data.counts.size(); ++i) {
    if (!SumFits(finite_count, data.counts[i])) return Impossible("data.counts");
    finite_count += data.counts[i];
  }
  if (finite_count == 0) {
    const bool in_use = !data.counts.empty() || data.min != 0.0f || data.max != 0.0f;
    if (in_use) return Impossible("data.counts");
    return histogram;
  }
  if (!(std::isfinite(data.min) && data.min <= data.max)) return Impossible("data.min");
  if (!std::isfinite(data.max)) return Impossible("data.max");
  const base::FloatEnvironment environment;
  histogram->finite_count_ = finite_count;
  histogram->zeros_ = data.zeros;
  histogram->Cover(data.min, data.max);
  if (histogram->exponent_ != data.bin_exponent) return Impossible("data.bin_exponent");
  if (histogram->first_bin_ != data.first_bin) return Impossible("data.first_bin");
  if (histogram->bins_ != data.counts.size()) return Impossible("data.counts");
  QFORGE_RETURN_IF_ERROR(CheckEnds(data));
  std::copy_n(data.counts.data(), data.counts.size(), histogram->counts_.get());
  return histogram;
}

// Makes room for values in [min, max], finite. What is kept is a function of the range seen so far
// and grows with it, so that the way there does not matter.
void Histogram::Cover(float min, float max) noexcept {
  ValueRange range{min, max};
  if (bins_ > 0) {
    if (min >= min_ && max <= max_) return;
    range = {std::min(min, min_), std::max(max, max_)};
  }
  range = ref::FinishRange(range.min, range.max);
  const int exponent = ref::BinExponent(range, max_bins_);
  const int64_t first = ref::CellOf(range.min, InverseWidth(exponent));
  const int64_t bins = ref::CellOf(range.max, InverseWidth(exponent)) - first + 1;
  std::fill_n(spare_.get(), bins, uint64_t{0});
  for (int64_t i = 0; i < bins_; ++i) {
    spare_[Widened(first_bin_ + i, exponent - exponent_) - first] += counts_[i];
  }
  std::swap(counts_, spare_);
  counts_[bins] = counts_[bins + 1] = 0;
  exponent_ = exponent;
  first_bin_ = first;
  bins_ = bins;
  min_ = range.min;
  max_ = range.max;
}

void Histogram::ObserveBlock(const float* values, int64_t count, const HistogramKernels& kernels) {
  float min = kInfinity;
  float max = -kInfinity;
  kernels.update_range(values, count, &min, &max);
  if (min == -kInfinity || max == kInfinity) {
    min = kInfinity;
    max = -kInfinity;
    ref::UpdateFiniteRange(values, count, &min, &max);
  }
  if (min <= max) Cover(min, max);

  int32_t indices[kBlock];
  const kernels::BinGrid grid{InverseWidth(exponent_), static_cast<int32_t>(first_bin_),
                              static_cast<int32_t>(bins_)};
  kernels.bin_indices(values, count, &grid, indices);
  // The two counts behind the bins are those of what is not finite, and of zeros.
  uint64_t* const counts = counts_.get();
  for (int64_t i = 0; i < count; ++i) ++counts[indices[i]];
  const uint64_t not_finite = counts[bins_];
  finite_count_ += static_cast<uint64_t>(count) - not_finite;
  zeros_ += counts[bins_ + 1];
  counts[bins_] = counts[bins_ + 1] = 0;
  if (not_finite == 0) return;
  for (int64_t i = 0; i < count; ++i) {
    nans_ += std::isnan(values[i]) ? 1 : 0;
    positive_infinities_ += values[i] == kInfinity ? 1 : 0;
    negative_infinities_ += values[i] == -kInfinity ? 1 : 0;
  }
}

Status Histogram::Observe(ArrayView<const float> values) noexcept {
  return Observe(MatrixView<const float>(values.data(), 1, values.size()));
}

Status Histogram::Observe(const MatrixView<const float>& values) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMatrix("values", InputMatrix(values), DataType::kF32));
  const Result<HistogramKernels> kernels = GetKernels();
  if (!kernels.ok()) return kernels.status();
  const base::FloatEnvironment environment;
  const bool one_row = values.stride == values.cols;
  const int64_t rows = one_row ? 1 : values.rows;
  const int64_t cols = one_row ? values.rows * values.cols : values.cols;
  for (int64_t row = 0; row < rows; ++row) {
    const float* const data = values.data + row * UsedStride(values);
    for (int64_t i = 0; i < cols; i += kBlock) {
      ObserveBlock(data + i, std::min(kBlock, cols - i), *kernels);
    }
  }
  return Status();
}

Status Histogram::Merge(const Histogram& other) noexcept {
  if (other.max_bins_ != max_bins_) {
    return Status::Error(StatusCode::kInvalidArgument, "other",
                         "has max_bins %" PRId64 "; this histogram has %" PRId64, other.max_bins_,
                         max_bins_);
  }
  if (!SumFits(finite_count_, other.finite_count_) || !SumFits(nans_, other.nans_) ||
      !SumFits(positive_infinities_, other.positive_infinities_) ||
      !SumFits(negative_infinities_, other.negative_infinities_)) {
    return Status::Error(StatusCode::kOutOfRange, "other", "a count would exceed 2^64 - 1");
  }
  const base::FloatEnvironment environment;
  if (other.finite_count_ != 0) Cover(other.min_, other.max_);
  for (int64_t i = 0; i < other.bins_; ++i) {
    counts_[Widened(other.first_bin_ + i, exponent_ - other.exponent_) - first_bin_] +=
        other.counts_[i];
  }
  finite_count_ += other.finite_count_;
  zeros_ += other.zeros_;
  nans_ += other.nans_;
  positive_infinities_ += other.positive_infinities_;
  negative_infinities_ += other.negative_infinities_;
  return Status();
}

HistogramData Histogram::data() const noexcept {
  HistogramData data;
  data.max_bins = max_bins_;
  data.bin_exponent = exponent_;
  data.first_bin = first_bin_;
  data.counts = counts();
  data.min = min_;
  data.max = max_;
  data.zeros = zeros_;
  data.nans = nans_;
  data.positive_infinities = positive_infinities_;
  data.negative_infinities = negative_infinities_;
  return data;
}

double Histogram::bin_width() const noexcept { return std::ldexp(1.0, exponent_); }

// Cell -1 - i ends where cell i begins, mirrored, so that edges are those of a plain grid.
double Histogram::Edge(int64_t i) const noexcept {
  return std::ldexp(static_cast<double>(first_bin_ + i), exponent_);
}

}  // namespace qforge
