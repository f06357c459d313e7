// EmbeddingTable::UpdateRow: stochastic rounding, in double, where all that is computed here is
// exact or off by far less than a step of the random number.
#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <cstring>
#include <limits>

#include "base/float_environment.h"
#include "base/row_checksum.h"
#include "ops/row_layout.h"
#include "ops/validate.h"
#include "pack/embedding_table_data.h"
#include "qforge/embedding_table.h"
#include "ref/row_checksum.h"

namespace qforge {
namespace {

// SplitMix64: every state leads to an independent-looking number, so that rows and seeds that
// follow one another give unrelated streams.
class RandomStream {
 public:
  RandomStream(uint64_t seed, int64_t row) noexcept
      : state_(Mix(seed) ^ static_cast<uint64_t>(row)) {
    state_ = Mix(state_);
  }

  // Uniform in [0, 1), a multiple of 2^-32.
  double Next() noexcept {
    state_ += 0x9E3779B97F4A7C15u;
    return static_cast<double>(Mix(state_) >> 32) * 0x1p-32;
  }

 private:
  static uint64_t Mix(uint64_t z) noexcept {
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9u;
    z = (z ^ z >> 27) * 0x94D049BB133111EBu;
    return z ^ z >> 31;
  }

  uint64_t state_;
};

// The next number of a 16-bit float format, towards one infinity or the other.
uint16_t Up(uint16_t bits) noexcept {
  if (bits == 0x8000) return 0x0001;
  return static_cast<uint16_t>((bits & 0x8000) != 0 ? bits - 1 : bits + 1);
}
uint16_t Down(uint16_t bits) noexcept {
  if (bits == 0x0000) return 0x8001;
  return static_cast<uint16_t>((bits & 0x8000) != 0 ? bits + 1 : bits - 1);
}

struct HalfFormat {
  static uint16_t Nearest(float value) noexcept { return ToHalf(value).bits; }
  static float Value(uint16_t bits) noexcept { return ToFloat(Half{bits}); }
};
struct BFloat16Format {
  static uint16_t Nearest(float value) noexcept { return ToBFloat16(value).bits; }
  static float Value(uint16_t bits) noexcept { return ToFloat(BFloat16{bits}); }
};

// One of the two neighbours of `value`, each with the probability that makes the mean `value`.
template <class Format>
uint16_t RoundStochastically(float value, double random) noexcept {
  const uint16_t nearest = Format::Nearest(value);
  const double at = Format::Value(nearest);
  if (at == value) return nearest;
  const uint16_t other = at < value ? Up(nearest) : Down(nearest);
  const double lower = std::min<double>(at, Format::Value(other));
  const double upper = std::max<double>(at, Format::Value(other));
  const bool take_upper = (value - lower) / (upper - lower) + random >= 1.0;
  return take_upper == (at < value) ? other : nearest;
}

template <class Format>
void UpdateFloats(ArrayView<const float> values, RandomStream random, std::byte* row) noexcept {
  for (int64_t j = 0; j < values.size(); ++j) {
    const uint16_t bits = RoundStochastically<Format>(values[j], random.Next());
    std::memcpy(row + j * 2, &bits, sizeof(bits));
  }
}

// The largest parameter that is not above `value`, and the smallest that is not below it: a range
// that were rounded inwards would cut values off, and move their mean.
float AtMost(double value, DataType type) noexcept {
  float rounded = static_cast<float>(value);
  if (rounded > value) rounded = std::nextafterf(rounded, -INFINITY);
  if (type == DataType::kF32) return rounded;
  const Half half = ToHalf(rounded);
  return ToFloat(half) > rounded ? ToFloat(Half{Down(half.bits)}) : ToFloat(half);
}
float AtLeast(double value, DataType type) noexcept { return -AtMost(-value, type); }

void StoreParameter(float value, DataType type, std::byte* to) noexcept {
  if (type == DataType::kF32) {
    std::memcpy(to, &value, sizeof(value));
  } else {
    const Half half = ToHalf(value);
    std::memcpy(to, &half, sizeof(half));
  }
}

void UpdateCodes(const RowLayout& layout, ArrayView<const float> values, RandomStream random,
                 std::byte* row) noexcept {
  const RowParts parts = PartsOfRow(layout);
  const int bits = layout.format == RowFormat::kU8 ? 8 : layout.format == RowFormat::kU4 ? 4 : 2;
  const int most = (1 << bits) - 1;
  const auto [min, max] = std::minmax_element(values.data(), values.data() + values.size());
  const double bias = AtMost(*min, layout.parameters);
  const double width = *max - bias;
  const double scale = width == 0.0 ? 1.0 : AtLeast(width / most, layout.parameters);
  std::byte* const parameters = row + parts.parameter_offset;
  StoreParameter(static_cast<float>(scale), layout.parameters, parameters);
  StoreParameter(static_cast<float>(bias), layout.parameters,
                 parameters + DataTypeSize(layout.parameters));

  std::byte* const payload = row + parts.payload_offset;
  std::memset(payload, 0, static_cast<size_t>(parts.payload_bytes));
  for (int64_t j = 0; j < values.size(); ++j) {
    const double q = std::floor((values[j] - bias) / scale + random.Next());
    const int code = static_cast<int>(std::min<double>(q, most));
    payload[j * bits / 8] |= static_cast<std::byte>(code << (j * bits % 8));
  }
}

// The largest magnitude that a row can hold.
float LargestValue(const RowLayout& layout) noexcept {
  if (layout.format == RowFormat::kBF16) return ToFloat(BFloat16{0x7F7F});
  const bool half = layout.format == RowFormat::kF16 || layout.parameters == DataType::kF16;
  return half ? 65504.0f : std::numeric_limits<float>::max();
}

}  // namespace

Status EmbeddingTable::UpdateRow(int64_t index, ArrayView<const float> values,
                                 uint64_t seed) noexcept {
  const RowLayout& layout = table_->layout;
  switch (layout.format) {
    case RowFormat::kU8:
    case RowFormat::kU4:
    case RowFormat::kU2:
    case RowFormat::kF32:
    case RowFormat::kF16:
    case RowFormat::kBF16:
      break;
    default:
      return Status::Error(StatusCode::kUnsupported, "table",
                           "is of format %s; u8, u4, u2, f32, f16 and bf16 can be updated",
                           RowFormatName(layout.format));
  }
  if (index < 0 || index >= table_->rows) {
    return Status::Error(StatusCode::kOutOfRange, "index", "%" PRId64 " is not in [0, %" PRId64 ")",
                         index, table_->rows);
  }
  if (table_->owner != pack::TableOwner::kTable) {
    return Status::Error(
        StatusCode::kUnsupported, "table", "is %s; tables that own their rows can be updated",
        table_->owner == pack::TableOwner::kMapping ? "mapped from a file" : "borrowed");
  }
  if (values.size() != layout.dimension) {
    return Status::Error(StatusCode::kInvalidArgument, "values",
                         "%" PRId64 " values; %" PRId64 " are needed", values.size(),
                         layout.dimension);
  }
  QFORGE_RETURN_IF_ERROR(CheckArray("values", values.data(), values.size(), DataType::kF32));
  const float largest = LargestValue(layout);
  for (int64_t j = 0; j < values.size(); ++j) {
    if (!(std::fabs(values[j]) <= largest)) {  // NaN included
      return Status::Error(StatusCode::kOutOfRange, "values",
                           "value %" PRId64 " is %g; at most %g in magnitude is needed", j,
                           static_cast<double>(values[j]), static_cast<double>(largest));
    }
  }
  const int64_t extent = TableExtent(table_->rows, layout);
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("values", AsBytes(values.data(), values.size() * 4),
                                        "the table", AsBytes(table_->data, extent)));
  std::byte* const row = table_->own_rows.data() + index * layout.stride;
  const RandomStream random(seed, index);
  base::FloatEnvironment environment;
  if (layout.format == RowFormat::kF32) {
    std::memcpy(row, values.data(), static_cast<size_t>(values.size()) * sizeof(float));
  } else if (layout.format == RowFormat::kF16) {
    UpdateFloats<HalfFormat>(values, random, row);
  } else if (layout.format == RowFormat::kBF16) {
    UpdateFloats<BFloat16Format>(values, random, row);
  } else {
    UpdateCodes(layout, values, random, row);
  }
  const int64_t bytes = PartsOfRow(layout).content_bytes();
  if (layout.checksum) ref::WriteChecksum(row, bytes, row + bytes);
  if (table_->checksums != nullptr) {
    ref::WriteChecksum(row, bytes,
                       table_->own_checksums.data() + index * base::ChecksumBytes(bytes));
  }
  return Status();
}

}  // namespace qforge
