#include "ref/embedding.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "base/row_checksum.h"
#include "ref/row_checksum.h"

namespace qforge::ref {
namespace {

template <class T>
T Load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

float LoadHalf(const std::byte* at) noexcept { return ToFloat(Load<Half>(at)); }

float FromE4M3(int byte, int exponent_bias) noexcept {
  const int exponent = byte >> 3 & 0xF;
  const float mantissa = static_cast<float>(byte & 7) / 8.0f;
  const float magnitude = exponent == 0 ? std::ldexp(mantissa, 1 - exponent_bias)
                                        : std::ldexp(1.0f + mantissa, exponent - exponent_bias);
  return (byte & 0x80) != 0 ? -magnitude : magnitude;
}

float FromE5M2(int byte, int exponent_bias) noexcept {
  // A power of two neither changes infinities and NaN nor rounds here.
  return std::ldexp(ToFloat(Half{static_cast<uint16_t>(byte << 8)}), 15 - exponent_bias);
}

int64_t PayloadBytes(const RowLayout& layout) noexcept {
  switch (layout.format) {
    case RowFormat::kF32:
      return layout.dimension * 4;
    case RowFormat::kF16:
    case RowFormat::kBF16:
      return layout.dimension * 2;
    case RowFormat::kU8:
    case RowFormat::kE4M3:
    case RowFormat::kE5M2:
      return layout.dimension;
    case RowFormat::kU4:
    case RowFormat::kCodebook4:
    case RowFormat::kTwoTier4:
      return (layout.dimension + 1) / 2;
    case RowFormat::kU2:
      return (layout.dimension + 3) / 4;
  }
  return 0;
}

int64_t ParameterBytes(const RowLayout& layout) noexcept {
  switch (layout.format) {
    case RowFormat::kU8:
    case RowFormat::kU4:
    case RowFormat::kU2:
      return 2 * DataTypeSize(layout.parameters);
    case RowFormat::kCodebook4:
      return 16 * 2;
    case RowFormat::kTwoTier4:
      return 2;
    default:
      return 0;
  }
}

// The number of the codebook of a twotier4 row.
int64_t CodebookOf(const EmbeddingRows& rows, const std::byte* row) noexcept {
  const bool first = rows.layout.place == ParameterPlace::kFirst;
  const int64_t number = Load<uint16_t>(first ? row : row + PayloadBytes(rows.layout));
  return std::min(number, rows.last_codebook);
}

// One row, with its parameters.
class Row {
 public:
  Row(const EmbeddingRows& rows, int64_t index) noexcept
      : format_(rows.layout.format), exponent_bias_(rows.layout.exponent_bias) {
    const std::byte* const row = rows.data + index * rows.layout.stride;
    const bool first = rows.layout.place == ParameterPlace::kFirst;
    payload_ = first ? row + ParameterBytes(rows.layout) : row;
    const std::byte* const parameters = first ? row : row + PayloadBytes(rows.layout);
    switch (format_) {
      case RowFormat::kU8:
      case RowFormat::kU4:
      case RowFormat::kU2:
        if (rows.layout.parameters == DataType::kF32) {
          scale_ = Load<float>(parameters);
          bias_ = Load<float>(parameters + 4);
        } else {
          scale_ = LoadHalf(parameters);
          bias_ = LoadHalf(parameters + 2);
        }
        break;
      case RowFormat::kCodebook4:
        centres_ = parameters;
        break;
      case RowFormat::kTwoTier4:
        centres_ = reinterpret_cast<const std::byte*>(rows.codebooks + 16 * CodebookOf(rows, row));
        break;
      default:
        break;
    }
  }

  float scale() const noexcept { return scale_; }
  float bias() const noexcept { return bias_; }

  // q[j]
  int Code(int64_t j) const noexcept {
    switch (format_) {
      case RowFormat::kU4:
      case RowFormat::kCodebook4:
      case RowFormat::kTwoTier4:
        return Byte(j / 2) >> (j % 2 * 4) & 0xF;
      case RowFormat::kU2:
        return Byte(j / 4) >> (j % 4 * 2) & 3;
      default:
        return Byte(j);
    }
  }

  // x[j]
  float Value(int64_t j) const noexcept {
    switch (format_) {
      case RowFormat::kF32:
        return Load<float>(payload_ + j * 4);
      case RowFormat::kF16:
        return LoadHalf(payload_ + j * 2);
      case RowFormat::kBF16:
        return ToFloat(Load<BFloat16>(payload_ + j * 2));
      case RowFormat::kU8:
      case RowFormat::kU4:
      case RowFormat::kU2:
        return std::fma(static_cast<float>(Code(j)), scale_, bias_);
      case RowFormat::kCodebook4:
      case RowFormat::kTwoTier4:
        return LoadHalf(centres_ + Code(j) * 2);
      case RowFormat::kE4M3:
        return FromE4M3(Byte(j), exponent_bias_);
      case RowFormat::kE5M2:
        return FromE5M2(Byte(j), exponent_bias_);
    }
    return 0.0f;
  }

 private:
  int Byte(int64_t i) const noexcept { return std::to_integer<int>(payload_[i]); }

