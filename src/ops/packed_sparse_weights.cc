#include "qforge/packed_sparse_weights.h"

#include <fcntl.h>

#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <new>

#include "base/constant_bytes.h"
#include "base/file.h"
#include "ops/blob.h"
#include "ops/sparse_blob.h"
#include "ops/sparse_validate.h"
#include "ops/validate.h"

namespace qforge {
namespace {

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "", "no memory for sparse weights");
}

Result<SparseHeader> ReadHeader(const BlobName& name, base::File* file) {
  SparseHeader head{};
  const Result<BlobStart> start = ReadBlobStart(name, sizeof(head), file, &head);
  if (!start.ok()) return start.status();
  return ReadSparseHeader(name, &head, start->readable, start->blob_bytes);
}

}  // namespace

struct PackedSparseWeights::State {
  base::ConstantBytes blob;
  SparseWeights weights;  // a view of it
  const char* keeper;     // for Describe(): who keeps it

  static Result<PackedSparseWeights> Open(const BlobName& name, base::ConstantBytes blob,
                                          const char* keeper = "") {
    const Result<SparseWeights> weights = ReadSparseBlob(name, blob.data(), blob.size());
    if (!weights.ok()) return weights.status();
    return PackedSparseWeights(
        std::make_shared<const State>(State{std::move(blob), *weights, keeper}));
  }

  // Whether they are still what was checked.
  Status Verify() const {
    return ReadSparseBlob(BlobName{"weights", ""}, blob.data(), blob.size()).status();
  }
};

Result<PackedSparseWeights> PackedSparseWeights::Create(const SparseWeights& weights) noexcept {
  QFORGE_RETURN_IF_ERROR(ValidateSparseWeights("weights", weights));
  try {
    Result<base::AlignedBuffer> blob = MakeSparseBlob(weights);
    if (!blob.ok()) return blob.status();
    const SparseWeights view = ViewSparseBlob(*blob->As<SparseHeader>(), blob->data());
    return PackedSparseWeights(
        std::make_shared<const State>(State{std::move(blob).value(), view, ""}));
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Status PackedSparseWeights::Save(const std::string& path) const noexcept {
  try {
    QFORGE_RETURN_IF_ERROR(state_->Verify());
    return base::ReplaceFile(path, [&](base::File* file, const std::string& name) {
      if (file->Write(state_->blob.data(), state_->blob.size())) return Status();
      return base::SystemError("write", name);
    });
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedSparseWeights> PackedSparseWeights::Load(const std::string& path) noexcept {
  try {
    const BlobName name{"path", path};
    base::File file(path, O_RDONLY);
    const Result<SparseHeader> header = ReadHeader(name, &file);
    if (!header.ok()) return header.status();
    Result<base::AlignedBuffer> blob = ReadRestOfBlob(
        name, &*header, sizeof(*header), static_cast<size_t>(header->file_bytes), &file);
    if (!blob.ok()) return blob.status();
    return State::Open(name, std::move(blob).value());
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedSparseWeights> PackedSparseWeights::Map(const std::string& path) noexcept {
  try {
    const BlobName name{"path", path};
    base::File file(path, O_RDONLY);
    const Result<SparseHeader> header = ReadHeader(name, &file);
    if (!header.ok()) return header.status();
    const size_t bytes = static_cast<size_t>(header->file_bytes);
    const Result<std::shared_ptr<const std::byte>> mapping = base::MapFile(file, path, bytes);
    if (!mapping.ok()) return mapping.status();
    return State::Open(name, base::ConstantBytes(mapping->get(), bytes, *mapping),
                       ", mapped from a file");
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

int64_t PackedSparseWeights::serialized_bytes() const noexcept {
  return static_cast<int64_t>(state_->blob.size());
}

Status PackedSparseWeights::Serialize(ArrayView<uint8_t> bytes) const noexcept {
  QFORGE_RETURN_IF_ERROR(CheckRoomForBlob(bytes, serialized_bytes()));
  try {
    QFORGE_RETURN_IF_ERROR(state_->Verify());
    std::memcpy(bytes.data(), state_->blob.data(), state_->blob.size());
    return Status();
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedSparseWeights> PackedSparseWeights::Deserialize(
    ArrayView<const uint8_t> bytes) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckArray("bytes", bytes.data(), bytes.size(), DataType::kU8));
  try {
    const BlobName name;
    const size_t size = static_cast<size_t>(bytes.size());
    QFORGE_RETURN_IF_ERROR(ReadSparseHeader(name, bytes.data(), size, bytes.size()).status());
    Result<base::AlignedBuffer> blob = base::AlignedBuffer::Allocate(size, "bytes");
    if (!blob.ok()) return blob.status();
    std::memcpy(blob->data(), bytes.data(), size);
    return State::Open(name, std::move(blob).value());
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedSparseWeights> PackedSparseWeights::Borrow(ArrayView<const uint8_t> bytes) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckBorrowedBlob(bytes));
  try {
    const auto* const data = reinterpret_cast<const std::byte*>(bytes.data());
    return State::Open(BlobName(),
                       base::ConstantBytes(data, static_cast<size_t>(bytes.size()), nullptr),
                       ", borrowed");
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

SparseWeights PackedSparseWeights::weights() const noexcept { return state_->weights; }
int64_t PackedSparseWeights::inputs() const noexcept { return state_->weights.inputs; }
int64_t PackedSparseWeights::outputs() const noexcept { return state_->weights.outputs; }
int64_t PackedSparseWeights::entries() const noexcept { return state_->weights.values.size(); }
int64_t PackedSparseWeights::bytes() const noexcept {
  return serialized_bytes() - int64_t{sizeof(SparseHeader)};
}

std::string PackedSparseWeights::Describe() const noexcept {
  char text[256];
  std::snprintf(text, sizeof(text),
                "%" PRId64 " x %" PRId64 " sparse weights, %" PRId64
                " entries with rows of %d bits, %" PRId64 " bytes%s",
                inputs(), outputs(), entries(), 8 * weights().row_indices.element_bytes(), bytes(),
                state_->keeper);
  try {
    return text;
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

}  // namespace qforge
