#include "ops/sparse_blob.h"

#include <algorithm>
#include <cstring>
#include <string>

#include "base/arithmetic.h"
#include "base/checksum.h"
#include "ops/index_view.h"
#include "ops/sparse_validate.h"

namespace qforge {
namespace {

constexpr BlobKind kKind = {"QFORGESW", 1, "sparse weights"};
constexpr int64_t kArrayAlignment = base::AlignedBuffer::kAlignment;

bool HasNarrowRows(int64_t inputs) { return inputs <= int64_t{1} << 31; }

// Places that follow from the sizes, which are such that nothing leaves int64. Without checksums.
SparseHeader HeaderOf(int64_t inputs, int64_t outputs, int64_t entries) {
  SparseHeader header{};
  std::memcpy(header.magic, kKind.magic, sizeof(header.magic));
  header.version = kKind.version;
  header.header_bytes = sizeof(header);
  header.inputs = inputs;
  header.outputs = outputs;
  header.entries = entries;
  const auto behind = [](int64_t begin, int64_t bytes) {
    return base::AlignUp(begin + bytes, kArrayAlignment);
  };
  header.rows_offset = behind(sizeof(header), (outputs + 1) * 8);
  header.values_offset = behind(header.rows_offset, entries * (HasNarrowRows(inputs) ? 4 : 8));
  header.file_bytes = header.values_offset + entries;
  return header;
}

uint64_t ArraysChecksum(const SparseHeader& header, const std::byte* blob) {
  return base::ChecksumOf(blob + sizeof(header),
                          static_cast<size_t>(header.file_bytes) - sizeof(header));
}

template <class Index>
void CopyRows(const IndexView& rows, std::byte* to) {
  auto* const copy = reinterpret_cast<Index*>(to);
  for (int64_t e = 0; e < rows.size(); ++e) copy[e] = static_cast<Index>(rows[e]);
}

}  // namespace

Result<base::AlignedBuffer> MakeSparseBlob(const SparseWeights& weights) {
  const ArrayView<const int64_t>& offsets = weights.column_offsets;
  const ArrayView<const int8_t>& values = weights.values;
  SparseHeader header = HeaderOf(weights.inputs, weights.outputs, values.size());
  Result<base::AlignedBuffer> blob =
      base::AlignedBuffer::Allocate(static_cast<size_t>(header.file_bytes), "weights");
  if (!blob.ok()) return blob.status();
  std::byte* const begin = blob->data();
  std::memset(begin, 0, blob->size());
  std::memcpy(begin + sizeof(header), offsets.data(),
              static_cast<size_t>(offsets.size()) * sizeof(int64_t));
  std::byte* const rows = begin + header.rows_offset;
  HasNarrowRows(weights.inputs) ? CopyRows<int32_t>(weights.row_indices, rows)
                                : CopyRows<int64_t>(weights.row_indices, rows);
  if (!values.empty()) {
    std::memcpy(begin + header.values_offset, values.data(), static_cast<size_t>(values.size()));
  }
  header.arrays_checksum = ArraysChecksum(header, begin);
  header.header_checksum = HeaderChecksum(header);
  std::memcpy(begin, &header, sizeof(header));
  return blob;
}

SparseWeights ViewSparseBlob(const SparseHeader& header, const std::byte* blob) {
  const std::byte* const rows = blob + header.rows_offset;
  SparseWeights weights;
  weights.inputs = header.inputs;
  weights.outputs = header.outputs;
  weights.column_offsets = {reinterpret_cast<const int64_t*>(blob + sizeof(header)),
                            header.outputs + 1};
  weights.row_indices = HasNarrowRows(header.inputs)
                            ? IndexView(reinterpret_cast<const int32_t*>(rows), header.entries)
                            : IndexView(reinterpret_cast<const int64_t*>(rows), header.entries);
  weights.values = {reinterpret_cast<const int8_t*>(blob + header.values_offset), header.entries};
  return weights;
}

Result<SparseHeader> ReadSparseHeader(const BlobName& name, const void* head, size_t readable,
                                      int64_t blob_bytes) {
  SparseHeader header{};
  QFORGE_RETURN_IF_ERROR(ReadBlobHeader(name, kKind, head, readable, &header, sizeof(header)));
  // So that nothing leaves int64. What sizes are otherwise is a matter of ValidateSparseWeights().
  if (header.outputs < 0 || header.outputs > INT32_MAX || header.entries < 0 ||
      header.entries > kMostElements) {
    return name.Corrupted("the header says what no sparse weights are");
  }
  // All that follows from the sizes, and zeros where nothing stands.
  SparseHeader expected = HeaderOf(header.inputs, header.outputs, header.entries);
  expected.arrays_checksum = header.arrays_checksum;
  expected.header_checksum = header.header_checksum;
  if (std::memcmp(&header, &expected, sizeof(header)) != 0) {
    return name.Corrupted("the header contradicts its own sizes");
  }
  if (header.file_bytes != blob_bytes) {
    return name.Corrupted("has " + std::to_string(blob_bytes) + " bytes; the header says " +
                          std::to_string(header.file_bytes));
  }
  return header;
}

Result<SparseWeights> ReadSparseBlob(const BlobName& name, const std::byte* blob, size_t bytes) {
  const Result<SparseHeader> header =
      ReadSparseHeader(name, blob, bytes, static_cast<int64_t>(bytes));
  if (!header.ok()) return header.status();
  if (ArraysChecksum(*header, blob) != header->arrays_checksum) {
    return name.Corrupted("the arrays' checksum does not match");
  }
  const SparseWeights weights = ViewSparseBlob(*header, blob);
  const Status valid = ValidateSparseWeights("weights", weights);
  if (!valid.ok()) return name.Corrupted(valid.message());
  return weights;
}

}  // namespace qforge
