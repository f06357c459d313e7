#include "ops/weights_scrub.h"

#include <algorithm>
#include <array>
#include <cinttypes>
#include <utility>

#include "base/arithmetic.h"
#include "base/checksum.h"
#include "qforge/packed_weights.h"

namespace qforge {
namespace {

constexpr int64_t kSliceBytes = 65536;

int64_t WeightSlices(const pack::PackedMatrix& matrix) {
  return WeightSliceCount(static_cast<int64_t>(matrix.weights.size()));
}

uint64_t ChecksumOfSlice(const pack::PackedMatrix& matrix, int64_t slice) {
  base::Checksum checksum;
  if (slice < WeightSlices(matrix)) {
    const int64_t begin = slice * kSliceBytes;
    const int64_t size = static_cast<int64_t>(matrix.weights.size());
    checksum.Update(matrix.weights.data() + begin,
                    static_cast<size_t>(std::min(kSliceBytes, size - begin)));
    return checksum.value();
  }
  const auto add = [&](const auto& values) {
    if (!values.empty()) checksum.Update(values.data(), values.size() * sizeof(values[0]));
  };
  add(matrix.panel_offsets);
  add(matrix.scales);
  add(matrix.zero_points);
  add(matrix.sums);
  add(matrix.magnitudes);
  add(matrix.outlier_offsets);
  add(matrix.outlier_rows);
  add(matrix.outlier_values);
  if (matrix.row_sums) {
    add(matrix.row_sums->sums);
    checksum.Update(matrix.row_sums->digits.data(), matrix.row_sums->digits.size());
  }
  if (matrix.float_row_sums) {
    add(matrix.float_row_sums->sums);
    add(matrix.float_row_sums->bounds);
    add(std::array{matrix.float_row_sums->constant, matrix.float_row_sums->limit});
    checksum.Update(matrix.float_row_sums->factors.data(), matrix.float_row_sums->factors.size());
  }
  return checksum.value();
}

}  // namespace

int64_t WeightSliceCount(int64_t bytes) { return base::CeilDiv(bytes, kSliceBytes); }

void AddChecksums(pack::PackedMatrix* matrix) {
  std::vector<uint64_t> of_weights;
  for (int64_t slice = 0; slice < WeightSlices(*matrix); ++slice) {
    of_weights.push_back(ChecksumOfSlice(*matrix, slice));
  }
  AddChecksums(std::move(of_weights), matrix);
}

void AddChecksums(std::vector<uint64_t> of_weights, pack::PackedMatrix* matrix) {
  matrix->checksums = std::move(of_weights);
  matrix->checksums.push_back(ChecksumOfSlice(*matrix, WeightSlices(*matrix)));
}

int64_t PackedWeights::scrub_slices() const noexcept {
  return static_cast<int64_t>(matrix_->checksums.size());
}

Status PackedWeights::Scrub(int64_t first, int64_t count) const noexcept {
  const int64_t slices = scrub_slices();
  if (first < 0 || first > slices) {
    return Status::Error(StatusCode::kOutOfRange, "first",
                         "%" PRId64 " is not in [0, %" PRId64 "], the number of slices", first,
                         slices);
  }
  if (count > slices - first) {
    return Status::Error(StatusCode::kOutOfRange, "count",
                         "%" PRId64 "; from slice %" PRId64 " on there are %" PRId64, count, first,
                         slices - first);
  }
  const int64_t end = count < 0 ? slices : first + count;
  for (int64_t slice = first; slice < end; ++slice) {
    if (ChecksumOfSlice(*matrix_, slice) == matrix_->checksums[static_cast<size_t>(slice)]) {
      continue;
    }
    if (slice == WeightSlices(*matrix_)) {
      return Status::Error(StatusCode::kDataCorrupted, "weights",
                           "slice %" PRId64 ", scales, zero-points and sums, has changed", slice);
    }
    const int64_t begin = slice * kSliceBytes;
    const int64_t bytes =
        std::min(kSliceBytes, static_cast<int64_t>(matrix_->weights.size()) - begin);
    return Status::Error(StatusCode::kDataCorrupted, "weights",
                         "slice %" PRId64 ", bytes %" PRId64 " to %" PRId64
                         " of the packed form, has changed",
                         slice, begin, begin + bytes - 1);
  }
  return Status();
}

}  // namespace qforge
