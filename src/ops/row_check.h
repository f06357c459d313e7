// The check of a product's rows against the row sums of its weights.
#ifndef QFORGE_OPS_ROW_CHECK_H_
#define QFORGE_OPS_ROW_CHECK_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "kernels/row_check.h"
#include "ops/soft_error_response.h"
#include "pack/packed_matrix.h"
#include "qforge/soft_errors.h"
#include "qforge/status.h"
#include "ref/reference.h"

namespace qforge {

// Fixed when the operation is created.
class RowCheck : public SoftErrorResponse {
 public:
  RowCheck() = default;
  // `matrix` is borrowed. `bias` is per column, or empty.
  static Result<RowCheck> Create(const pack::PackedMatrix& matrix, const SoftErrorOptions& options,
                                 const std::vector<int32_t>& bias);

  bool active() const { return sums_ != nullptr; }

  // Partial sums of one row, as kernels leave them.
  int64_t sum_bytes() const { return sum_bytes_; }

  // Sums of rows, `parts` arrays of them, and the rows of A that they belong to as kernels read
  // them. `input_zero_point`: that of all rows, 0 where they differ.
  struct Rows {
    const std::byte* input = nullptr;
    int64_t input_stride = 0;  // bytes
    int64_t rows = 0;
    const std::byte* sums = nullptr;
    int64_t parts = 1;
    int64_t part_stride = 0;  // bytes
    int32_t input_zero_point = 0;

    Rows Row(int64_t row, int64_t bytes) const {
      Rows result = *this;
      result.input += row * input_stride;
      result.sums += row * bytes;
      result.rows = 1;
      return result;
    }
  };
  bool Passes(const Rows& rows) const noexcept;

  // The same for a row of the portable path, whose sum is of accumulators without anything missing.
  bool Passes(const ref::LinearProblem& problem, int64_t row, int32_t sum) const noexcept;

 private:
  using SoftErrorResponse::SoftErrorResponse;

  const pack::RowSums* sums_ = nullptr;
  kernels::RowCheckFunction* function_ = nullptr;
  int64_t inputs_ = 0;
  int64_t products_ = 0;
  int64_t sum_bytes_ = 0;
  bool widened_ = false;
  int64_t segment_ = 0;                      // elements of a product's part of a row
  uint32_t bias_total_ = 0;                  // sum_j bias
  uint32_t column_total_ = 0;                // sum_j sum_k B
  std::vector<uint32_t> zero_point_totals_;  // sum_j b_zero_point, per product; kScalar only
};

}  // namespace qforge

#endif  // QFORGE_OPS_ROW_CHECK_H_
