#include "ops/row_check.h"

#include "cpu/isa_table.h"

namespace qforge {
namespace {

// The portable path keeps a sum, the kernels a vector, each at its own cache line or half of one.
constexpr int64_t kScalarSumBytes = sizeof(int32_t);

uint32_t Unsigned(int32_t value) { return static_cast<uint32_t>(value); }

// sum_k A * S by one element after the other.
template <class T>
uint32_t Dot(const T* row, const int32_t* sums, int64_t count) {
  uint32_t result = 0;
  for (int64_t k = 0; k < count; ++k) result += Unsigned(row[k]) * Unsigned(sums[k]);
  return result;
}

}  // namespace

Result<RowCheck> RowCheck::Create(const pack::PackedMatrix& matrix, const SoftErrorOptions& options,
                                  const std::vector<int32_t>& bias) {
  QFORGE_RETURN_IF_ERROR(SoftErrorResponse::Validate(options, matrix.row_sums.has_value()));
  if (!matrix.row_sums || options.policy == SoftErrorPolicy::kOff) return RowCheck();
  const pack::PanelLayout& layout = matrix.layout;
  RowCheck check(options, layout.products * layout.outputs);
  check.sums_ = &*matrix.row_sums;
  check.inputs_ = layout.inputs;
  check.products_ = layout.products;
  check.sum_bytes_ =
      layout.isa == Isa::kScalar ? kScalarSumBytes : cpu::Traits(layout.isa).vector_bytes;
  check.widened_ = layout.isa != Isa::kScalar && layout.group_size == 2;
  check.segment_ = check.widened_ ? layout.k_groups * layout.group_size : layout.inputs;
  for (int32_t value : bias) check.bias_total_ += Unsigned(value);
  for (int32_t sum : matrix.sums) check.column_total_ += Unsigned(sum);
  if (layout.isa == Isa::kScalar && !matrix.zero_points.empty()) {
    check.zero_point_totals_.resize(static_cast<size_t>(layout.products));
    for (size_t j = 0; j < matrix.zero_points.size(); ++j) {
      check.zero_point_totals_[j / static_cast<size_t>(layout.outputs)] +=
          Unsigned(matrix.zero_points[j]);
    }
  }
  if (check.sums_->kernel.digits != 0) {
    const Result<const jit::Kernel*> kernel = kernels::GetRowCheckKernel(check.sums_->kernel);
    if (!kernel.ok()) return kernel.status();
    check.function_ = (*kernel)->As<kernels::RowCheckFunction>();
  }
  return check;
}

bool RowCheck::Passes(const Rows& rows) const noexcept {
  // What the accumulators of a row start from, summed over all columns.
  const uint32_t start = bias_total_ - Unsigned(rows.input_zero_point) * column_total_;
  if (function_ != nullptr) {
    kernels::RowCheckArguments arguments;
    arguments.input = rows.input;
    arguments.input_stride = rows.input_stride;
    arguments.digits = sums_->digits.data();
    arguments.chunks = sums_->chunks;
    arguments.tail_elements = sums_->tail_elements;
    arguments.tail_offset = sums_->tail_offset;
    arguments.sums = reinterpret_cast<const int32_t*>(rows.sums);
    arguments.parts = rows.parts;
    arguments.part_stride = rows.part_stride;
    arguments.rows = rows.rows;
    arguments.start = static_cast<int32_t>(start);
    return function_(&arguments) == 0;
  }
  for (int64_t row = 0; row < rows.rows; ++row) {
    const std::byte* input = rows.input + row * rows.input_stride;
    uint32_t expected = start;
    for (int64_t product = 0; product < products_; ++product) {
      const int32_t* sums = sums_->sums.data() + product * inputs_;
      const int64_t first = product * segment_;
      expected += widened_ ? Dot(reinterpret_cast<const int16_t*>(input) + first, sums, inputs_)
                           : Dot(reinterpret_cast<const uint8_t*>(input) + first, sums, inputs_);
    }
    uint32_t sum = 0;
    for (int64_t part = 0; part < rows.parts; ++part) {
      const auto* lanes =
          reinterpret_cast<const int32_t*>(rows.sums + row * sum_bytes_ + part * rows.part_stride);
      for (int64_t lane = 0; lane < sum_bytes_ / 4; ++lane) sum += Unsigned(lanes[lane]);
    }
    if (sum != expected) return false;
  }
  return true;
}

bool RowCheck::Passes(const ref::LinearProblem& problem, int64_t row, int32_t sum) const noexcept {
  const InputQuantization& quantization = problem.quantization;
  const int32_t input_zero_point = quantization.row_zero_points.empty()
                                       ? quantization.zero_point
                                       : quantization.row_zero_points[row];
  uint32_t expected = bias_total_;
  for (int64_t product = 0; product < products_; ++product) {
    const uint32_t weight_zero_points =
        zero_point_totals_.empty() ? 0 : zero_point_totals_[static_cast<size_t>(product)];
    for (int64_t k = product * inputs_; k < (product + 1) * inputs_; ++k) {
      const int64_t at = problem.transposed_input ? k * problem.input.stride + row
                                                  : row * problem.input.stride + k;
      const int32_t a = problem.input.type == DataType::kU8
                            ? int32_t{static_cast<const uint8_t*>(problem.input.data)[at]}
                            : int32_t{static_cast<const int8_t*>(problem.input.data)[at]};
      expected += Unsigned(a - input_zero_point) *
                  (Unsigned(sums_->sums[static_cast<size_t>(k)]) - weight_zero_points);
    }
  }
  return expected == Unsigned(sum);
}

}  // namespace qforge
