#include "qforge/embedding_table.h"

#include <cinttypes>
#include <cstring>
#include <new>

#include "ops/embedding_quantize_rows.h"
#include "ops/embedding_row_decoder.h"
#include "ops/embedding_rows.h"
#include "ops/row_layout.h"
#include "ops/validate.h"

namespace qforge {
namespace {

using pack::EmbeddingTableData;

Status CheckCodebooks(RowFormat format, int64_t rows, ArrayView<const Half> codebooks) {
  if (format != RowFormat::kTwoTier4) {
    if (codebooks.empty()) return Status();
    return Status::Error(StatusCode::kInvalidArgument, "codebooks",
                         "given, but rows of %s refer to none", RowFormatName(format));
  }
  QFORGE_RETURN_IF_ERROR(
      CheckArray("codebooks", codebooks.data(), codebooks.size(), DataType::kF16));
  if (codebooks.size() % kCodebookCentres != 0 || (codebooks.empty() && rows != 0) ||
      codebooks.size() > kMostCodebooks * kCodebookCentres) {
    return Status::Error(StatusCode::kInvalidArgument, "codebooks",
                         "%" PRId64 " centres; 1 to %" PRId64 " times %" PRId64 " are needed",
                         codebooks.size(), kMostCodebooks, kCodebookCentres);
  }
  return Status();
}

// Everything but what keeps the bytes alive.
Result<EmbeddingTableData> CheckedTable(const void* data, int64_t rows, const RowLayout& layout,
                                        ArrayView<const Half> codebooks) {
  const Result<RowLayout> complete = CompleteRowLayout("layout", layout);
  if (!complete.ok()) return complete.status();
  QFORGE_RETURN_IF_ERROR(CheckTableSize("rows", rows, *complete));
  if (rows != 0 && data == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, "data", "is null");
  }
  QFORGE_RETURN_IF_ERROR(CheckCodebooks(complete->format, rows, codebooks));
  EmbeddingTableData table;
  table.layout = *complete;
  table.rows = rows;
  table.data = static_cast<const std::byte*>(data);
  table.codebooks = codebooks.data();
  table.clusters = codebooks.size() / kCodebookCentres;
  return table;
}

const char* OwnerName(pack::TableOwner owner) {
  switch (owner) {
    case pack::TableOwner::kCaller:
      break;
    case pack::TableOwner::kTable:
      return "owned";
    case pack::TableOwner::kMapping:
      return "mapped";
  }
  return "borrowed";
}

Status NoMemory() {
  return Status::Error(StatusCode::kResourceExhausted, "", "no memory for a table");
}

}  // namespace

