// The check of a float product's rows against the row sums of its weights.
#ifndef QFORGE_OPS_FLOAT_ROW_CHECK_H_
#define QFORGE_OPS_FLOAT_ROW_CHECK_H_

#include <cstddef>
#include <cstdint>

#include "kernels/float_row_check.h"
#include "ops/soft_error_response.h"
#include "pack/packed_matrix.h"
#include "qforge/views.h"

namespace qforge {

// Fixed when the operation is created.
class FloatRowCheck : public SoftErrorResponse {
 public:
  FloatRowCheck() = default;
  // `matrix` is borrowed. `bf16`: kernels read rows of bf16, else of f32.
  static Result<FloatRowCheck> Create(const pack::PackedMatrix& matrix,
                                      const SoftErrorOptions& options, bool bf16);

  bool active() const { return sums_ != nullptr; }

  // Partial sums of one row, as kernels leave them.
  int64_t sum_bytes() const { return sum_bytes_; }

  enum class Verdict : uint8_t {
    kPasses,
    kFails,
    kNotChecked,  // sums may overflow, or what is summed is not finite
  };

  // Sums of rows, `parts` arrays of them, and the rows of A that they belong to as kernels read
  // them.
  struct Rows {
    const std::byte* input = nullptr;
    int64_t input_stride = 0;  // bytes
    int64_t rows = 0;
    const std::byte* sums = nullptr;
    int64_t parts = 1;
    int64_t part_stride = 0;  // bytes
  };
  // Whether all rows pass.
  bool Pass(const Rows& rows) const noexcept;
  // Of the first row.
  Verdict Judge(const Rows& rows) const noexcept;

  // Of a row of the portable path, as the caller gave it.
  Verdict Judge(const InputMatrix& input, bool transposed, int64_t row, double sum) const noexcept;

 private:
  using SoftErrorResponse::SoftErrorResponse;

  template <class Element>
  Verdict JudgeOneByOne(double sum, const Element& element) const noexcept;

  const pack::FloatRowSums* sums_ = nullptr;
  kernels::FloatRowCheckFunction* function_ = nullptr;
  int64_t sum_bytes_ = 0;
  bool bf16_ = false;
};

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_ROW_CHECK_H_
