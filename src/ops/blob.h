// What the file forms of weights have in common.
//
// A form begins with a header: 8 characters that say what it is, a version of 32 bits, and as its
// last 8 bytes the checksum of all in front of them.
#ifndef QFORGE_OPS_BLOB_H_
#define QFORGE_OPS_BLOB_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "base/aligned_buffer.h"
#include "base/checksum.h"
#include "base/file.h"
#include "qforge/status.h"
#include "qforge/views.h"

namespace qforge {

// What errors call a blob: the field, and the file in front of the sentence.
struct BlobName {
  const char* field = "bytes";
  std::string path;

  Status Error(StatusCode code, const std::string& sentence) const;
  Status Corrupted(const std::string& sentence) const {
    return Error(StatusCode::kDataCorrupted, sentence);
  }
};

struct BlobKind {
  const char* magic;  // 8 characters
  uint32_t version;
  const char* content;  // what a blob is said not to have: "packed weights"
};

// --- The header ----------------------------------------------------------------------------------

template <class Header>
uint64_t HeaderChecksum(const Header& header) {
  constexpr size_t kEnd = offsetof(Header, header_checksum);
  static_assert(kEnd + sizeof(header.header_checksum) == sizeof(header));
  return base::ChecksumOf(&header, kEnd);
}

// Copies the header, whose magic, version and checksum are right, of a blob that begins with the
// first `readable` bytes at `head`: all of it, or at least a header. Throws std::bad_alloc.
Status ReadBlobHeader(const BlobName& name, const BlobKind& kind, const void* head, size_t readable,
                      void* header, size_t header_bytes);

// --- Files ---------------------------------------------------------------------------------------

struct BlobStart {
  size_t readable = 0;
  int64_t blob_bytes = 0;
};

// The first `bytes` bytes of a file, or as many as there are, and no more: it may be of something
// else and of any size. `file` is left behind them.
Result<BlobStart> ReadBlobStart(const BlobName& name, size_t bytes, base::File* file, void* to);

// All of a blob whose header has been read from the file.
Result<base::AlignedBuffer> ReadRestOfBlob(const BlobName& name, const void* header,
                                           size_t header_bytes, size_t blob_bytes,
                                           base::File* file);

// --- Memory of the caller's ----------------------------------------------------------------------

// What a blob of `needed` bytes can be written to.
Status CheckRoomForBlob(ArrayView<uint8_t> bytes, int64_t needed) noexcept;

// What can be used as a blob without a copy, as far as the address is concerned.
Status CheckBorrowedBlob(ArrayView<const uint8_t> bytes) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_BLOB_H_
