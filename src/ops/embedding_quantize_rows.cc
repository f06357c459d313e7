#include "ops/embedding_quantize_rows.h"

#include <cinttypes>
#include <cstring>

#include "ops/validate.h"
#include "ref/table_quantization.h"

namespace qforge {
namespace {

using kernels::TableQuantizeOperation;

template <class T>
void LoadRow(const void* source, int64_t count, float* row, kernels::ValueBounds* bounds) {
  ref::LoadRow(static_cast<const T*>(source), count, row, &bounds->min, &bounds->max);
}

void RangeLosses(const float* row, int64_t count, const kernels::RowRange* ranges, float* losses) {
  for (int i = 0; i < 2; ++i) {
    const kernels::RowRange& range = ranges[i];
    losses[i] =
        ref::RangeLoss(row, count, range.scale, range.inverse_scale, range.bias, range.levels);
  }
}

template <int kBits>
void EncodeRange(const float* row, int64_t count, const kernels::RowRange* range, uint8_t* codes) {
  ref::EncodeRange(row, count, range->inverse_scale, range->bias, kBits, codes);
}

void CodebookLosses(const float* row, int64_t count, const kernels::Codebook* codebooks,
                    int64_t codebook_count, float* losses) {
  for (int64_t i = 0; i < codebook_count; ++i) {
    losses[i] = ref::CodebookLoss(row, count, codebooks[i].bounds, codebooks[i].centres);
  }
}

void EncodeCodebook(const float* row, int64_t count, const kernels::Codebook* codebook,
                    uint8_t* codes) {
  ref::EncodeCodebook(row, count, codebook->bounds, codes);
}

constexpr RowFunctions kPortable = {LoadRow<float>, RangeLosses, EncodeRange<8>, CodebookLosses,
                                    EncodeCodebook};

template <class Function>
Status Get(Isa isa, TableQuantizeOperation operation, Function** function) {
  const Result<const jit::Kernel*> kernel = kernels::GetTableQuantizeKernel({isa, operation});
  if (!kernel.ok()) return kernel.status();
  *function = (*kernel)->template As<Function>();
  return Status();
}

}  // namespace

Result<kernels::LoadRowFunction*> GetLoadRow(Isa isa, DataType source) noexcept {
  const bool half = source == DataType::kF16;
  kernels::LoadRowFunction* load = half ? LoadRow<Half> : LoadRow<float>;
  if (isa == Isa::kScalar) return load;
  QFORGE_RETURN_IF_ERROR(
      Get(isa, half ? TableQuantizeOperation::kLoadF16 : TableQuantizeOperation::kLoadF32, &load));
  return load;
}

Result<RowFunctions> GetRowFunctions(Isa isa, DataType source, int bits) noexcept {
  const Result<kernels::LoadRowFunction*> load = GetLoadRow(isa, source);
  if (!load.ok()) return load.status();
  RowFunctions functions = kPortable;
  functions.load = *load;
  functions.encode_range = bits == 8 ? EncodeRange<8> : bits == 4 ? EncodeRange<4> : EncodeRange<2>;
  if (isa == Isa::kScalar) return functions;
  const TableQuantizeOperation encode = bits == 8   ? TableQuantizeOperation::kEncode8
                                        : bits == 4 ? TableQuantizeOperation::kEncode4
                                                    : TableQuantizeOperation::kEncode2;
  QFORGE_RETURN_IF_ERROR(Get(isa, TableQuantizeOperation::kRangeLosses, &functions.range_losses));
  QFORGE_RETURN_IF_ERROR(Get(isa, encode, &functions.encode_range));
  QFORGE_RETURN_IF_ERROR(
      Get(isa, TableQuantizeOperation::kCodebookLosses, &functions.codebook_losses));
  QFORGE_RETURN_IF_ERROR(
      Get(isa, TableQuantizeOperation::kEncodeCodebook, &functions.encode_codebook));
  return functions;
}

Status CheckRows(const char* field, const InputMatrix& rows) noexcept {
  if (rows.type != DataType::kF32 && rows.type != DataType::kF16) {
    return Status::Error(StatusCode::kInvalidArgument, field, "is of type %s; f32 or f16 is needed",
                         DataTypeName(rows.type));
  }
  return CheckMatrix(field, rows, rows.type);
}

kernels::ValueBounds RowReader::Read(int64_t index) const noexcept {
  const size_t size = static_cast<size_t>(DataTypeSize(rows_.type));
  const size_t bytes = static_cast<size_t>(rows_.cols) * size;
  const auto* const from =
      static_cast<const std::byte*>(rows_.data) + static_cast<size_t>(index * rows_.stride) * size;
  auto* const to = reinterpret_cast<std::byte*>(source_);
  std::memcpy(to, from, bytes);
  // Copies of an element change nothing.
  const size_t padded_bytes = static_cast<size_t>(PaddedColumns(rows_.cols)) * size;
  for (size_t at = bytes; at < padded_bytes; at += size) std::memcpy(to + at, from, size);
  kernels::ValueBounds bounds;
  load_(to, rows_.cols, row_, &bounds);
  return {bounds.min + 0.0f, bounds.max + 0.0f};
}

void QuantizationProgress::Advance(int64_t rows) noexcept {
  if (callback_ == nullptr) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  done_ += rows;
  // Steps that finish no rows are few and long: each of them asks.
  const bool enough = rows == 0 || done_ == rows_ || done_ - reported_ >= rows_ / kCalls;
  if (!enough || cancelled()) return;
  reported_ = done_;
  if (!callback_(argument_, done_, rows_)) cancelled_.store(true, std::memory_order_relaxed);
}

}  // namespace qforge
