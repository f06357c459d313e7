// Outlier-aware quantisation of weights: a few large ones are kept apart, so that the scale of the
// others can be small (arXiv 2101.05615).
//
//   auto quantized = QuantizeWeightsWithOutliers({w, k, n});
//   PackedWeightsOptions options;
//   options.scales = quantized->scales;
//   options.outliers = quantized->outliers();
//   auto packed = PackedWeights::Create(quantized->main(), options);
//
// A file of PackedWeights has the outliers within; PackedSparseWeights keeps them apart.
#ifndef QFORGE_OUTLIERS_H_
#define QFORGE_OUTLIERS_H_

#include <cstdint>
#include <vector>

#include "qforge/export.h"
#include "qforge/packed_weights.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct OutlierQuantizationOptions {
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  int64_t groups = 1;  // as in PackedWeightsOptions
  // The largest share of an output channel's K weights that may be outliers, in [0, 1]. 0: none,
  // which is symmetric min-max quantisation. More of them make the scale smaller and products
  // slower, by much more than their share: each takes a group of 4 k of a vector of columns.
  double density = 0.001;
};

// real = scale of the channel * (main + outlier).
struct OutlierQuantizedWeights {
  int64_t rows = 0;  // of the matrix of s8
  int64_t cols = 0;
  std::vector<int8_t> weights;          // rows x cols, in [-127, 127], laid out as the floats were
  std::vector<float> scales;            // groups * N
  int64_t inputs = 0;                   // K
  std::vector<int64_t> column_offsets;  // what outliers() views, for groups * N columns
  std::vector<int32_t> row_indices;
  std::vector<int8_t> values;

  MatrixView<const int8_t> main() const noexcept { return {weights.data(), rows, cols}; }
  SparseWeights outliers() const noexcept {
    SparseWeights view;
    view.inputs = inputs;
    view.outputs = static_cast<int64_t>(scales.size());
    view.column_offsets = ArrayView<const int64_t>(column_offsets);
    view.row_indices = IndexView(row_indices);
    view.values = ArrayView<const int8_t>(values);
    return view;
  }
};

// Per output channel and symmetric. The largest weights by magnitude, as many as `density` allows,
// are outliers; the scale takes the others to at most 127, no outlier beyond 16383 times it and,
// for K up to 65536, no channel beyond what PackedWeights takes (255 times the sum of its |values|
// stays below 2^31). All weights are rounded to a multiple of the scale, half to even; what an
// outlier has beyond 127 is in outliers(), in several entries. Fails with kOutOfRange where a
// weight is not finite or K exceeds 2^31 - 1. Safe to call from any number of threads.
Result<OutlierQuantizedWeights> QuantizeWeightsWithOutliers(
    const MatrixView<const float>& weights,
    const OutlierQuantizationOptions& options = {}) noexcept;

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_OUTLIERS_H_
