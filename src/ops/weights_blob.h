// The file form of packed weights.
//
// Little-endian, without compression:
//
//   [0, 256)                      struct WeightsHeader
//   [256, weights_offset)         arrays, each at a multiple of 8 behind the one before it, with
//                                 zeros between them and behind the last, in this order: scales,
//                                 zero-points, sums, magnitudes; outlier offsets, rows and values;
//                                 row sums; sums and bounds of floats; checksums of slices. Those
//                                 that the header says are there
//   [weights_offset, file_bytes)  the packed weights as kernels read them, at a multiple of 64
//
// Each of the three has a checksum of its own, so that no byte is unaccounted for: XXH64 with seed
// 0. Where anything else stands follows from the header's sizes, types and the ISA, by which a
// reader lays the weights out again: offsets are there to be compared. A change to any of this, or
// to how an ISA's kernels read weights, takes another version.
//
// A header that has the right checksum is believed no more than a caller is, and neither are the
// arrays and the sections of panels: whatever a blob says, neither a kernel nor anything else reads
// or writes out of bounds because of it.
#ifndef QFORGE_OPS_WEIGHTS_BLOB_H_
#define QFORGE_OPS_WEIGHTS_BLOB_H_

#include <cstddef>
#include <cstdint>
#include <memory>

#include "base/constant_bytes.h"
#include "ops/blob.h"
#include "pack/packed_matrix.h"
#include "qforge/status.h"

namespace qforge {

struct WeightsHeader {
  char magic[8];  // "QFORGEPW"
  uint32_t version;
  uint32_t header_bytes;        // 256
  char isa[24];                 // IsaName(), zeros behind it
  uint8_t type;                 // DataType
  uint8_t summation;            // kernels::Summation
  uint8_t depth;                // kNarrow
  uint8_t accumulation;         // Accumulation
  uint8_t main_bits;            // those that were taken
  uint8_t requested_main_bits;  // 0: the cheapest
  uint8_t has_zero_points;      // 0 or 1, and so are those below
  uint8_t has_outliers;         // given
  uint8_t has_sections;         // kDot: wide groups behind panels
  uint8_t has_row_sums;         // soft_error_check
  uint8_t unused[2];            // 0
  int32_t activation_maximum;
  int64_t inputs;
  int64_t outputs;
  int64_t products;
  int64_t outlier_entries;  // of the plain matrix
  int64_t groups;           // NarrowShares
  int64_t split;
  int64_t wide_groups;
  double cost;
  float row_sum_constant;  // FloatRowSums
  float row_sum_limit;
  int64_t weights_offset;
  int64_t file_bytes;
  uint64_t arrays_checksum;   // of [256, weights_offset)
  uint64_t weights_checksum;  // of [weights_offset, file_bytes)
  uint8_t reserved[88];       // 0
  uint64_t header_checksum;   // of all that is in front of it
};
static_assert(sizeof(WeightsHeader) == 256 && offsetof(WeightsHeader, header_checksum) == 248);

// All in front of the weights. Throws std::bad_alloc.
Result<base::AlignedBuffer> MakeBlobHead(const pack::PackedMatrix& matrix);
// The size of the whole.
int64_t BlobBytes(const pack::PackedMatrix& matrix);

// The header, checked for itself, of a blob of `blob_bytes` bytes that begins with the first
// `readable` of them at `head`, which are all or at least a header. Throws std::bad_alloc.
Result<WeightsHeader> ReadWeightsHeader(const BlobName& name, const void* head, size_t readable,
                                        int64_t blob_bytes);

// The matrix of a blob with this header, whose weights stay in `blob`, aligned as
// base::AlignedBuffer is. Everything is checked but what VerifyWeights() does. Throws
// std::bad_alloc.
Result<std::shared_ptr<pack::PackedMatrix>> ReadWeights(const BlobName& name,
                                                        const WeightsHeader& header,
                                                        base::ConstantBytes blob);

// Compares the weights with their checksum, and of s8 weights sums, magnitudes and row sums with
// those that the weights give; also that none is larger than packing takes, that there are none
// beyond K or N, and that no sum of 16 bits can overflow. Row sums of floats and their bounds are
// made again, in place of those that were read, and not compared. The checksums of slices are
// left to PackedWeights::Scrub(). Throws std::bad_alloc.
Status VerifyWeights(const BlobName& name, const WeightsHeader& header, pack::PackedMatrix* matrix);

}  // namespace qforge

#endif  // QFORGE_OPS_WEIGHTS_BLOB_H_
