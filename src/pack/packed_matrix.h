// What a PackedWeights handle points at.
#ifndef QFORGE_PACK_PACKED_MATRIX_H_
#define QFORGE_PACK_PACKED_MATRIX_H_

#include <cstdint>
#include <optional>
#include <vector>

#include "base/constant_bytes.h"
#include "pack/float_row_sums.h"
#include "pack/narrow_panels.h"
#include "pack/panel_layout.h"
#include "pack/row_sums.h"
#include "qforge/packed_weights.h"

namespace qforge::pack {

// Who keeps the packed weights.
enum class WeightsOwner : uint8_t { kMatrix, kMapping, kCaller };

// The per-column arrays hold products * outputs values, one product after the other.
struct PackedMatrix {
  // For kScalar only isa and the sizes of the layout are filled, and `weights` is the plain K x N
  // matrix, products below each other: the portable path reads what the reference reads.
  PanelLayout layout;
  base::ConstantBytes weights;  // aligned as base::AlignedBuffer is
  WeightsOwner owner = WeightsOwner::kMatrix;
  // kNarrow: where each panel of each product begins in `weights`. Those of a product stand next to
  // each other.
  std::vector<int64_t> panel_offsets;
  std::vector<float> scales;
  std::vector<int32_t> zero_points;  // empty: all 0
  std::vector<int32_t> sums;         // sum_k B
  // sum_k |B - zero_point|; empty: found from `weights`, which kNarrow does not allow.
  std::vector<int64_t> magnitudes;
  NarrowShares shares;  // kNarrow; and wide_groups where the layout has outliers
  int main_bits = 8;    // kNarrow: beyond it weights were split
  // kScalar: SparseWeights::column_offsets, row_indices and values of the outliers.
  std::vector<int64_t> outlier_offsets;
  std::vector<int64_t> outlier_rows;
  std::vector<int8_t> outlier_values;
  // As was asked for.
  Accumulation accumulation = Accumulation::kExact;
  bool has_outliers = false;
  int requested_main_bits = 8;  // 0: the cheapest
  int32_t activation_maximum = 255;

  // PackedWeightsOptions::soft_error_check, FloatWeightsOptions::soft_error_check.
  std::optional<RowSums> row_sums;
  std::optional<FloatRowSums> float_row_sums;
  std::vector<uint64_t> checksums;  // of slices, see ops/weights_scrub.h
};

// sum_k |B[k][column] - zero_point| of column `column` of products * outputs, one by one.
int64_t Magnitude(const PackedMatrix& matrix, int64_t column) noexcept;

}  // namespace qforge::pack

#endif  // QFORGE_PACK_PACKED_MATRIX_H_
