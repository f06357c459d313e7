#include "ops/float_row_check.h"

#include <cmath>

#include "cpu/isa_table.h"
#include "qforge/half.h"
#include "ref/float_linear.h"

namespace qforge {

Result<FloatRowCheck> FloatRowCheck::Create(const pack::PackedMatrix& matrix,
                                            const SoftErrorOptions& options, bool bf16) {
  QFORGE_RETURN_IF_ERROR(SoftErrorResponse::Validate(options, matrix.float_row_sums.has_value()));
  if (!matrix.float_row_sums || options.policy == SoftErrorPolicy::kOff) return FloatRowCheck();
  const pack::PanelLayout& layout = matrix.layout;
  FloatRowCheck check(options, layout.products * layout.outputs);
  check.sums_ = &*matrix.float_row_sums;
  check.bf16_ = bf16;
  check.sum_bytes_ =
      layout.isa == Isa::kScalar ? int64_t{sizeof(float)} : cpu::Traits(layout.isa).vector_bytes;
  if (check.sums_->factors.size() != 0) {
    const Result<const jit::Kernel*> kernel = kernels::GetFloatRowCheckKernel({layout.isa, bf16});
    if (!kernel.ok()) return kernel.status();
    check.function_ = (*kernel)->As<kernels::FloatRowCheckFunction>();
  }
  return check;
}

bool FloatRowCheck::Pass(const Rows& rows) const noexcept {
  if (function_ == nullptr) {
    for (int64_t row = 0; row < rows.rows; ++row) {
      Rows one = rows;
      one.input += row * rows.input_stride;
      one.sums += row * sum_bytes_;
      if (Judge(one) != Verdict::kPasses) return false;
    }
    return true;
  }
  kernels::FloatRowCheckArguments arguments;
  arguments.input = rows.input;
  arguments.input_stride = rows.input_stride;
  arguments.factors = sums_->factors.As<float>();
  arguments.chunks = sums_->chunks;
  arguments.tail_elements = sums_->tail_elements;
  arguments.tail_offset = sums_->tail_from * (bf16_ ? 2 : 4);
  arguments.sums = reinterpret_cast<const float*>(rows.sums);
  arguments.parts = rows.parts;
  arguments.part_stride = rows.part_stride;
  arguments.rows = rows.rows;
  arguments.constant = sums_->constant;
  arguments.limit = sums_->limit;
  return function_(&arguments) == 0;
}

FloatRowCheck::Verdict FloatRowCheck::Judge(const Rows& rows) const noexcept {
  Rows one = rows;
  one.rows = 1;
  if (function_ != nullptr && Pass(one)) return Verdict::kPasses;
  // Seldom: element by element, in double.
  double sum = 0.0;
  for (int64_t part = 0; part < rows.parts; ++part) {
    const auto* lanes = reinterpret_cast<const float*>(rows.sums + part * rows.part_stride);
    for (int64_t lane = 0; lane < sum_bytes_ / 4; ++lane) sum += double{lanes[lane]};
  }
  return JudgeOneByOne(sum, [&](size_t k) {
    return bf16_ ? ToFloat(reinterpret_cast<const BFloat16*>(rows.input)[k])
                 : reinterpret_cast<const float*>(rows.input)[k];
  });
}

FloatRowCheck::Verdict FloatRowCheck::Judge(const InputMatrix& input, bool transposed, int64_t row,
                                            double sum) const noexcept {
  return JudgeOneByOne(sum, [&](size_t k) {
    const int64_t column = static_cast<int64_t>(k);
    return transposed ? ref::FloatElement(input, column, row)
                      : ref::FloatElement(input, row, column);
  });
}

template <class Element>
FloatRowCheck::Verdict FloatRowCheck::JudgeOneByOne(double sum,
                                                    const Element& element) const noexcept {
  double expected = 0.0;
  double bound = 0.0;
  for (size_t k = 0; k < sums_->sums.size(); ++k) {
    const double a = double{element(k)};
    expected += a * double{sums_->sums[k]};
    bound += std::abs(a) * double{sums_->bounds[k]};
  }
  bound += double{sums_->constant};
  if (!(bound <= double{sums_->limit})) return Verdict::kNotChecked;
  return std::abs(sum - expected) <= bound ? Verdict::kPasses : Verdict::kFails;
}

}  // namespace qforge
