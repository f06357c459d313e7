#include "ref/table_quantization.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <type_traits>

#include "ref/rounding.h"

namespace qforge::ref {
namespace {

using FloatLimits = std::numeric_limits<float>;

class Loss {
 public:
  void Add(int64_t i, float error) noexcept {
    float& sum = sums_[i % kPartialSums];
    sum = std::fma(error, error, sum);
  }
  float Total() noexcept {
    for (int half = kPartialSums / 2; half >= 1; half /= 2) {
      for (int l = 0; l < half; ++l) sums_[l] += sums_[l + half];
    }
    return sums_[0];
  }

 private:
  static constexpr int kPartialSums = 16;
  float sums_[kPartialSums] = {};
};

void PutCode(uint8_t* codes, int64_t i, int bits, int code) noexcept {
  const int64_t position = i * bits;
  uint8_t& byte = codes[position / 8];
  if (position % 8 == 0) byte = 0;
  byte = static_cast<uint8_t>(byte | code << (position % 8));
}

float RangeCode(float x, float inverse_scale, float bias, float levels) noexcept {
  return std::nearbyint(Min(Max((x - bias) * inverse_scale, 0.0f), levels));
}

int CodebookCode(float x, const float* bounds) noexcept {
  int code = 0;
  while (code + 1 < kCentres && x > bounds[code + 1]) ++code;
  return code;
}

}  // namespace

template <class T>
void LoadRow(const T* source, int64_t count, float* row, float* min, float* max) noexcept {
  constexpr bool kIsHalf = std::is_same_v<T, Half>;
  constexpr float kLargest = kIsHalf ? kLargestHalf : FloatLimits::max();
  *min = FloatLimits::infinity();
  *max = -FloatLimits::infinity();
  for (int64_t i = 0; i < count; ++i) {
    float x;
    if constexpr (kIsHalf) {
      x = ToFloat(source[i]);
    } else {
      x = source[i];
    }
    row[i] = std::isnan(x) ? 0.0f : std::clamp(x, -kLargest, kLargest);
    *min = std::min(*min, row[i]);
    *max = std::max(*max, row[i]);
  }
}

template void LoadRow(const float*, int64_t, float*, float*, float*) noexcept;
template void LoadRow(const Half*, int64_t, float*, float*, float*) noexcept;

float RangeLoss(const float* row, int64_t count, float scale, float inverse_scale, float bias,
                float levels) noexcept {
  Loss loss;
  for (int64_t i = 0; i < count; ++i) {
    const float q = RangeCode(row[i], inverse_scale, bias, levels);
    loss.Add(i, row[i] - std::fma(q, scale, bias));
  }
  return loss.Total();
}

void EncodeRange(const float* row, int64_t count, float inverse_scale, float bias, int bits,
                 uint8_t* codes) noexcept {
  const float levels = static_cast<float>((1 << bits) - 1);
  for (int64_t i = 0; i < count; ++i) {
    PutCode(codes, i, bits, static_cast<int>(RangeCode(row[i], inverse_scale, bias, levels)));
  }
}

void FindBounds(const float* centres, float* bounds) noexcept {
  bounds[0] = 0.0f;
  for (int q = 1; q < kCentres; ++q) bounds[q] = 0.5f * (centres[q - 1] + centres[q]);
}

float CodebookLoss(const float* row, int64_t count, const float* bounds,
                   const float* centres) noexcept {
  Loss loss;
  for (int64_t i = 0; i < count; ++i) {
    loss.Add(i, row[i] - centres[CodebookCode(row[i], bounds)]);
  }
  return loss.Total();
}

void EncodeCodebook(const float* row, int64_t count, const float* bounds, uint8_t* codes) noexcept {
  for (int64_t i = 0; i < count; ++i) PutCode(codes, i, 4, CodebookCode(row[i], bounds));
}

}  // namespace qforge::ref
