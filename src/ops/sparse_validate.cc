#include "ops/sparse_validate.h"

#include <cinttypes>
#include <cstdio>
#include <cstdlib>

#include "ops/index_view.h"
#include "ops/validate.h"

namespace qforge {
namespace {

// The names of the members, as the caller writes them.
class Names {
 public:
  explicit Names(const char* weights) : weights_(weights) {}
  const char* operator()(const char* member) {
    std::snprintf(text_, sizeof(text_), "%s.%s", weights_, member);
    return text_;
  }

 private:
  const char* const weights_;
  char text_[47];
};

Status CheckSizes(Names name, const SparseWeights& weights) {
  constexpr int64_t kMostOutputs = INT32_MAX;
  if (weights.inputs < 0) {
    return Status::Error(StatusCode::kOutOfRange, name("inputs"), "%" PRId64 " is negative",
                         weights.inputs);
  }
  if (weights.outputs < 0 || weights.outputs > kMostOutputs) {
    return Status::Error(StatusCode::kOutOfRange, name("outputs"),
                         "%" PRId64 " is not in [0, %" PRId64 "]", weights.outputs, kMostOutputs);
  }
  QFORGE_RETURN_IF_ERROR(
      CheckIntegers(name("column_offsets"),
                    IndexView(weights.column_offsets.data(), weights.column_offsets.size())));
  if (weights.column_offsets.size() != weights.outputs + 1) {
    return Status::Error(StatusCode::kInvalidArgument, name("column_offsets"),
                         "%" PRId64 " values; outputs + 1 = %" PRId64 " are needed",
                         weights.column_offsets.size(), weights.outputs + 1);
  }
  QFORGE_RETURN_IF_ERROR(CheckIntegers(name("row_indices"), weights.row_indices));
  QFORGE_RETURN_IF_ERROR(
      CheckArray(name("values"), weights.values.data(), weights.values.size(), DataType::kS8));
  if (weights.values.size() == weights.row_indices.size()) return Status();
  return Status::Error(StatusCode::kInvalidArgument, name("values"),
                       "%" PRId64 " values for %" PRId64 " row indices", weights.values.size(),
                       weights.row_indices.size());
}

Status CheckOffsets(Names name, const SparseWeights& weights) {
  const ArrayView<const int64_t>& offsets = weights.column_offsets;
  if (offsets[0] != 0) {
    return Status::Error(StatusCode::kInvalidArgument, name("column_offsets"),
                         "value 0 is %" PRId64 "; 0 is needed", offsets[0]);
  }
  for (int64_t j = 0; j < weights.outputs; ++j) {
    if (offsets[j + 1] < offsets[j]) {
      return Status::Error(StatusCode::kInvalidArgument, name("column_offsets"),
                           "value %" PRId64 " is %" PRId64 ", less than the %" PRId64 " before it",
                           j + 1, offsets[j + 1], offsets[j]);
    }
  }
  const int64_t last = offsets[weights.outputs];
  if (last == weights.values.size()) return Status();
  return Status::Error(StatusCode::kInvalidArgument, name("column_offsets"),
                       "the last value is %" PRId64 "; %" PRId64
                       ", the number of entries, is needed",
                       last, weights.values.size());
}

Status CheckEntries(Names name, const SparseWeights& weights, int64_t column) {
  int64_t magnitude = 0;
  int64_t previous = 0;
  const int64_t end = weights.column_offsets[column + 1];
  for (int64_t e = weights.column_offsets[column]; e < end; ++e) {
    const int64_t k = weights.row_indices[e];
    if (k < 0 || k >= weights.inputs) {
      return Status::Error(StatusCode::kOutOfRange, name("row_indices"),
                           "value %" PRId64 " is %" PRId64 ", not in [0, %" PRId64 ")", e, k,
                           weights.inputs);
    }
    if (k < previous) {
      return Status::Error(StatusCode::kInvalidArgument, name("row_indices"),
                           "value %" PRId64 " is %" PRId64 ", less than the %" PRId64
                           " before it in column %" PRId64,
                           e, k, previous, column);
    }
    previous = k;
    magnitude += std::abs(weights.values[e]);
  }
  if (magnitude <= kLargestMagnitude) return Status();
  return CheckMagnitude(name("values"), column, magnitude, 0);
}

}  // namespace

Status ValidateSparseWeights(const char* name, const SparseWeights& weights) noexcept {
  const Names names(name);
  QFORGE_RETURN_IF_ERROR(CheckSizes(names, weights));
  QFORGE_RETURN_IF_ERROR(CheckOffsets(names, weights));
  for (int64_t j = 0; j < weights.outputs; ++j) {
    QFORGE_RETURN_IF_ERROR(CheckEntries(names, weights, j));
  }
  return Status();
}

}  // namespace qforge
