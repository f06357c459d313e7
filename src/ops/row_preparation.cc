#include "ops/row_preparation.h"

#include <algorithm>
#include <limits>

#include "base/arithmetic.h"
#include "kernels/float_types.h"
#include "ops/array_functions.h"
#include "ops/half_rows.h"
#include "pack/transpose.h"
#include "ref/reference.h"

namespace qforge {
namespace {

using kernels::ArrayOperation;

// Rows transposed at a time: one cache line of a row of u8, a quarter of one of f32.
constexpr int64_t kTransposedRows = 64;

// Values quantised at a time where they are widened afterwards.
constexpr int64_t kQuantizedAside = 1024;

// Halves converted at a time. So few that short rows leave room for themselves on the stack: see
// LinearDirect.
constexpr int64_t kConverted = 512;

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
  const bool is_float = kernels::IsFloat(options.input);
  const bool is_half = is_float && options.input != DataType::kF32;
  p.quantizes_ = is_float;
  p.widens_ = !scalar && layout.group_size == 2;
  p.flips_sign_ = !scalar && !p.widens_ && options.input == DataType::kS8;
  // The portable path reads u8 and s8 as they are, transposed or not, and finds its own row sums.
  p.copies_ = is_float || (!scalar && (options.transposed_input || p.widens_ || p.flips_sign_));
  p.transposed_ = options.transposed_input && p.copies_;
  p.row_terms_ = !scalar && weight_zero_points;
  p.parameters_per_row_ =
      options.scaling == InputScaling::kDynamicPerRow ||
      (options.scaling == InputScaling::kPerRow && (p.flips_sign_ || p.row_terms_));
  p.segment_elements_ = p.widens_ ? layout.k_groups * layout.group_size : layout.inputs;
  p.segment_bytes_ = p.segment_elements_ * (p.widens_ ? 2 : 1);

  const bool quantizes_aside = is_float && p.widens_;
  p.by_way_of_scratch_ = is_half || (p.transposed_ && (is_float || p.widens_ || p.flips_sign_));
  p.rows_at_once_ = std::numeric_limits<int64_t>::max();
  if (p.transposed_ && p.by_way_of_scratch_) {
    p.rows_at_once_ = kTransposedRows;
  } else if (is_half || quantizes_aside) {
    const int64_t values = is_half ? kConverted : kQuantizedAside;
    p.rows_at_once_ = std::max<int64_t>(1, values / std::max<int64_t>(1, p.columns()));
  }
  if (p.by_way_of_scratch_) {
    p.scratch_bytes_ = p.rows_at_once_ * p.columns() * (is_float ? 4 : 1);
  }
  if (quantizes_aside) {
    p.quantized_offset_ = p.scratch_bytes_;
    // The floats, if any, stay aligned where the scratch memory ends at a multiple of 4.
    p.scratch_bytes_ += base::AlignUp<int64_t>(p.rows_at_once_ * p.columns(), 4);
  }

  if (!p.copies_) {
    p.description_ = "none, A is read as it is";
  } else if (is_float) {
    p.description_ = std::string(DataTypeName(options.input)) + " quantised to u8";
    if (p.widens_) p.description_ += ", widened to 16 bits";
  } else if (p.widens_) {
    p.description_ = "widened to 16 bits";
  } else {
    p.description_ = p.flips_sign_ ? "s8 shifted to u8" : "transposed";
  }

