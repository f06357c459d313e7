#include "ops/float_preparation.h"

#include <algorithm>
#include <type_traits>

#include "qforge/half.h"

namespace qforge {
namespace {

template <class To, class From>
To Convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else {
    return ToFloat(value);
  }
}

template <class From, class To>
void Prepare(const InputMatrix& input, bool transposed, int64_t columns, int64_t begin, int64_t end,
             std::byte* bytes) {
  const From* from = static_cast<const From*>(input.data);
  To* to = reinterpret_cast<To*>(bytes);
  if (!transposed) {
    for (int64_t i = begin; i < end; ++i) {
      for (int64_t k = 0; k < columns; ++k) {
        to[(i - begin) * columns + k] = Convert<To>(from[i * input.stride + k]);
      }
    }
    return;
  }
  // Blocks whose lines of both matrices stay in the first-level cache.
  constexpr int64_t kBlock = 32;
  for (int64_t row = begin; row < end; row += kBlock) {
    const int64_t row_end = std::min(end, row + kBlock);
    for (int64_t column = 0; column < columns; column += kBlock) {
      const int64_t column_end = std::min(columns, column + kBlock);
      for (int64_t i = row; i < row_end; ++i) {
        for (int64_t k = column; k < column_end; ++k) {
          to[(i - begin) * columns + k] = Convert<To>(from[k * input.stride + i]);
        }
      }
    }
  }
}

}  // namespace

void FloatPreparation::PrepareRows(const InputMatrix& input, int64_t begin, int64_t end,
                                   std::byte* to) const noexcept {
  if (from_ == DataType::kF16) {
    Prepare<Half, float>(input, transposed_, columns_, begin, end, to);
  } else if (from_ == DataType::kF32) {
    Prepare<float, float>(input, transposed_, columns_, begin, end, to);
  } else if (to_ == DataType::kBF16) {
    Prepare<BFloat16, BFloat16>(input, transposed_, columns_, begin, end, to);
  } else {
    Prepare<BFloat16, float>(input, transposed_, columns_, begin, end, to);
  }
}

const char* FloatPreparation::description() const {
  if (!needed()) return "none: A is read as it is";
  if (from_ == to_) return "transposed";
  return transposed_ ? "transposed, converted to f32" : "converted to f32";
}

}  // namespace qforge