Result<EmbeddingTable> EmbeddingTable::Borrow(const void* data, int64_t rows,
                                              const RowLayout& layout,
                                              ArrayView<const Half> codebooks) noexcept {
  Result<EmbeddingTableData> table = CheckedTable(data, rows, layout, codebooks);
  if (!table.ok()) return table.status();
  if (layout.checksum) QFORGE_RETURN_IF_ERROR(MakeCodebookChecksums(&*table));
  try {
    return EmbeddingTable(std::make_shared<EmbeddingTableData>(std::move(*table)));
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

Result<EmbeddingTable> EmbeddingTable::Copy(const void* data, int64_t rows, const RowLayout& layout,
                                            ArrayView<const Half> codebooks) noexcept {
  Result<EmbeddingTableData> described = CheckedTable(data, rows, layout, codebooks);
  if (!described.ok()) return described.status();
  EmbeddingTableData& table = *described;
  Result<base::AlignedBuffer> own_rows =
      base::AlignedBuffer::Allocate(static_cast<size_t>(TableExtent(rows, table.layout)), "rows");
  if (!own_rows.ok()) return own_rows.status();
  Result<base::AlignedBuffer> own_codebooks = base::AlignedBuffer::Allocate(
      static_cast<size_t>(codebooks.size()) * sizeof(Half), "codebooks");
  if (!own_codebooks.ok()) return own_codebooks.status();
  CopyRows(table.data, rows, table.layout, own_rows->data());
  if (!codebooks.empty()) {
    std::memcpy(own_codebooks->data(), codebooks.data(), own_codebooks->size());
  }
  table.owner = pack::TableOwner::kTable;
  table.own_rows = std::move(*own_rows);
  table.own_codebooks = std::move(*own_codebooks);
  table.data = table.own_rows.data();
  table.codebooks = table.own_codebooks.As<Half>();
  if (layout.checksum) QFORGE_RETURN_IF_ERROR(MakeCodebookChecksums(&table));
  try {
    return EmbeddingTable(std::make_shared<EmbeddingTableData>(std::move(table)));
  } catch (const std::bad_alloc&) {
    return NoMemory();
  }
}

int64_t EmbeddingTable::rows() const noexcept { return table_->rows; }
int64_t EmbeddingTable::dimension() const noexcept { return table_->layout.dimension; }
const RowLayout& EmbeddingTable::layout() const noexcept { return table_->layout; }

int64_t EmbeddingTable::bytes() const noexcept {
  return TableExtent(table_->rows, table_->layout) + codebooks().size() * int64_t{sizeof(Half)};
}

const void* EmbeddingTable::row(int64_t index) const noexcept {
  return table_->data + index * table_->layout.stride;
}

ArrayView<const Half> EmbeddingTable::codebooks() const noexcept {
  return {table_->codebooks, table_->clusters * kCodebookCentres};
}

std::string EmbeddingTable::Describe() const noexcept {
  const RowLayout& layout = table_->layout;
  try {
    std::string text = std::string("table of ") + RowFormatName(layout.format) + ", " +
                       std::to_string(rows()) + " x " + std::to_string(dimension()) + ", " +
                       std::to_string(PartsOfRow(layout).bytes()) + " bytes a row";
    if (layout.parameters != DataType::kNone) {
      text += std::string(", ") + DataTypeName(layout.parameters) + " parameters " +
              (layout.place == ParameterPlace::kLast ? "last" : "first");
    }
    if (layout.stride != PartsOfRow(layout).bytes()) {
      text += ", stride " + std::to_string(layout.stride);
    }
    if (layout.exponent_bias != 0) {
      text += ", exponent bias " + std::to_string(layout.exponent_bias);
    }
    if (table_->clusters != 0) text += ", " + std::to_string(table_->clusters) + " codebooks";
    if (layout.checksum) text += ", checksums in the rows";
    if (table_->checksums != nullptr) text += ", checksums beside the rows";
    return text + ", " + std::to_string(bytes()) + " bytes, " + OwnerName(table_->owner);
  } catch (const std::bad_alloc&) {
    return std::string();
  }
}

Status EmbeddingTable::Dequantize(const Context& context, int64_t first,
                                  const OutputMatrix& output) const noexcept {
  const InputMatrix matrix = AsInput(output);
  QFORGE_RETURN_IF_ERROR(CheckMatrix("output", matrix, DataType::kF32, output.rows, dimension()));
  if (first < 0 || first > rows() || output.rows > rows() - first) {
    return Status::Error(StatusCode::kOutOfRange, "first",
                         "%" PRId64 " and %" PRId64 " rows; the table has %" PRId64, first,
                         output.rows, rows());
  }
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("output", matrix, "the table",
                                        AsBytes(table_->data, TableExtent(rows(), layout()))));
  QFORGE_RETURN_IF_ERROR(CheckNoOverlap("output", matrix, "the codebooks",
                                        AsBytes(table_->codebooks, codebooks().size() * 2)));
  QFORGE_RETURN_IF_ERROR(CheckCodebookNumbers(*table_, first, first + output.rows));
  const Result<RowDecoder> decoder = RowDecoder::Create(context.isa(), *table_);
  if (!decoder.ok()) return decoder.status();
  RowWalk walk;
  walk.rows = output.rows;
  walk.rows_at_a_time = RowsAtATime(dimension());
  return WalkRows(context, walk, [&](int64_t begin, int64_t end, std::byte*) {
    float* const to = static_cast<float*>(output.data) + begin * output.stride;
    decoder->Decode(first + begin, first + end, to, output.stride);
  });
}

}  // namespace qforge
