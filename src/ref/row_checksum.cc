#include "ref/row_checksum.h"

#include <algorithm>

#include "base/row_checksum.h"

namespace qforge::ref {
namespace {

int64_t SumOfBytes(const std::byte* data, int64_t bytes) noexcept {
  int64_t sum = 0;
  for (int64_t i = 0; i < bytes;) {
    int32_t part = 0;  // of so many bytes that it cannot overflow
    for (const int64_t end = std::min(bytes, i + (int64_t{1} << 20)); i < end; ++i) {
      part += static_cast<int8_t>(data[i]);
    }
    sum += part;
  }
  return sum;
}

}  // namespace

void WriteChecksum(const std::byte* data, int64_t bytes, std::byte* checksum) noexcept {
  constexpr int64_t kWeight = base::kChecksumWeight;
  const int64_t sum = -SumOfBytes(data, bytes);
  // -63 to 63, so that what is left is a multiple of the weight.
  int64_t first = sum % kWeight;
  if (first > kWeight / 2) first -= kWeight;
  if (first < -(kWeight / 2)) first += kWeight;
  checksum[0] = static_cast<std::byte>(first);
  int64_t rest = (sum - first) / kWeight;
  for (int64_t i = 1; i < base::ChecksumBytes(bytes); ++i) {
    const int64_t digit = std::clamp<int64_t>(rest, -127, 127);
    checksum[i] = static_cast<std::byte>(digit);
    rest -= digit;
  }
}

int64_t ChecksumSum(const std::byte* data, int64_t bytes, const std::byte* checksum) noexcept {
  const int64_t size = base::ChecksumBytes(bytes);
  return SumOfBytes(data, bytes) + static_cast<int8_t>(checksum[0]) +
         base::kChecksumWeight * SumOfBytes(checksum + 1, size - 1);
}

}  // namespace qforge::ref
