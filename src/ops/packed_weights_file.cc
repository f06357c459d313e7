#include <fcntl.h>

#include <algorithm>
#include <cstring>
#include <new>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/float_environment.h"
#include "cpu/dispatch.h"
#include "cpu/host.h"
#include "ops/validate.h"
#include "ops/weights_blob.h"
#include "pack/packed_matrix.h"
#include "pack/unpack.h"
#include "qforge/packed_weights.h"

namespace qforge {
namespace {

using pack::PackedMatrix;
using pack::PanelLayout;

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "", "no memory for packed weights");
}

// Weights that were unpacked, as Create() takes them: N x K of s8, and as outliers what of them is
// beyond that.
struct PlainWeights {
  base::AlignedBuffer weights;
  std::vector<int64_t> column_offsets;
  std::vector<int64_t> row_indices;
  std::vector<int8_t> values;

  void AddColumn(const int32_t* column, int64_t inputs, int8_t* to) {
    for (int64_t k = 0; k < inputs; ++k) {
      to[k] = static_cast<int8_t>(std::clamp(column[k], -128, 127));
      for (int32_t rest = column[k] - to[k]; rest != 0; rest -= values.back()) {
        row_indices.push_back(k);
        values.push_back(static_cast<int8_t>(std::clamp(rest, -128, 127)));
      }
    }
    column_offsets.push_back(static_cast<int64_t>(values.size()));
  }
};

Result<PlainWeights> UnpackBytes(const PackedMatrix& matrix) {
  const PanelLayout& layout = matrix.layout;
  PlainWeights plain;
  Result<base::AlignedBuffer> buffer = base::AlignedBuffer::Allocate(
      static_cast<size_t>(layout.products * layout.outputs * layout.inputs), "weights");
  if (!buffer.ok()) return buffer.status();
  plain.weights = std::move(buffer).value();
  plain.column_offsets.push_back(0);
  pack::Unpacker unpacker(matrix);
  int8_t* to = plain.weights.As<int8_t>();
  for (int64_t product = 0; product < layout.products; ++product) {
    for (int64_t block = 0; block < unpacker.blocks(); ++block) {
      unpacker.Unpack(product, block);
      for (int64_t j = 0; j < unpacker.columns(block); ++j, to += layout.inputs) {
        plain.AddColumn(unpacker.Column(j), layout.inputs, to);
      }
    }
  }
  return plain;
}

// Why weights for `isa` cannot be used under a cap; empty where they can.
std::string WhyRefused(Isa isa, Isa max_isa) {
  return cpu::WhyRefused(isa, max_isa, cpu::EnvironmentCap().value(), cpu::Host().features);
}

Status CheckOptions(Isa max_isa, Repack repack) {
  QFORGE_RETURN_IF_ERROR(CheckIsa("options.max_isa", max_isa));
  if (repack <= Repack::kForBest) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "options.repack", "%d is no choice",
                       static_cast<int>(repack));
}

Result<WeightsHeader> ReadHeader(const BlobName& name, base::File* file) {
  WeightsHeader head{};
  const Result<BlobStart> start = ReadBlobStart(name, sizeof(head), file, &head);
  if (!start.ok()) return start.status();
  return ReadWeightsHeader(name, &head, start->readable, start->blob_bytes);
}

MapWeightsOptions Verified(const LoadWeightsOptions& options) {
  return MapWeightsOptions{options.max_isa, options.repack, /*verify=*/true};
}

}  // namespace

struct PackedWeights::Opening {
  const BlobName& name;
  const WeightsHeader& header;
  base::ConstantBytes blob;
  pack::WeightsOwner owner = pack::WeightsOwner::kMatrix;
  const MapWeightsOptions& options;
};