  const Isa isa = layout.isa;
  const DataType quantized = is_float ? DataType::kU8 : options.input;
  if (p.dynamic()) QFORGE_RETURN_IF_ERROR(Keep(GetUpdateRange(isa), &p.update_range_));
  if (is_float) QFORGE_RETURN_IF_ERROR(Keep(GetQuantize(isa, DataType::kU8), &p.quantize_));
  if (is_half) QFORGE_RETURN_IF_ERROR(Keep(GetToF32(isa, options.input), &p.to_f32_));
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
  // Without elements the address may be null.
  if (input.cols == 0) return;
  const bool gaps = input.stride != input.cols;  // else it is one long row
  const int64_t rows = gaps ? end - begin : 1;
  const int64_t count = gaps ? input.cols : (end - begin) * input.cols;
  for (int64_t row = begin; row < begin + rows; ++row) {
    if (to_f32_ == nullptr) {
      update_range_(static_cast<const float*>(input.data) + row * input.stride, count, min, max);
      continue;
    }
    const uint16_t* const values = static_cast<const uint16_t*>(input.data) + row * input.stride;
    float converted[kConverted];
    for (int64_t i = 0; i < count; i += kConverted) {
      const int64_t part = std::min(kConverted, count - i);
      to_f32_(values + i, part, part, converted);
      update_range_(converted, part, min, max);
    }
  }
}

void RowPreparation::PrepareRows(const InputMatrix& input, const InputQuantization& quantization,
                                 int64_t begin, int64_t end, int64_t block_begin,
                                 const Target& target) const {
  const std::byte* data = static_cast<const std::byte*>(input.data);
  const bool empty = columns() == 0;
  Batch batch;
  for (int64_t row = begin; row < end; row += batch.rows) {
    const int64_t in_block = row - block_begin;
    std::byte* const prepared = target.rows + in_block * row_bytes();
    batch.rows = std::min(rows_at_once_, end - row);
    // Rows without elements may be anywhere, null included, and as far apart as they like.
    batch.stride = empty ? 0 : input.stride;
    batch.values = data + row * batch.stride * DataTypeSize(source_);
    batch.scales = nullptr;
    batch.zero_points = nullptr;
    if (to_f32_ != nullptr && !empty) {
      ConvertRows(input, row, &batch, target.scratch);
    } else if (transposed_ && !empty) {
      TransposeRows(input, row, &batch, by_way_of_scratch_ ? target.scratch : prepared);
    }
    if (scaling_ == InputScaling::kPerRow) {
      batch.scales = quantization.row_scales.data() + row;
      batch.zero_points = quantization.row_zero_points.data() + row;
      if (parameters_per_row_) {
        for (int64_t i = 0; i < batch.rows; ++i) {
          target.scales[in_block + i] = batch.scales[i];
          target.zero_points[in_block + i] = KernelZeroPoint(batch.zero_points[i]);
        }
      }
    } else if (scaling_ == InputScaling::kDynamicPerRow) {
      FindParameters(batch, target.scales + in_block, target.zero_points + in_block);
      batch.scales = target.scales + in_block;
      batch.zero_points = target.zero_points + in_block;
    }
    if (quantizes_) {
      std::byte* const quantized = widens_ ? target.scratch + quantized_offset_ : prepared;
      Quantize(batch, {quantization.scale, quantization.zero_point}, quantized);
      batch.values = quantized;
      batch.stride = columns();
    }
    if (row_terms_) {
      FindRowTerms(batch, quantization.zero_point, target.row_terms + in_block,
                   target.row_terms_stride);
    }
    if (widens_) Widen(batch, prepared);
    if (flips_sign_) FlipSign(batch, prepared);
  }
}

void RowPreparation::TransposeRows(const InputMatrix& input, int64_t first, Batch* batch,
                                   std::byte* to) const {
  if (source_ == DataType::kF32) {
    pack::Transpose(static_cast<const float*>(input.data) + first, input.stride, columns(),
                    batch->rows, reinterpret_cast<float*>(to), columns());
  } else {
    pack::Transpose(static_cast<const uint8_t*>(input.data) + first, input.stride, columns(),
                    batch->rows, reinterpret_cast<uint8_t*>(to), columns());
  }
  batch->values = to;
  batch->stride = columns();
}

void RowPreparation::ConvertRows(const InputMatrix& input, int64_t first, Batch* batch,
                                 std::byte* to) const {
  ConvertHalfRows(to_f32_, input, transposed_, columns(), first, first + batch->rows,
                  reinterpret_cast<float*>(to));
  batch->values = to;
  batch->stride = columns();
}

void RowPreparation::FindParameters(const Batch& batch, float* scales, int32_t* zero_points) const {
  const float* values = reinterpret_cast<const float*>(batch.values);
  for (int64_t row = 0; row < batch.rows; ++row) {
    float min = std::numeric_limits<float>::infinity();
    float max = -min;
    update_range_(values + row * batch.stride, columns(), &min, &max);
    const QuantizationParameters found = ref::ChooseDynamicParameters(min, max);
    scales[row] = found.scale;
    zero_points[row] = found.zero_point;
  }
}

void RowPreparation::Quantize(const Batch& batch, const QuantizationParameters& parameters,
                              std::byte* to) const {
  const float* values = reinterpret_cast<const float*>(batch.values);
  if (batch.scales == nullptr && batch.stride == columns()) {
    const int64_t count = batch.rows * columns();
    quantize_(values, count, count, &parameters, to);
    return;
  }
  for (int64_t row = 0; row < batch.rows; ++row) {
    QuantizationParameters own = parameters;
    if (batch.scales != nullptr) own = {batch.scales[row], batch.zero_points[row]};
    quantize_(values + row * batch.stride, columns(), columns(), &own, to + row * columns());
  }
}

void RowPreparation::FindRowTerms(const Batch& batch, int32_t zero_point, int32_t* terms,
                                  int64_t stride) const {
  for (int64_t product = 0; product < products_; ++product, terms += stride) {
    row_sums_(batch.values + product * inputs_, batch.rows, inputs_, batch.stride, terms);
    for (int64_t row = 0; row < batch.rows; ++row) {
      // K * a_zero_point - sum_k A, in which a shift of both has no effect.
      const int32_t own = batch.zero_points == nullptr ? zero_point : batch.zero_points[row];
      terms[row] =
          static_cast<int32_t>(static_cast<uint32_t>(inputs_) * static_cast<uint32_t>(own) -
                               static_cast<uint32_t>(terms[row]));
    }
  }
}

void RowPreparation::Widen(const Batch& batch, std::byte* to) const {
  int16_t* out = reinterpret_cast<int16_t*>(to);
  if (segment_elements_ == inputs_ && batch.stride == columns()) {
    widen_(batch.values, batch.rows * columns(), batch.rows * columns(), out);
    return;
  }
  for (int64_t row = 0; row < batch.rows; ++row) {
    for (int64_t product = 0; product < products_; ++product, out += segment_elements_) {
      widen_(batch.values + row * batch.stride + product * inputs_, inputs_, segment_elements_,
             out);
    }
  }
}

void RowPreparation::FlipSign(const Batch& batch, std::byte* to) const {
  const int8_t* values = reinterpret_cast<const int8_t*>(batch.values);
  uint8_t* out = reinterpret_cast<uint8_t*>(to);
  if (batch.stride == columns()) {
    flip_sign_(values, batch.rows * columns(), batch.rows * columns(), out);
    return;
  }
  for (int64_t row = 0; row < batch.rows; ++row) {
    flip_sign_(values + row * batch.stride, columns(), columns(), out + row * columns());
  }
}

}  // namespace qforge
