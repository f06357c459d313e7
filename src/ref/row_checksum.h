// The scalar truth of checksums, whose definition is in qforge/row_layout.h. Fast enough to make
// those of whole tables.
#ifndef QFORGE_REF_ROW_CHECKSUM_H_
#define QFORGE_REF_ROW_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

namespace qforge::ref {

// Writes the checksum of `bytes` bytes at `data`: base::ChecksumBytes(bytes) bytes.
void WriteChecksum(const std::byte* data, int64_t bytes, std::byte* checksum) noexcept;

// The sum of a checksum and the bytes that it is of, which is 0 unless one of them has changed.
int64_t ChecksumSum(const std::byte* data, int64_t bytes, const std::byte* checksum) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_ROW_CHECKSUM_H_