Result<PackedWeights> PackedWeights::PackAgain(const PackedMatrix& matrix, Isa max_isa) {
  const PanelLayout& layout = matrix.layout;
  const int64_t rows = layout.products * layout.inputs;
  if (layout.type != DataType::kS8) {
    Result<base::AlignedBuffer> plain = base::AlignedBuffer::Allocate(
        static_cast<size_t>(rows * layout.outputs * DataTypeSize(layout.type)), "weights");
    if (!plain.ok()) return plain.status();
    pack::UnpackFloats(matrix, plain->data());
    InputMatrix weights;
    weights.data = plain->data();
    weights.rows = rows;
    weights.cols = weights.stride = layout.outputs;
    weights.type = layout.type;
    FloatWeightsOptions options;
    options.groups = layout.products;
    options.max_isa = max_isa;
    options.soft_error_check = matrix.float_row_sums.has_value();
    return CreateFloat(weights, options);
  }
  Result<PlainWeights> plain = UnpackBytes(matrix);
  if (!plain.ok()) return plain.status();
  const int64_t columns = layout.products * layout.outputs;
  PackedWeightsOptions options;
  options.layout = WeightsLayout::kOutputsByInputs;
  options.groups = layout.products;
  options.scales = matrix.scales;
  options.zero_points = matrix.zero_points;
  options.accumulation = matrix.accumulation;
  options.activation_maximum = matrix.activation_maximum;
  options.main_bits = matrix.requested_main_bits;
  options.max_isa = max_isa;
  options.soft_error_check = matrix.row_sums.has_value();
  if (matrix.has_outliers && columns > 0) {
    // Packing asks whether there are any, which may be such that s8 holds the sums.
    if (plain->values.empty()) {
      plain->row_indices.push_back(0);
      plain->values.push_back(0);
      std::fill(plain->column_offsets.begin() + 1, plain->column_offsets.end(), 1);
    }
    options.outliers = {layout.inputs, columns, plain->column_offsets, plain->row_indices,
                        plain->values};
  }
  return Create(MatrixView<const int8_t>(plain->weights.As<int8_t>(), columns, layout.inputs),
                options);
}

Result<PackedWeights> PackedWeights::Open(Opening opening) {
  const BlobName& name = opening.name;
  const MapWeightsOptions& options = opening.options;
  const base::FloatEnvironment environment;
  const Result<Isa> best = BestIsa(options.max_isa);
  if (!best.ok()) return best.status();
  Result<std::shared_ptr<PackedMatrix>> read =
      ReadWeights(name, opening.header, std::move(opening.blob));
  if (!read.ok()) return read.status();
  const std::shared_ptr<PackedMatrix>& matrix = *read;
  matrix->owner = opening.owner;
  const Isa isa = matrix->layout.isa;
  const std::string refused = WhyRefused(isa, options.max_isa);
  const bool again = options.repack == Repack::kForBest
                         ? isa != *best
                         : options.repack == Repack::kIfNeeded && !refused.empty();
  if (!again && !refused.empty()) {
    return name.Error(StatusCode::kUnsupported,
                      std::string("the weights are packed for ") + IsaName(isa) + " (" + refused +
                          "), not for " + IsaName(*best) +
                          ", the best here; options.repack packs them again");
  }
  if (!again && !options.verify) return PackedWeights(matrix);
  QFORGE_RETURN_IF_ERROR(VerifyWeights(name, opening.header, matrix.get()));
  PackedWeights weights(matrix);
  const Status scrubbed = weights.Scrub();
  if (!scrubbed.ok()) return name.Corrupted(scrubbed.message());
  if (!again) return weights;
  return PackAgain(*matrix, options.max_isa);
}

