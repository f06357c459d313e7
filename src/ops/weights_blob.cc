#include "ops/weights_blob.h"

#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <string_view>
#include <utility>
#include <vector>

#include "base/arithmetic.h"
#include "base/checksum.h"
#include "cpu/isa_table.h"
#include "kernels/float_types.h"
#include "kernels/gemm_kernel.h"
#include "ops/sparse_validate.h"
#include "ops/validate.h"
#include "ops/weights_packing.h"
#include "ops/weights_scrub.h"
#include "pack/panel_sections.h"
#include "plan/summation.h"

namespace qforge {
namespace {

using kernels::Summation;
using pack::PackedMatrix;
using pack::PanelLayout;

// What the file form stores as numbers.
static_assert(static_cast<int>(DataType::kS8) == 2 && static_cast<int>(DataType::kF32) == 4 &&
              static_cast<int>(DataType::kF16) == 5 && static_cast<int>(DataType::kBF16) == 6);
static_assert(static_cast<int>(Summation::kDot) == 0 && static_cast<int>(Summation::kWidened) == 1);
static_assert(static_cast<int>(Summation::kNarrow) == 2 &&
              static_cast<int>(Summation::kSaturating) == 3);
static_assert(static_cast<int>(Accumulation::kExact) == 0 &&
              static_cast<int>(Accumulation::kSaturating16) == 1);

constexpr BlobKind kKind = {"QFORGEPW", 1, "packed weights"};
constexpr int64_t kArrayAlignment = 8;
constexpr int64_t kWeightsAlignment = base::AlignedBuffer::kAlignment;
// Without weights a file of no size could name sizes that take for ever to look at.
constexpr int64_t kMostEmptyColumns = int64_t{1} << 24;

bool IsTooLongToBeEmpty(const WeightsHeader& header) {
  return header.products * std::max<int64_t>(1, header.outputs) > kMostEmptyColumns;
}

// --- Arrays --------------------------------------------------------------------------------------

// How many elements each array has, as the header says.
struct ArrayCounts {
  int64_t scales, zero_points, sums, magnitudes;
  int64_t outlier_offsets, outliers;
  int64_t row_sums, float_row_sums;
  int64_t slices;
};

ArrayCounts CountsOf(const WeightsHeader& header, bool scalar, int64_t weights_bytes) {
  const bool bytes = header.type == static_cast<uint8_t>(DataType::kS8);
  const bool narrow = header.summation == static_cast<uint8_t>(Summation::kNarrow);
  const int64_t columns = bytes ? header.products * header.outputs : 0;
  const int64_t rows = header.has_row_sums != 0 ? header.products * header.inputs : 0;
  ArrayCounts counts{};
  counts.scales = columns;
  counts.zero_points = header.has_zero_points != 0 ? columns : 0;
  counts.sums = columns;
  counts.magnitudes = narrow || header.has_outliers != 0 ? columns : 0;
  counts.outlier_offsets = scalar && header.has_outliers != 0 ? columns + 1 : 0;
  counts.outliers = header.outlier_entries;
  counts.row_sums = bytes ? rows : 0;
  counts.float_row_sums = bytes ? 0 : rows;
  counts.slices = header.has_row_sums != 0 ? WeightSliceCount(weights_bytes) : 0;
  return counts;
}

// Calls visit(array, elements) for each array in the order of the file. `Matrix` is a PackedMatrix,
// which has row sums where the header says so.
template <class Matrix, class Slices, class Visit>
void ForEachArray(const ArrayCounts& counts, Matrix& matrix, Slices& slices, Visit visit) {
  visit(matrix.scales, counts.scales);
  visit(matrix.zero_points, counts.zero_points);
  visit(matrix.sums, counts.sums);
  visit(matrix.magnitudes, counts.magnitudes);
  visit(matrix.outlier_offsets, counts.outlier_offsets);
  visit(matrix.outlier_rows, counts.outliers);
  visit(matrix.outlier_values, counts.outliers);
  if (matrix.row_sums) visit(matrix.row_sums->sums, counts.row_sums);
  if (matrix.float_row_sums) {
    visit(matrix.float_row_sums->sums, counts.float_row_sums);
    visit(matrix.float_row_sums->bounds, counts.float_row_sums);
  }
  visit(slices, counts.slices);
}

// Where the weights begin. Counts are no larger than what a valid product of sizes allows, or than
// the file, so that nothing leaves int64.
int64_t WeightsOffset(const ArrayCounts& counts) {
  int64_t end = sizeof(WeightsHeader);
  const auto add = [&](int64_t count, int64_t size) {
    end += base::AlignUp(count * size, kArrayAlignment);
  };
  add(counts.scales, 4);
  add(counts.zero_points, 4);
  add(counts.sums, 4);
  add(counts.magnitudes, 8);
  add(counts.outlier_offsets, 8);
  add(counts.outliers, 8);
  add(counts.outliers, 1);
  add(counts.row_sums, 4);
  add(counts.float_row_sums, 4);
  add(counts.float_row_sums, 4);
  add(counts.slices, 8);
  return base::AlignUp(end, kWeightsAlignment);
}

// --- Writing -------------------------------------------------------------------------------------

// Without checksums.
WeightsHeader HeaderOf(const PackedMatrix& matrix) {
  const PanelLayout& layout = matrix.layout;
  WeightsHeader header{};
  std::memcpy(header.magic, kKind.magic, sizeof(header.magic));
  header.version = kKind.version;
  header.header_bytes = sizeof(header);
  const std::string_view isa = IsaName(layout.isa);
  std::memcpy(header.isa, isa.data(), isa.size());
  header.type = static_cast<uint8_t>(layout.type);
  header.summation = static_cast<uint8_t>(layout.summation);
  header.depth = static_cast<uint8_t>(layout.depth);
  header.accumulation = static_cast<uint8_t>(matrix.accumulation);
  header.main_bits = static_cast<uint8_t>(matrix.main_bits);
  header.requested_main_bits = static_cast<uint8_t>(matrix.requested_main_bits);
  header.has_zero_points = !matrix.zero_points.empty();
  header.has_outliers = matrix.has_outliers;
  header.has_sections = layout.outliers;
  header.has_row_sums = matrix.row_sums.has_value() || matrix.float_row_sums.has_value();
  header.activation_maximum = matrix.activation_maximum;
  header.inputs = layout.inputs;
  header.outputs = layout.outputs;
  header.products = layout.products;
  header.outlier_entries = static_cast<int64_t>(matrix.outlier_values.size());
  header.groups = matrix.shares.groups;
  header.split = matrix.shares.split;
  header.wide_groups = matrix.shares.wide_groups;
  header.cost = matrix.shares.cost;
  if (matrix.float_row_sums) {
    header.row_sum_constant = matrix.float_row_sums->constant;
    header.row_sum_limit = matrix.float_row_sums->limit;
  }
  const int64_t weights_bytes = static_cast<int64_t>(matrix.weights.size());
  header.weights_offset =
      WeightsOffset(CountsOf(header, layout.isa == Isa::kScalar, weights_bytes));
  header.file_bytes = header.weights_offset + weights_bytes;
  return header;
}

// --- Reading -------------------------------------------------------------------------------------

bool IsFlag(uint8_t value) { return value <= 1; }

template <size_t kSize>
bool AreZeros(const uint8_t (&bytes)[kSize]) {
  return std::all_of(bytes, bytes + kSize, [](uint8_t byte) { return byte == 0; });
}

Result<Isa> IsaOf(const BlobName& name, const WeightsHeader& header) {
  const std::string isa(header.isa, std::find(std::begin(header.isa), std::end(header.isa), '\0'));
  const Result<Isa> known = ParseIsa(isa.c_str());
  if (known.ok()) return *known;
  return name.Error(StatusCode::kUnsupported,
                    "the weights are packed for " + isa + ", which this build does not know");
}

// Whether packing could have chosen this, so that a kernel exists for it.
bool IsPossible(const WeightsHeader& header, Isa isa) {
  const DataType type = static_cast<DataType>(header.type);
  const Summation summation = static_cast<Summation>(header.summation);
  const bool narrow = summation == Summation::kNarrow;
  for (const uint8_t flag :
       {header.has_zero_points, header.has_outliers, header.has_sections, header.has_row_sums}) {
    if (!IsFlag(flag)) return false;
  }
  if (!AreZeros(header.unused) || !AreZeros(header.reserved)) return false;
  if (header.accumulation > static_cast<uint8_t>(Accumulation::kSaturating16)) return false;
  const bool saturating = header.accumulation == static_cast<uint8_t>(Accumulation::kSaturating16);
  if (header.activation_maximum < 1 || header.activation_maximum > 255) return false;
  for (const uint8_t bits : {header.main_bits, header.requested_main_bits}) {
    if ((bits < kFewestMainBits || bits > 8) && bits != 0) return false;
  }
  if (header.main_bits == 0) return false;
  if (header.groups < 0 || header.split < 0 || header.wide_groups < 0) return false;

  if (type != DataType::kS8) {
    return kernels::IsFloat(type) && summation == Summation::kDot && header.depth == 0 &&
           !saturating && header.has_zero_points == 0 && header.has_outliers == 0 &&
           header.has_sections == 0 && header.outlier_entries == 0;
  }
  if (saturating && (header.has_row_sums != 0 || header.has_outliers != 0 ||
                     header.main_bits != 8 || header.requested_main_bits != 8)) {
    return false;
  }
  if (header.has_outliers != 0 &&
      (header.inputs < kFewestOutlierInputs || header.inputs > kMostSectionInputs)) {
    return false;
  }
  if (header.has_sections != 0 &&
      (header.has_outliers == 0 || summation != Summation::kDot || header.outputs == 0)) {
    return false;
  }
  if (narrow) {
    if (header.inputs < kFewestOutlierInputs || header.inputs > kMostSectionInputs ||
        header.outputs == 0 ||
        std::find(std::begin(plan::kNarrowDepths), std::end(plan::kNarrowDepths), header.depth) ==
            std::end(plan::kNarrowDepths)) {
      return false;
    }
  } else if (header.depth != 0) {
    return false;
  }
  const bool with_entries = isa == Isa::kScalar && header.has_outliers != 0;
  if (!with_entries && header.outlier_entries != 0) return false;
  if (isa == Isa::kScalar) return summation == Summation::kDot && header.has_sections == 0;
  if (kernels::AnySummation(isa) == Summation::kDot) return summation == Summation::kDot;
  if (saturating) return summation == Summation::kSaturating;
  // The widened product knows no outliers.
  return narrow ||
         (summation == Summation::kWidened && (header.has_outliers == 0 || header.outputs == 0));
}

PanelLayout LayoutOf(const WeightsHeader& header, Isa isa) {
  const DataType type = static_cast<DataType>(header.type);
  if (type != DataType::kS8) {
    return pack::MakeFloatPanelLayout(isa, type, header.inputs, header.outputs, header.products);
  }
  if (isa != Isa::kScalar) {
    return pack::MakePanelLayout(isa, static_cast<Summation>(header.summation), header.inputs,
                                 header.outputs, header.products, header.depth);
  }
  PanelLayout layout;
  layout.inputs = header.inputs;
  layout.outputs = header.outputs;
  layout.products = header.products;
  return layout;
}

// Whether a matrix of this layout has so many bytes of weights. Those of sections are unknown.
bool IsSizeOf(const PanelLayout& layout, bool has_sections, int64_t weights_bytes) {
  if (has_sections) return weights_bytes > 0;
  const int64_t plain_bytes =
      layout.products * layout.inputs * layout.outputs * DataTypeSize(layout.type);
  return weights_bytes == (layout.isa == Isa::kScalar ? plain_bytes : layout.bytes());
}

bool HasSections(const WeightsHeader& header) {
  return header.has_sections != 0 || header.summation == static_cast<uint8_t>(Summation::kNarrow);
}

// Layout and what else the header says.
void FillFromHeader(const WeightsHeader& header, Isa isa, PackedMatrix* matrix) {
  matrix->layout = LayoutOf(header, isa);
  matrix->layout.outliers = header.has_sections != 0;
  matrix->accumulation = static_cast<Accumulation>(header.accumulation);
  matrix->activation_maximum = header.activation_maximum;
  matrix->has_outliers = header.has_outliers != 0;
  matrix->main_bits = header.main_bits;
  matrix->requested_main_bits = header.requested_main_bits;
  matrix->shares = {header.groups, header.split, header.wide_groups, header.cost};
  if (header.has_row_sums == 0) return;
  if (matrix->layout.type == DataType::kS8) {
    matrix->row_sums.emplace();
  } else {
    matrix->float_row_sums.emplace();
    matrix->float_row_sums->constant = header.row_sum_constant;
    matrix->float_row_sums->limit = header.row_sum_limit;
  }
}

// What the arrays of s8 weights hold is what Create() allows.
Status CheckArrays(const PackedMatrix& matrix) {
  const PanelLayout& layout = matrix.layout;
  QFORGE_RETURN_IF_ERROR(CheckScales("scales", ArrayView<const float>(matrix.scales)));
  QFORGE_RETURN_IF_ERROR(
      CheckZeroPoints("zero_points", ArrayView<const int32_t>(matrix.zero_points), DataType::kS8));
  for (const int64_t magnitude : matrix.magnitudes) {
    if (magnitude < 0) {
      return Status::Error(StatusCode::kDataCorrupted, "magnitudes", "one is negative");
    }
  }
  if (matrix.outlier_offsets.empty()) return Status();
  return ValidateSparseWeights(
      "outliers", {layout.inputs, layout.products * layout.outputs,
                   ArrayView<const int64_t>(matrix.outlier_offsets), IndexView(matrix.outlier_rows),
                   ArrayView<const int8_t>(matrix.outlier_values)});
}

// The forms of row sums that kernels read, and the checksum of everything but the weights.
Status CompleteSoftErrorCheck(std::vector<uint64_t> slices, PackedMatrix* matrix) {
  if (matrix->row_sums) {
    Result<pack::RowSums> sums =
        pack::MakeRowSums(matrix->layout, std::move(matrix->row_sums->sums));
    if (!sums.ok()) return sums.status();
    matrix->row_sums = std::move(sums).value();
  } else {
    QFORGE_RETURN_IF_ERROR(pack::AddFactors(matrix->layout, &*matrix->float_row_sums));
  }
  AddChecksums(std::move(slices), matrix);
  return Status();
}

}  // namespace

int64_t BlobBytes(const PackedMatrix& matrix) { return HeaderOf(matrix).file_bytes; }

Result<base::AlignedBuffer> MakeBlobHead(const PackedMatrix& matrix) {
  WeightsHeader header = HeaderOf(matrix);
  if (matrix.weights.size() == 0 && IsTooLongToBeEmpty(header)) {
    return Status::Error(StatusCode::kUnsupported, "weights",
                         "have no elements, and more than %" PRId64 " columns or groups",
                         kMostEmptyColumns);
  }
  Result<base::AlignedBuffer> head =
      base::AlignedBuffer::Allocate(static_cast<size_t>(header.weights_offset), "weights");
  if (!head.ok()) return head.status();
  std::memset(head->data(), 0, head->size());
  const int64_t weights_bytes = static_cast<int64_t>(matrix.weights.size());
  const ArrayCounts counts = CountsOf(header, matrix.layout.isa == Isa::kScalar, weights_bytes);
  std::byte* to = head->data() + sizeof(header);
  ForEachArray(counts, matrix, matrix.checksums, [&](const auto& array, int64_t count) {
    const size_t bytes = static_cast<size_t>(count) * sizeof(array[0]);
    if (bytes != 0) std::memcpy(to, array.data(), bytes);
    to += base::AlignUp<size_t>(bytes, kArrayAlignment);
  });
  header.arrays_checksum =
      base::ChecksumOf(head->data() + sizeof(header), head->size() - sizeof(header));
  header.weights_checksum = base::ChecksumOf(matrix.weights.data(), matrix.weights.size());
  header.header_checksum = HeaderChecksum(header);
  std::memcpy(head->data(), &header, sizeof(header));
  return head;
}

Result<WeightsHeader> ReadWeightsHeader(const BlobName& name, const void* head, size_t readable,
                                        int64_t blob_bytes) {
  WeightsHeader header{};
  QFORGE_RETURN_IF_ERROR(ReadBlobHeader(name, kKind, head, readable, &header, sizeof(header)));
  const Result<Isa> isa = IsaOf(name, header);
  if (!isa.ok()) return isa.status();
  if (header.header_bytes != sizeof(header) || header.inputs < 0 || header.outputs < 0 ||
      header.products < 1 || header.outlier_entries < 0 || header.outlier_entries > blob_bytes ||
      header.weights_offset < 0 || header.file_bytes < header.weights_offset ||
      !IsPossible(header, *isa)) {
    return name.Corrupted("the header says what no packed weights are");
  }
  const Status size = CheckProductSizes(header.inputs, header.outputs, header.products);
  if (!size.ok()) return name.Corrupted(size.message());
  const int64_t weights_bytes = header.file_bytes - header.weights_offset;
  if (!IsSizeOf(LayoutOf(header, *isa), HasSections(header), weights_bytes) ||
      (weights_bytes == 0 && IsTooLongToBeEmpty(header)) ||
      header.weights_offset !=
          WeightsOffset(CountsOf(header, *isa == Isa::kScalar, weights_bytes))) {
    return name.Corrupted("the header's sizes contradict one another");
  }
  if (header.file_bytes != blob_bytes) {
    return name.Corrupted("has " + std::to_string(blob_bytes) + " bytes; the header says " +
                          std::to_string(header.file_bytes));
  }
  return header;
}

Result<std::shared_ptr<PackedMatrix>> ReadWeights(const BlobName& name, const WeightsHeader& header,
                                                  base::ConstantBytes blob) {
  const size_t offset = static_cast<size_t>(header.weights_offset);
  if (base::ChecksumOf(blob.data() + sizeof(header), offset - sizeof(header)) !=
      header.arrays_checksum) {
    return name.Corrupted("the arrays' checksum does not match");
  }
  const Result<Isa> isa = IsaOf(name, header);
  if (!isa.ok()) return isa.status();
  auto matrix = std::make_shared<PackedMatrix>();
  FillFromHeader(header, *isa, matrix.get());
  const ArrayCounts counts =
      CountsOf(header, *isa == Isa::kScalar, static_cast<int64_t>(blob.size() - offset));
  std::vector<uint64_t> slices;
  const std::byte* from = blob.data() + sizeof(header);
  ForEachArray(counts, *matrix, slices, [&](auto& array, int64_t count) {
    array.resize(static_cast<size_t>(count));
    const size_t bytes = array.size() * sizeof(array[0]);
    if (bytes != 0) std::memcpy(array.data(), from, bytes);
    from += base::AlignUp<size_t>(bytes, kArrayAlignment);
  });
  matrix->weights = std::move(blob).Behind(offset);
  if (matrix->layout.type == DataType::kS8) {
    const Status arrays = CheckArrays(*matrix);
    if (!arrays.ok()) return name.Corrupted(arrays.message());
  }
  if (HasSections(header) && !pack::FindPanels(matrix.get())) {
    return name.Corrupted("panels have sections that leave them or a row");
  }
  // Of so many inputs that some weights could make a column leave int32, this reads them.
  for (int64_t j = 0; j < counts.sums; ++j) {
    const Status column = CheckColumn("weights", *matrix, j, 0);
    if (!column.ok()) return name.Corrupted(column.message());
  }
  if (header.has_row_sums != 0) {
    QFORGE_RETURN_IF_ERROR(CompleteSoftErrorCheck(std::move(slices), matrix.get()));
  }
  return matrix;
}

}  // namespace qforge
