#include "ops/blob.h"

#include <algorithm>
#include <bit>
#include <cinttypes>
#include <cstring>

#include "base/arithmetic.h"
#include "ops/validate.h"

namespace qforge {

static_assert(std::endian::native == std::endian::little, "structs are stored as they are");

Status BlobName::Error(StatusCode code, const std::string& sentence) const {
  return Status::Error(code, field, "%.120s%s%s", path.c_str(), path.empty() ? "" : ": ",
                       sentence.c_str());
}

Status ReadBlobHeader(const BlobName& name, const BlobKind& kind, const void* head, size_t readable,
                      void* header, size_t header_bytes) {
  constexpr size_t kMagicBytes = 8;
  readable = std::min(readable, header_bytes);
  if (readable != 0) std::memcpy(header, head, readable);
  if (std::memcmp(header, kind.magic, std::min(readable, kMagicBytes)) != 0) {
    return name.Error(StatusCode::kUnsupported, std::string("does not begin with \"") + kind.magic +
                                                    "\": these are no " + kind.content);
  }
  if (readable < header_bytes) return name.Corrupted("ends within the header");
  const auto* const bytes = static_cast<const std::byte*>(header);
  uint32_t version;
  std::memcpy(&version, bytes + kMagicBytes, sizeof(version));
  if (version != kind.version) {
    return name.Error(StatusCode::kUnsupported, "is of version " + std::to_string(version) +
                                                    "; this build reads version " +
                                                    std::to_string(kind.version));
  }
  uint64_t checksum;
  const size_t end = header_bytes - sizeof(checksum);
  std::memcpy(&checksum, bytes + end, sizeof(checksum));
  if (checksum == base::ChecksumOf(header, end)) return Status();
  return name.Corrupted("the header's checksum does not match");
}

Result<BlobStart> ReadBlobStart(const BlobName& name, size_t bytes, base::File* file, void* to) {
  const Result<int64_t> size = base::SizeOf(*file, name.path);
  if (!size.ok()) return size.status();
  const size_t readable = std::min(bytes, static_cast<size_t>(*size));
  QFORGE_RETURN_IF_ERROR(base::ReadExactly(name.path, file, to, readable));
  return BlobStart{readable, *size};
}

Result<base::AlignedBuffer> ReadRestOfBlob(const BlobName& name, const void* header,
                                           size_t header_bytes, size_t blob_bytes,
                                           base::File* file) {
  Result<base::AlignedBuffer> blob = base::AlignedBuffer::Allocate(blob_bytes, name.field);
  if (!blob.ok()) return blob.status();
  std::memcpy(blob->data(), header, header_bytes);
  QFORGE_RETURN_IF_ERROR(
      base::ReadExactly(name.path, file, blob->data() + header_bytes, blob_bytes - header_bytes));
  return blob;
}

Status CheckRoomForBlob(ArrayView<uint8_t> bytes, int64_t needed) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckArray("bytes", bytes.data(), bytes.size(), DataType::kU8));
  if (bytes.size() == needed) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "bytes",
                       "%" PRId64 "; serialized_bytes() = %" PRId64 " are needed", bytes.size(),
                       needed);
}

Status CheckBorrowedBlob(ArrayView<const uint8_t> bytes) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckArray("bytes", bytes.data(), bytes.size(), DataType::kU8));
  constexpr size_t kAlignment = base::AlignedBuffer::kAlignment;
  if (base::IsAligned(bytes.data(), kAlignment)) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "bytes",
                       "%p is no multiple of %zu; Deserialize() copies them",
                       static_cast<const void*>(bytes.data()), kAlignment);
}

}  // namespace qforge