Status PackedWeights::Save(const std::string& path) const noexcept {
  try {
    QFORGE_RETURN_IF_ERROR(Scrub());
    const Result<base::AlignedBuffer> head = MakeBlobHead(*matrix_);
    if (!head.ok()) return head.status();
    return base::ReplaceFile(path, [&](base::File* file, const std::string& name) {
      if (file->Write(head->data(), head->size()) &&
          file->Write(matrix_->weights.data(), matrix_->weights.size())) {
        return Status();
      }
      return base::SystemError("write", name);
    });
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedWeights> PackedWeights::Load(const std::string& path,
                                          const LoadWeightsOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options.max_isa, options.repack));
  try {
    const BlobName name{"path", path};
    base::File file(path, O_RDONLY);
    const Result<WeightsHeader> header = ReadHeader(name, &file);
    if (!header.ok()) return header.status();
    Result<base::AlignedBuffer> blob = ReadRestOfBlob(
        name, &*header, sizeof(*header), static_cast<size_t>(header->file_bytes), &file);
    if (!blob.ok()) return blob.status();
    const MapWeightsOptions verified = Verified(options);
    return Open({name, *header, std::move(blob).value(), pack::WeightsOwner::kMatrix, verified});
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedWeights> PackedWeights::Map(const std::string& path,
                                         const MapWeightsOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options.max_isa, options.repack));
  try {
    const BlobName name{"path", path};
    base::File file(path, O_RDONLY);
    const Result<WeightsHeader> header = ReadHeader(name, &file);
    if (!header.ok()) return header.status();
    const size_t bytes = static_cast<size_t>(header->file_bytes);
    const Result<std::shared_ptr<const std::byte>> mapping = base::MapFile(file, path, bytes);
    if (!mapping.ok()) return mapping.status();
    base::ConstantBytes blob(mapping->get(), bytes, *mapping);
    return Open({name, *header, std::move(blob), pack::WeightsOwner::kMapping, options});
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

int64_t PackedWeights::serialized_bytes() const noexcept { return BlobBytes(*matrix_); }

Status PackedWeights::Serialize(ArrayView<uint8_t> bytes) const noexcept {
  QFORGE_RETURN_IF_ERROR(CheckRoomForBlob(bytes, serialized_bytes()));
  try {
    QFORGE_RETURN_IF_ERROR(Scrub());
    const Result<base::AlignedBuffer> head = MakeBlobHead(*matrix_);
    if (!head.ok()) return head.status();
    std::memcpy(bytes.data(), head->data(), head->size());
    if (matrix_->weights.size() != 0) {
      std::memcpy(bytes.data() + head->size(), matrix_->weights.data(), matrix_->weights.size());
    }
    return Status();
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedWeights> PackedWeights::Deserialize(ArrayView<const uint8_t> bytes,
                                                 const LoadWeightsOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options.max_isa, options.repack));
  QFORGE_RETURN_IF_ERROR(CheckArray("bytes", bytes.data(), bytes.size(), DataType::kU8));
  try {
    const BlobName name;
    const size_t size = static_cast<size_t>(bytes.size());
    const Result<WeightsHeader> header = ReadWeightsHeader(name, bytes.data(), size, bytes.size());
    if (!header.ok()) return header.status();
    Result<base::AlignedBuffer> blob = base::AlignedBuffer::Allocate(size, "bytes");
    if (!blob.ok()) return blob.status();
    std::memcpy(blob->data(), bytes.data(), size);
    const MapWeightsOptions verified = Verified(options);
    return Open({name, *header, std::move(blob).value(), pack::WeightsOwner::kMatrix, verified});
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<PackedWeights> PackedWeights::Borrow(ArrayView<const uint8_t> bytes,
                                            const MapWeightsOptions& options) noexcept {
  QFORGE_RETURN_IF_ERROR(CheckOptions(options.max_isa, options.repack));
  QFORGE_RETURN_IF_ERROR(CheckBorrowedBlob(bytes));
  try {
    const BlobName name;
    const size_t size = static_cast<size_t>(bytes.size());
    const Result<WeightsHeader> header = ReadWeightsHeader(name, bytes.data(), size, bytes.size());
    if (!header.ok()) return header.status();
    base::ConstantBytes blob(reinterpret_cast<const std::byte*>(bytes.data()), size, nullptr);
    return Open({name, *header, std::move(blob), pack::WeightsOwner::kCaller, options});
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

}  // namespace qforge
