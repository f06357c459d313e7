#include "ops/row_preparation.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "base/arithmetic.h"
#include "ops/array_functions.h"
#include "pack/transpose.h"
#include "ref/reference.h"

namespace qforge {
namespace {

using kernels::ArrayOperation;

// Keeps the value, or gives the error.
template <class Function>
Status Keep(const Result<Function*>& found, Function** function) {
  if (!found.ok()) return found.status();
  *function = *found;
  return Status();
}

// Kernels that the portable path does not need.
template <class Function>
Status Resolve(Isa isa, ArrayOperation operation, DataType type, Function** function) {
  const Result<const jit::Kernel*> kernel = kernels::GetArrayKernel({isa, operation, type});
  if (!kernel.ok()) return kernel.status();
  *function = (*kernel)->As<Function>();
  return Status();
}

}  // namespace

bool RowPreparation::dynamic() const {
  return scaling_ == InputScaling::kDynamicPerTensor || scaling_ == InputScaling::kDynamicPerRow;
}

Result<RowPreparation> RowPreparation::Create(const pack::PanelLayout& layout,
                                              bool weight_zero_points,
                                              const LinearOptions& options) {
  RowPreparation p;
  const bool scalar = layout.isa == Isa::kScalar;
  p.source_ = options.input;
  p.scaling_ = options.scaling;
  p.inputs_ = layout.inputs;
  p.products_ = layout.products;
  const bool is_float = options.input == DataType::kF32;
  p.widens_ = !scalar && layout.group_size == 2;
  p.flips_sign_ = !scalar && !p.widens_ && options.input == DataType::kS8;
  // The portable path reads u8 and s8 as they are, transposed or not, and finds its own row sums.
  p.copies_ = is_float || (!scalar && (options.transposed_input || p.widens_ || p.flips_sign_));
  p.transposed_ = options.transposed_input && p.copies_;
  p.row_terms_ = !scalar && weight_zero_points;
  p.parameters_per_row_ =
      options.scaling == InputScaling::kDynamicPerRow ||
      (options.scaling == InputScaling::kPerRow && (p.flips_sign_ || p.row_terms_));
  if (scalar) {
    p.segment_elements_ = layout.inputs;
    p.segment_bytes_ = layout.inputs;
  } else {
    p.segment_elements_ = layout.k_groups * layout.group_size;
    p.segment_bytes_ = p.segment_elements_ * (p.widens_ ? 2 : 1);
  }
  if (p.transposed_) {
    p.scratch_bytes_ += kTransposedRows * layout.inputs * layout.products * DataTypeSize(p.source_);
  }
  p.scratch_bytes_ = base::AlignUp<int64_t>(p.scratch_bytes_, 64);
  if (is_float && p.widens_) p.scratch_bytes_ += base::AlignUp<int64_t>(p.segment_elements_, 64);

  if (!p.copies_) {
    p.description_ = "none, A is read as it is";
  } else if (is_float) {
    p.description_ = p.widens_ ? "f32 quantised to u8, widened to 16 bits" : "f32 quantised to u8";
  } else if (p.widens_) {
    p.description_ = "widened to 16 bits";
  } else {
    p.description_ = p.flips_sign_ ? "s8 shifted to u8" : "transposed";
  }

  const Isa isa = layout.isa;
  const DataType quantized = is_float ? DataType::kU8 : options.input;
  if (p.dynamic()) QFORGE_RETURN_IF_ERROR(Keep(GetUpdateRange(isa), &p.update_range_));
  if (is_float) QFORGE_RETURN_IF_ERROR(Keep(GetQuantize(isa, DataType::kU8), &p.quantize_));
  if (p.row_terms_) {
    QFORGE_RETURN_IF_ERROR(Resolve(isa, ArrayOperation::kRowSums, quantized, &p.row_sums_));
  }
  if (p.widens_) {
    QFORGE_RETURN_IF_ERROR(Resolve(isa, ArrayOperation::kWiden, quantized, &p.widen_));
  }
  if (p.flips_sign_) {
    QFORGE_RETURN_IF_ERROR(Resolve(isa, ArrayOperation::kFlipSign, DataType::kNone, &p.flip_sign_));
  }
  return p;
}

void RowPreparation::UpdateRange(const InputMatrix& input, int64_t begin, int64_t end, float* min,
                                 float* max) const {
  const float* values = static_cast<const float*>(input.data);
  for (int64_t row = begin; row < end; ++row) {
    update_range_(values + row * input.stride, input.cols, min, max);
  }
}

void RowPreparation::PrepareRows(const InputMatrix& input, const InputQuantization& quantization,
                                 int64_t begin, int64_t end, int64_t block_begin,
                                 const Target& target) const {
  const int64_t size = DataTypeSize(source_);
  const std::byte* data = static_cast<const std::byte*>(input.data);
  const int64_t columns = inputs_ * products_;
  for (int64_t row = begin; row < end; ++row) {
    const std::byte* source = data + row * input.stride * size;
    if (transposed_) {
      const int64_t in_scratch = (row - begin) % kTransposedRows;
      if (in_scratch == 0) {
        const int64_t rows = std::min(kTransposedRows, end - row);
        if (size == 1) {
          pack::Transpose(reinterpret_cast<const uint8_t*>(data) + row, input.stride, columns, rows,
                          reinterpret_cast<uint8_t*>(target.scratch), columns);
        } else {
          pack::Transpose(reinterpret_cast<const float*>(data) + row, input.stride, columns, rows,
                          reinterpret_cast<float*>(target.scratch), columns);
        }
      }
      source = target.scratch + in_scratch * columns * size;
    }
    QuantizationParameters parameters{quantization.scale, quantization.zero_point};
    if (scaling_ == InputScaling::kPerRow) {
      parameters = {quantization.row_scales[row], quantization.row_zero_points[row]};
    } else if (scaling_ == InputScaling::kDynamicPerRow) {
      float min = std::numeric_limits<float>::infinity();
      float max = -min;
      update_range_(reinterpret_cast<const float*>(source), columns, &min, &max);
      parameters = ref::ChooseDynamicParameters(min, max);
    }
    PrepareRow(source, parameters, row - block_begin, target);
  }
}

void RowPreparation::PrepareRow(const std::byte* source, const QuantizationParameters& parameters,
                                int64_t row, const Target& target) const {
  if (parameters_per_row_) {
    target.scales[row] = parameters.scale;
    target.zero_points[row] = KernelZeroPoint(parameters.zero_point);
  }
  for (int64_t product = 0; product < products_; ++product) {
    const std::byte* values = source + product * inputs_ * DataTypeSize(source_);
    std::byte* to = copies_ ? target.rows + row * row_bytes() + product * segment_bytes_ : nullptr;
    if (source_ == DataType::kF32) {
      // Where the row is widened afterwards it is quantised beside, behind what was transposed.
      std::byte* quantized =
          widens_ ? target.scratch + scratch_bytes_ - base::AlignUp<int64_t>(segment_elements_, 64)
                  : to;
      quantize_(reinterpret_cast<const float*>(values), inputs_, segment_elements_, &parameters,
                quantized);
      values = quantized;
    }
    if (row_terms_) {
      // K * a_zero_point - sum_k A, in which a shift of both has no effect.
      int32_t sum = 0;
      row_sums_(values, 1, inputs_, 0, &sum);
      const uint32_t term =
          static_cast<uint32_t>(inputs_) * static_cast<uint32_t>(parameters.zero_point) -
          static_cast<uint32_t>(sum);
      target.row_terms[product * target.row_terms_stride + row] = static_cast<int32_t>(term);
    }
    if (widens_) {
      widen_(values, inputs_, segment_elements_, reinterpret_cast<int16_t*>(to));
    } else if (flips_sign_) {
      flip_sign_(reinterpret_cast<const int8_t*>(values), inputs_, segment_elements_,
                 reinterpret_cast<uint8_t*>(to));
    } else if (copies_ && source_ != DataType::kF32) {
      std::memcpy(to, values, static_cast<size_t>(inputs_));
      std::memset(to + inputs_, 0, static_cast<size_t>(segment_elements_ - inputs_));
    }
  }
}

}  // namespace qforge
