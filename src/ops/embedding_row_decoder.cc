#include "ops/embedding_row_decoder.h"

#include <algorithm>
#include <array>
#include <numeric>

#include "ops/embedding_rows.h"

namespace qforge {
namespace {

// 0, 1, 2, ...: what a gather of successive rows takes as indices.
constexpr auto kSuccessive = [] {
  std::array<int32_t, 256> indices{};
  std::iota(indices.begin(), indices.end(), 0);
  return indices;
}();

}  // namespace

Result<RowDecoder> RowDecoder::Create(Isa isa, const pack::EmbeddingTableData& table) noexcept {
  if (isa == Isa::kScalar) return RowDecoder(table, nullptr);
  kernels::EmbeddingKernel gather = KernelOf(isa, table.layout);
  gather.pooling = Pooling::kNone;
  gather.index_bytes = sizeof(kSuccessive[0]);
  const Result<const jit::Kernel*> kernel = kernels::GetEmbeddingKernel(gather);
  if (!kernel.ok()) return kernel.status();
  return RowDecoder(table, (*kernel)->As<kernels::EmbeddingFunction>());
}

void RowDecoder::Decode(int64_t begin, int64_t end, float* output, int64_t stride) const noexcept {
  if (gather_ == nullptr) {
    const ref::EmbeddingRows rows = RowsOf(*table_);
    for (int64_t i = begin; i < end; ++i) ref::DecodeRow(rows, i, output + (i - begin) * stride);
    return;
  }
  kernels::EmbeddingArguments arguments{};
  arguments.row_stride = table_->layout.stride;
  arguments.indices = kSuccessive.data();
  arguments.codebooks = table_->codebooks;
  arguments.output_stride = stride * int64_t{sizeof(float)};
  for (int64_t i = begin; i < end; i += std::ssize(kSuccessive)) {
    arguments.rows = table_->data + i * table_->layout.stride;
    arguments.end = arguments.index_end = std::min<int64_t>(end - i, std::ssize(kSuccessive));
    arguments.output = output + (i - begin) * stride;
    gather_(&arguments);
  }
}

}  // namespace qforge
