// Sizes and weights of the checksum that qforge/row_layout.h defines.
#ifndef QFORGE_BASE_ROW_CHECKSUM_H_
#define QFORGE_BASE_ROW_CHECKSUM_H_

#include <cstdint>

namespace qforge::base {

// What all bytes of a checksum but the first count. Odd, so that flipping a bit changes a sum by an
// odd number times a power of two below 2^8: sums that wrap at 2^32 lose that only where it comes
// 2^25 times. Two products of a byte with it fit into 16 bits, which vpmaddubsw needs.
inline constexpr int kChecksumWeight = 127;

// Bytes of a row for each of those bytes: 125 bytes of -128 take 126 times 127.
inline constexpr int64_t kRowBytesPerDigit = 125;

// Bytes of the checksum of so many bytes.
constexpr int64_t ChecksumBytes(int64_t bytes) {
  return 1 + (bytes + kRowBytesPerDigit - 1) / kRowBytesPerDigit;
}

// The weight of byte `i` of a checksum.
constexpr int ChecksumWeight(int64_t i) { return i == 0 ? 1 : kChecksumWeight; }

}  // namespace qforge::base

#endif  // QFORGE_BASE_ROW_CHECKSUM_H_