  RowFormat format_;
  int exponent_bias_;
  const std::byte* payload_;
  const std::byte* centres_ = nullptr;
  float scale_ = 0.0f;
  float bias_ = 0.0f;
};

void Store(const OutputMatrix& output, int64_t row, int64_t column, float value) noexcept {
  const int64_t offset = row * output.stride + column;
  switch (output.type) {
    case DataType::kF16:
      static_cast<Half*>(output.data)[offset] = ToHalf(value);
      break;
    case DataType::kBF16:
      static_cast<BFloat16*>(output.data)[offset] = ToBFloat16(value);
      break;
    default:
      static_cast<float*>(output.data)[offset] = value;
      break;
  }
}

// Columns that are accumulated side by side, so that rows are read along their bytes.
constexpr int64_t kBlock = 64;

void Pool(const BagProblem& problem, int64_t bag, int64_t first_column, int64_t columns) noexcept {
  const RowFormat format = problem.rows.layout.format;
  const bool separate_weight = format == RowFormat::kU4 || format == RowFormat::kU2 ||
                               format == RowFormat::kCodebook4 || format == RowFormat::kTwoTier4;
  const bool weighted = problem.weights_kind != BagWeights::kNone;
  const bool by_bag = problem.weights_kind == BagWeights::kPerBagPosition;
  const int64_t begin = problem.starts[bag];
  const int64_t end = problem.starts[bag + 1];
  float acc[kBlock] = {};
  float b = 0.0f;
  for (int64_t p = begin; p < end; ++p) {
    const int64_t index = RowOf(problem, p);
    if (index < 0) continue;
    const Row row(problem.rows, index);
    const float w = weighted ? problem.weights[by_bag ? p - begin : p] : 1.0f;
    for (int64_t j = 0; j < columns; ++j) {
      if (format == RowFormat::kU8) {
        const float multiplier = weighted ? w * row.scale() : row.scale();
        acc[j] = std::fma(static_cast<float>(row.Code(first_column + j)), multiplier, acc[j]);
      } else {
        const float x = row.Value(first_column + j);
        if (!weighted) {
          acc[j] = acc[j] + x;
        } else if (separate_weight) {
          acc[j] = acc[j] + w * x;
        } else {
          acc[j] = std::fma(w, x, acc[j]);
        }
      }
    }
    b = weighted ? std::fma(w, row.bias(), b) : b + row.bias();
  }
  for (int64_t j = 0; j < columns; ++j) {
    float y = acc[j];
    if (format == RowFormat::kU8) y = y + b;
    if (problem.pooling == Pooling::kMean && end > begin) {
      y = y * (1.0f / static_cast<float>(end - begin));
    }
    Store(problem.output, bag, first_column + j, y);
  }
}

void Gather(const BagProblem& problem, int64_t p) noexcept {
  const int64_t index = RowOf(problem, p);
  if (index < 0) {
    for (int64_t j = 0; j < problem.rows.layout.dimension; ++j) Store(problem.output, p, j, 0.0f);
    return;
  }
  const Row row(problem.rows, index);
  const bool weighted = problem.weights_kind != BagWeights::kNone;
  for (int64_t j = 0; j < problem.rows.layout.dimension; ++j) {
    const float x = row.Value(j);
    Store(problem.output, p, j, weighted ? problem.weights[p] * x : x);
  }
}

}  // namespace

int64_t RowOf(const BagProblem& problem, int64_t p) noexcept {
  const int64_t index = problem.indices[p];
  return problem.row_map == nullptr ? index : problem.row_map[index];
}

int64_t RowSum(const EmbeddingRows& rows, int64_t index) noexcept {
  const std::byte* const row = rows.data + index * rows.layout.stride;
  const int64_t bytes = PayloadBytes(rows.layout) + ParameterBytes(rows.layout);
  const std::byte* const checksum =
      rows.layout.checksum ? row + bytes : rows.checksums + index * base::ChecksumBytes(bytes);
  const int64_t sum = ChecksumSum(row, bytes, checksum);
  if (rows.layout.format != RowFormat::kTwoTier4) return sum;
  constexpr int64_t kCodebookBytes = 16 * sizeof(Half);
  const int64_t number = CodebookOf(rows, row);
  return sum + ChecksumSum(reinterpret_cast<const std::byte*>(rows.codebooks + 16 * number),
                           kCodebookBytes,
                           rows.codebook_checksums + number * base::ChecksumBytes(kCodebookBytes));
}

void DecodeRow(const EmbeddingRows& rows, int64_t index, float* output) noexcept {
  const Row row(rows, index);
  for (int64_t j = 0; j < rows.layout.dimension; ++j) output[j] = row.Value(j);
}

void EmbeddingBag(const BagProblem& problem, int64_t begin, int64_t end) noexcept {
  for (int64_t i = begin; i < end; ++i) {
    if (problem.pooling == Pooling::kNone) {
      Gather(problem, i);
      continue;
    }
    const int64_t dimension = problem.rows.layout.dimension;
    for (int64_t j = 0; j < dimension; j += kBlock) {
      Pool(problem, i, j, std::min(kBlock, dimension - j));
    }
  }
}

}  // namespace qforge::ref
