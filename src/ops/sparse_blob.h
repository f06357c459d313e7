// The file form of sparse weights.
//
// Little-endian, without compression:
//
//   [0, 128)                      struct SparseHeader
//   [128, rows_offset)            column offsets: N + 1 numbers of 64 bits
//   [rows_offset, values_offset)  the rows of entries: of 32 bits where K <= 2^31, else of 64
//   [values_offset, file_bytes)   the values of entries: s8
//
// Arrays begin at multiples of 64, with zeros up to there. The header has a checksum of itself and
// one of everything behind it, so that no byte is unaccounted for: XXH64 with seed 0. Where arrays
// stand follows from the three sizes: offsets are there to be compared. A change to any of this
// takes another version.
//
// A blob with the right checksums is believed no more than a caller is.
#ifndef QFORGE_OPS_SPARSE_BLOB_H_
#define QFORGE_OPS_SPARSE_BLOB_H_

#include <cstddef>
#include <cstdint>

#include "base/aligned_buffer.h"
#include "ops/blob.h"
#include "qforge/sparse_weights.h"
#include "qforge/status.h"

namespace qforge {

struct SparseHeader {
  char magic[8];  // "QFORGESW"
  uint32_t version;
  uint32_t header_bytes;  // 128
  int64_t inputs;
  int64_t outputs;
  int64_t entries;
  int64_t rows_offset;
  int64_t values_offset;
  int64_t file_bytes;
  uint64_t arrays_checksum;  // of [128, file_bytes)
  uint8_t reserved[48];      // 0
  uint64_t header_checksum;  // of all that is in front of it
};
static_assert(sizeof(SparseHeader) == 128 && offsetof(SparseHeader, header_checksum) == 120);

// The blob of weights that ValidateSparseWeights() accepts.
Result<base::AlignedBuffer> MakeSparseBlob(const SparseWeights& weights);

// The weights in a blob with this header: a view of it.
SparseWeights ViewSparseBlob(const SparseHeader& header, const std::byte* blob);

// The header, checked for itself, of a blob of `blob_bytes` bytes that begins with the first
// `readable` of them at `head`, which are all or at least a header. Throws std::bad_alloc.
Result<SparseHeader> ReadSparseHeader(const BlobName& name, const void* head, size_t readable,
                                      int64_t blob_bytes);

// A view of the weights in a blob, aligned as base::AlignedBuffer is. Everything is checked. Throws
// std::bad_alloc.
Result<SparseWeights> ReadSparseBlob(const BlobName& name, const std::byte* blob, size_t bytes);

}  // namespace qforge

#endif  // QFORGE_OPS_SPARSE_BLOB_H_
