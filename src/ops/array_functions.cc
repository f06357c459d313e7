#include "ops/array_functions.h"

#include <algorithm>
#include <cstring>

#include "ref/conversion.h"
#include "ref/histogram.h"
#include "ref/reference.h"

namespace qforge {
namespace {

using kernels::ArrayOperation;

void UpdateRange(const float* values, int64_t count, float* min, float* max) {
  ref::UpdateRange(values, count, min, max);
}

void UpdateColumnRanges(const float* values, int64_t count, float* min, float* max) {
  for (int64_t i = 0; i < count; ++i) ref::UpdateRange(values + i, 1, min + i, max + i);
}

template <class T>
void Quantize(const float* input, int64_t count, int64_t padded_count,
              const QuantizationParameters* parameters, void* output) {
  T* const out = static_cast<T*>(output);
  ref::Quantize(input, count, *parameters, out);
  if (padded_count > count) std::memset(out + count, 0, static_cast<size_t>(padded_count - count));
}

template <class T>
void QuantizeColumns(const float* input, int64_t count, const float* scales,
                     const int32_t* zero_points, void* output) {
  T* const out = static_cast<T*>(output);
  for (int64_t i = 0; i < count; ++i) {
    ref::Quantize(input + i, 1, {scales[i], zero_points[i]}, out + i);
  }
}

template <class T>
void Dequantize(const void* input, int64_t count, const QuantizationParameters* parameters,
                float* output) {
  ref::Dequantize(static_cast<const T*>(input), count, *parameters, output);
}

template <class T, bool kPerColumn>
void Requantize(const int32_t* input, int64_t count, const float* multipliers,
                const kernels::RequantizeLimits* limits, void* output) {
  ref::Requantize(input, count, multipliers, kPerColumn, limits->zero_point, limits->lo, limits->hi,
                  static_cast<T*>(output));
}

void BinIndices(const float* values, int64_t count, const kernels::BinGrid* grid,
                int32_t* indices) {
  ref::BinIndices(values, count, grid->inverse_width, grid->first, grid->count, indices);
}

template <class T>
void ToF32(const void* input, int64_t count, int64_t padded_count, float* output) {
  ref::ToF32(static_cast<const T*>(input), count, output);
  std::fill(output + count, output + padded_count, 0.0f);
}

template <class T, bool kClipped>
void FromF32(const float* input, int64_t count, void* output) {
  ref::FromF32(input, count, kClipped, static_cast<T*>(output));
}

template <class Function>
Result<Function*> Get(Isa isa, ArrayOperation operation, DataType type, Function* portable) {
  if (isa == Isa::kScalar) return portable;
  const Result<const jit::Kernel*> kernel = kernels::GetArrayKernel({isa, operation, type});
  if (!kernel.ok()) return kernel.status();
  return (*kernel)->template As<Function>();
}

}  // namespace

Result<kernels::UpdateRangeFunction*> GetUpdateRange(Isa isa) noexcept {
  return Get(isa, ArrayOperation::kUpdateRange, DataType::kNone, UpdateRange);
}

Result<kernels::UpdateRangeFunction*> GetUpdateColumnRanges(Isa isa) noexcept {
  return Get(isa, ArrayOperation::kUpdateColumnRanges, DataType::kNone, UpdateColumnRanges);
}

Result<kernels::QuantizeFunction*> GetQuantize(Isa isa, DataType type) noexcept {
  return Get(isa, ArrayOperation::kQuantize, type,
             type == DataType::kU8 ? Quantize<uint8_t> : Quantize<int8_t>);
}

Result<kernels::QuantizeColumnsFunction*> GetQuantizeColumns(Isa isa, DataType type) noexcept {
  return Get(isa, ArrayOperation::kQuantizeColumns, type,
             type == DataType::kU8 ? QuantizeColumns<uint8_t> : QuantizeColumns<int8_t>);
}

Result<kernels::DequantizeFunction*> GetDequantize(Isa isa, DataType type) noexcept {
  return Get(isa, ArrayOperation::kDequantize, type,
             type == DataType::kU8 ? Dequantize<uint8_t> : Dequantize<int8_t>);
}

Result<kernels::RequantizeFunction*> GetRequantize(Isa isa, DataType type,
                                                   bool per_column) noexcept {
  if (per_column) {
    return Get(isa, ArrayOperation::kRequantizeColumns, type,
               type == DataType::kU8 ? Requantize<uint8_t, true> : Requantize<int8_t, true>);
  }
  return Get(isa, ArrayOperation::kRequantize, type,
             type == DataType::kU8 ? Requantize<uint8_t, false> : Requantize<int8_t, false>);
}

Result<kernels::BinIndicesFunction*> GetBinIndices(Isa isa) noexcept {
  return Get(isa, ArrayOperation::kBinIndices, DataType::kNone, BinIndices);
}

Result<kernels::ToF32Function*> GetToF32(Isa isa, DataType type) noexcept {
  return Get(isa, ArrayOperation::kToF32, type,
             type == DataType::kF16 ? ToF32<Half> : ToF32<BFloat16>);
}

Result<kernels::FromF32Function*> GetFromF32(Isa isa, DataType type, bool clipped) noexcept {
  if (clipped) {
    return Get(isa, ArrayOperation::kFromF32Clipped, type,
               type == DataType::kF16 ? FromF32<Half, true> : FromF32<BFloat16, true>);
  }
  return Get(isa, ArrayOperation::kFromF32, type,
             type == DataType::kF16 ? FromF32<Half, false> : FromF32<BFloat16, false>);
}

}  // namespace qforge
