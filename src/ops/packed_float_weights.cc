#include <cinttypes>
#include <cmath>
#include <new>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "kernels/float_types.h"
#include "ops/array_functions.h"
#include "ops/validate.h"
#include "ops/weights_scrub.h"
#include "pack/float_panels.h"
#include "pack/packed_matrix.h"
#include "qforge/packed_weights.h"
#include "ref/float_linear.h"

namespace qforge {
namespace {

// The functions that bring `source` into panels of `type`, as far as they are needed.
Status FindConversions(Isa isa, DataType type, pack::FloatWeightsSource* source) {
  if (source->matrix.type == type && !source->clip_to_finite) return Status();
  if (source->matrix.type != DataType::kF32) {
    const Result<kernels::ToF32Function*> to_f32 = GetToF32(isa, source->matrix.type);
    if (!to_f32.ok()) return to_f32.status();
    source->to_f32 = *to_f32;
  }
  if (type != DataType::kF32) {
    const Result<kernels::FromF32Function*> from_f32 =
        GetFromF32(isa, type, source->clip_to_finite);
    if (!from_f32.ok()) return from_f32.status();
    source->from_f32 = *from_f32;
  }
  return Status();
}

// The smallest magnitude that rounds to infinity.
float RoundsToInfinity(DataType type) {
  switch (type) {
    case DataType::kF16:
      return 65520.0f;
    case DataType::kBF16:
      return 0x1.FFp127f;
    default:
      return INFINITY;
  }
}

// No finite weight becomes infinite.
Status CheckRange(const InputMatrix& weights, DataType type) {
  const float limit = RoundsToInfinity(type);
  if (weights.type == type || std::isinf(limit)) return Status();
  for (int64_t i = 0; i < weights.rows; ++i) {
    for (int64_t j = 0; j < weights.cols; ++j) {
      const float value = ref::FloatElement(weights, i, j);
      if (std::abs(value) >= limit && !std::isinf(value)) {
        return Status::Error(StatusCode::kOutOfRange, "weights",
                             "element (%" PRId64 ", %" PRId64
                             ") is %g, which %s rounds to infinity; options.clip_to_finite keeps "
                             "it finite",
                             i, j, static_cast<double>(value), DataTypeName(type));
      }
    }
  }
  return Status();
}

}  // namespace

Result<PackedWeights> PackedWeights::CreateFloat(const InputMatrix& weights,
                                                 const FloatWeightsOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckMatrix("weights", weights, weights.type));
  QFORGE_RETURN_IF_ERROR(CheckBlocks(options.layout, options.groups, weights.rows));
  const bool by_row = options.layout == WeightsLayout::kInputsByOutputs;
  const int64_t products = options.groups;
  const int64_t inputs = by_row ? weights.rows / products : weights.cols;
  const int64_t outputs = by_row ? weights.cols : weights.rows / products;
  QFORGE_RETURN_IF_ERROR(CheckProductSizes(inputs, outputs, products));
  const DataType type = options.type == DataType::kNone ? weights.type : options.type;
  if (!kernels::IsFloat(type)) {
    return Status::Error(StatusCode::kInvalidArgument, "options.type",
                         "%s; none, f32, f16 or bf16 is needed", DataTypeName(type));
  }
  QFORGE_RETURN_IF_ERROR(CheckIsa("options.max_isa", options.max_isa));
  const Result<Isa> isa = BestIsa(options.max_isa);
  if (!isa.ok()) return isa.status();
  const base::FloatEnvironment environment;
  if (!options.clip_to_finite) QFORGE_RETURN_IF_ERROR(CheckRange(weights, type));

  try {
    auto matrix = std::make_shared<pack::PackedMatrix>();
    pack::PanelLayout& layout = matrix->layout;
    layout = pack::MakeFloatPanelLayout(*isa, type, inputs, outputs, products);
    const int64_t size = DataTypeSize(type);
    const int64_t product_bytes =
        *isa == Isa::kScalar ? inputs * outputs * size : layout.product_bytes;
    Result<base::AlignedBuffer> buffer =
        base::AlignedBuffer::Allocate(static_cast<size_t>(product_bytes * products), "weights");
    if (!buffer.ok()) return buffer.status();
    const int64_t block = by_row ? inputs : outputs;
    pack::FloatWeightsSource source;
    source.matrix = weights;
    source.matrix.stride = UsedStride(weights);
    source.order = options.layout;
    source.clip_to_finite = options.clip_to_finite;
    QFORGE_RETURN_IF_ERROR(FindConversions(*isa, type, &source));
    for (int64_t product = 0; product < products; ++product) {
      source.matrix.data = static_cast<const std::byte*>(weights.data) +
                           product * block * source.matrix.stride * DataTypeSize(weights.type);
      std::byte* const to = buffer->data() + product * product_bytes;
      if (*isa == Isa::kScalar) {
        pack::CopyPlainFloats(layout, source, 0, inputs, to);
      } else {
        pack::PackFloatPanels(layout, source, 0, layout.panels, to);
      }
    }
    matrix->weights = std::move(buffer).value();
    if (options.soft_error_check) {
      kernels::ToF32Function* to_f32 = nullptr;
      if (type != DataType::kF32) {
        const Result<kernels::ToF32Function*> found = GetToF32(*isa, type);
        if (!found.ok()) return found.status();
        to_f32 = *found;
      }
      Result<pack::FloatRowSums> sums =
          pack::MakeFloatRowSums(layout, matrix->weights.data(), to_f32);
      if (!sums.ok()) return sums.status();
      matrix->float_row_sums = std::move(sums).value();
      AddChecksums(matrix.get());
    }
    return PackedWeights(std::move(matrix));
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "weights", "no memory to pack them");
  }
}

}  // namespace qforge
