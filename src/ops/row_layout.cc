#include "ops/row_layout.h"

#include <cinttypes>
#include <cstdio>

#include "base/arithmetic.h"
#include "base/row_checksum.h"
#include "qforge/types.h"

namespace qforge {
namespace {

using base::CeilDiv;

constexpr int64_t kMostDimensions = int64_t{1} << 20;

struct FieldName {
  FieldName(const char* field, const char* member) {
    std::snprintf(text, sizeof(text), "%s.%s", field, member);
  }
  char text[47];
};

bool IsKnown(RowFormat format) { return static_cast<int>(format) < kRowFormatCount; }

// What kNone stands for.
DataType DefaultParameters(RowFormat format) {
  switch (format) {
    case RowFormat::kU8:
      return DataType::kF32;
    case RowFormat::kU4:
    case RowFormat::kU2:
    case RowFormat::kCodebook4:
      return DataType::kF16;
    default:
      return DataType::kNone;
  }
}

int DefaultExponentBias(RowFormat format) {
  if (format == RowFormat::kE4M3) return 7;
  return format == RowFormat::kE5M2 ? 15 : 0;
}

}  // namespace

const char* RowFormatName(RowFormat format) noexcept {
  switch (format) {
    case RowFormat::kF32:
      return "f32";
    case RowFormat::kF16:
      return "f16";
    case RowFormat::kBF16:
      return "bf16";
    case RowFormat::kU8:
      return "u8";
    case RowFormat::kU4:
      return "u4";
    case RowFormat::kU2:
      return "u2";
    case RowFormat::kCodebook4:
      return "codebook4";
    case RowFormat::kTwoTier4:
      return "twotier4";
    case RowFormat::kE4M3:
      return "e4m3";
    case RowFormat::kE5M2:
      return "e5m2";
  }
  return "unknown";
}

int64_t RowBytes(const RowLayout& layout) noexcept {
  const Result<RowLayout> complete = CompleteRowLayout("layout", layout);
  return complete.ok() ? PartsOfRow(*complete).bytes() : 0;
}

Result<RowLayout> CompleteRowLayout(const char* field, const RowLayout& layout) noexcept {
  if (!IsKnown(layout.format)) {
    return Status::Error(StatusCode::kInvalidArgument, FieldName(field, "format").text,
                         "%d is no row format", static_cast<int>(layout.format));
  }
  if (layout.dimension < 1 || layout.dimension > kMostDimensions) {
    return Status::Error(StatusCode::kOutOfRange, FieldName(field, "dimension").text,
                         "%" PRId64 " is not in [1, %" PRId64 "]", layout.dimension,
                         kMostDimensions);
  }
  RowLayout complete = layout;
  const DataType usual = DefaultParameters(layout.format);
  if (layout.parameters == DataType::kNone) complete.parameters = usual;
  const bool half = layout.format == RowFormat::kU8 && layout.parameters == DataType::kF16;
  if (complete.parameters != usual && !half) {
    return Status::Error(StatusCode::kInvalidArgument, FieldName(field, "parameters").text,
                         "%s; rows of %s have %s%s", DataTypeName(layout.parameters),
                         RowFormatName(layout.format), DataTypeName(usual),
                         layout.format == RowFormat::kU8 ? " or f16" : "");
  }
  if (layout.place != ParameterPlace::kLast && layout.place != ParameterPlace::kFirst) {
    return Status::Error(StatusCode::kInvalidArgument, FieldName(field, "place").text,
                         "%d is no place of parameters", static_cast<int>(layout.place));
  }
  const int usual_bias = DefaultExponentBias(layout.format);
  if (layout.exponent_bias == 0) complete.exponent_bias = usual_bias;
  const int least_bias = usual_bias == 0 ? 0 : 1;
  const int most_bias = usual_bias == 0 ? 0 : 31;
  if (complete.exponent_bias < least_bias || complete.exponent_bias > most_bias) {
    return Status::Error(StatusCode::kOutOfRange, FieldName(field, "exponent_bias").text,
                         "%d is not in [%d, %d], the range for %s", layout.exponent_bias,
                         least_bias, most_bias, RowFormatName(layout.format));
  }
  const int64_t bytes = PartsOfRow(complete).bytes();
  if (layout.stride == 0) complete.stride = bytes;
  if (complete.stride < bytes) {
    return Status::Error(StatusCode::kOutOfRange, FieldName(field, "stride").text,
                         "%" PRId64 " is less than the %" PRId64 " bytes of a row", layout.stride,
                         bytes);
  }
  return complete;
}

RowParts PartsOfRow(const RowLayout& layout) noexcept {
  const int64_t dimension = layout.dimension;
  RowParts parts{};
  switch (layout.format) {
    case RowFormat::kF32:
      parts.payload_bytes = dimension * 4;
      break;
    case RowFormat::kF16:
    case RowFormat::kBF16:
      parts.payload_bytes = dimension * 2;
      break;
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      parts.payload_bytes = dimension;
      break;
    case RowFormat::kU8:
      parts.payload_bytes = dimension;
      parts.parameter_bytes = 2 * DataTypeSize(layout.parameters);
      break;
    case RowFormat::kU4:
      parts.payload_bytes = CeilDiv<int64_t>(dimension, 2);
      parts.parameter_bytes = 2 * sizeof(Half);
      break;
    case RowFormat::kU2:
      parts.payload_bytes = CeilDiv<int64_t>(dimension, 4);
      parts.parameter_bytes = 2 * sizeof(Half);
      break;
    case RowFormat::kCodebook4:
      parts.payload_bytes = CeilDiv<int64_t>(dimension, 2);
      parts.parameter_bytes = kCodebookBytes;
      break;
    case RowFormat::kTwoTier4:
      parts.payload_bytes = CeilDiv<int64_t>(dimension, 2);
      parts.parameter_bytes = sizeof(uint16_t);
      break;
  }
  const bool first = layout.place == ParameterPlace::kFirst;
  parts.payload_offset = first ? parts.parameter_bytes : 0;
  parts.parameter_offset = first ? 0 : parts.payload_bytes;
  if (layout.checksum) parts.checksum_bytes = base::ChecksumBytes(parts.content_bytes());
  return parts;
}

Status CheckTableSize(const char* field, int64_t rows, const RowLayout& layout) noexcept {
  int64_t bytes;
  if (rows >= 0 && base::CheckedMultiply(rows, layout.stride, &bytes)) return Status();
  return Status::Error(StatusCode::kOutOfRange, field,
                       rows < 0 ? "%" PRId64 " of stride %" PRId64 " are less than none"
                                : "%" PRId64 " of stride %" PRId64 " exceed 2^63 bytes",
                       rows, layout.stride);
}

int64_t TableExtent(int64_t rows, const RowLayout& layout) noexcept {
  return rows == 0 ? 0 : (rows - 1) * layout.stride + PartsOfRow(layout).bytes();
}

}  // namespace qforge
