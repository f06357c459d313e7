#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <memory>
#include <new>
#include <utility>

#include "base/float_environment.h"
#include "ops/embedding_quantize_centres.h"
#include "ops/embedding_quantize_codebooks.h"
#include "ops/embedding_quantize_range.h"
#include "ops/embedding_quantize_rows.h"
#include "ops/embedding_rows.h"
#include "ops/row_layout.h"
#include "pack/embedding_table_data.h"
#include "qforge/embedding_table.h"
#include "ref/row_checksum.h"
#include "ref/table_quantization.h"

namespace qforge {
namespace {

using pack::EmbeddingTableData;
using ref::RoundToSmallFloat;

// Bits of a code, for formats that have a scale and a bias; otherwise 0.
int RangeBits(RowFormat format) {
  if (format == RowFormat::kU8) return 8;
  if (format == RowFormat::kU4) return 4;
  return format == RowFormat::kU2 ? 2 : 0;
}

bool IsCodebook(RowFormat format) {
  return format == RowFormat::kCodebook4 || format == RowFormat::kTwoTier4;
}

Status CheckMethod(RowFormat format, RangeSearch method) {
  if (static_cast<int>(method) > static_cast<int>(RangeSearch::kKMeans)) {
    return Status::Error(StatusCode::kInvalidArgument, "options.method", "%d is no method",
                         static_cast<int>(method));
  }
  if (method == RangeSearch::kMinMax) return Status();
  const bool k_means = method == RangeSearch::kKMeans;
  if (k_means ? IsCodebook(format) : RangeBits(format) != 0) return Status();
  return Status::Error(StatusCode::kInvalidArgument, "options.method", "%s is not for %s; %s",
                       RangeSearchName(method), RowFormatName(format),
                       IsCodebook(format)       ? "kmeans is"
                       : RangeBits(format) != 0 ? "minmax, symmetric, greedy and histogram are"
                                                : "its values are rounded: leave minmax");
}

Status CheckRange(const char* field, int64_t value, int64_t least, int64_t most) {
  if (value >= least && value <= most) return Status();
  return Status::Error(StatusCode::kOutOfRange, field,
                       "%" PRId64 " is not in [%" PRId64 ", %" PRId64 "]", value, least, most);
}

// Checks everything but the rows, and gives the layout of the table.
Result<RowLayout> CheckOptions(const TableQuantizationOptions& options, int64_t dimension) {
  RowLayout layout;
  layout.format = options.format;
  layout.dimension = dimension;
  layout.parameters = options.parameters;
  layout.place = options.place;
  layout.stride = options.stride;
  layout.exponent_bias = options.exponent_bias;
  layout.checksum = options.row_checksum;
  const Result<RowLayout> complete = CompleteRowLayout("options", layout);
  if (!complete.ok()) return complete.status();
  QFORGE_RETURN_IF_ERROR(CheckMethod(options.format, options.method));
  QFORGE_RETURN_IF_ERROR(CheckRange("options.bins", options.bins, 2, 10000));
  if (!(options.shrink >= 0.0f && options.shrink < 1.0f)) {
    return Status::Error(StatusCode::kOutOfRange, "options.shrink", "%g is not in [0, 1)",
                         static_cast<double>(options.shrink));
  }
  QFORGE_RETURN_IF_ERROR(CheckRange("options.iterations", options.iterations, 1, 1000));
  QFORGE_RETURN_IF_ERROR(CheckRange("options.clusters", options.clusters, 1, kMostCodebooks));
  return *complete;
}

// Writes rows, and zeros between them, into the memory of a table.
class RowWriter {
 public:
  RowWriter(const InputMatrix& rows, const TableQuantizationOptions& options,
            const RowFunctions& functions, EmbeddingTableData& table)
      : rows_(rows),
        options_(options),
        functions_(functions),
        layout_(table.layout),
        parts_(PartsOfRow(table.layout)),
        data_(table.own_rows.data()) {}

  void UseCodebooks(const Codebooks* codebooks) { codebooks_ = codebooks; }

  // That Write() needs.
  size_t MemoryBytes() const { return Memory(nullptr, *this).cutter.bytes(); }

  void Write(int64_t begin, int64_t end, std::byte* bytes) const {
    Memory memory(bytes, *this);
    for (int64_t i = begin; i < end; ++i) {
      const kernels::ValueBounds bounds = memory.reader.Read(i);
      std::byte* const row = data_ + i * layout_.stride;
      Encode(bounds, memory, row + parts_.payload_offset, row + parts_.parameter_offset);
      if (layout_.checksum) {
        ref::WriteChecksum(row, parts_.content_bytes(), row + parts_.content_bytes());
      }
      std::memset(row + parts_.bytes(), 0, static_cast<size_t>(layout_.stride - parts_.bytes()));
    }
  }

 private:
  struct Memory {
    Memory(std::byte* bytes, const RowWriter& writer)
        : cutter(bytes),
          reader(writer.rows_, writer.functions_.load, cutter),
          codes(cutter.Cut<uint8_t>(PaddedColumns(writer.rows_.cols))),
          range_finder(writer.options_, writer.layout_.parameters, writer.Levels(),
                       writer.functions_.range_losses, cutter),
          centre_finder(writer.layout_.format == RowFormat::kCodebook4 ? writer.rows_.cols : 0,
                        cutter),
          losses(cutter.Cut<float>(writer.codebooks_ == nullptr ? 0 : writer.codebooks_->count)) {}

    MemoryCutter cutter;
    RowReader reader;
    uint8_t* const codes;
    RangeFinder range_finder;
    CentreFinder centre_finder;
    float* const losses;
  };

  int Levels() const { return (1 << RangeBits(layout_.format)) - 1; }

  void Encode(const kernels::ValueBounds& bounds, Memory& memory, std::byte* payload,
              std::byte* parameters) const {
    float* const row = memory.reader.row();
    const int64_t columns = rows_.cols;
    const int exponent_bias = layout_.exponent_bias;
    const auto convert = [&](auto function) {
      for (int64_t j = 0; j < columns; ++j) {
        const auto value = function(row[j]);
        std::memcpy(payload + j * static_cast<int64_t>(sizeof(value)), &value, sizeof(value));
      }
    };
    const auto copy_codes = [&] {
      std::memcpy(payload, memory.codes, static_cast<size_t>(parts_.payload_bytes));
    };
    switch (layout_.format) {
      case RowFormat::kF32:
        return convert([](float x) { return x; });
      case RowFormat::kF16:
        return convert([](float x) { return RoundToSmallFloat<uint16_t, 10>(x, 15, 0x7BFF); });
      case RowFormat::kBF16:
        return convert([](float x) { return RoundToSmallFloat<uint16_t, 7>(x, 127, 0x7F7F); });
      case RowFormat::kE4M3:
        return convert(
            [=](float x) { return RoundToSmallFloat<uint8_t, 3>(x, exponent_bias, 0x7F); });
      case RowFormat::kE5M2:
        return convert(
            [=](float x) { return RoundToSmallFloat<uint8_t, 2>(x, exponent_bias, 0x7B); });
      case RowFormat::kU8:
      case RowFormat::kU4:
      case RowFormat::kU2: {
        const FoundRange found = memory.range_finder.Find(row, columns, bounds);
        functions_.encode_range(row, columns, &found.range, memory.codes);
        copy_codes();
        return StoreParameters(found, parameters);
      }
      case RowFormat::kCodebook4: {
        Half centres[ref::kCentres];
        const kernels::Codebook codebook = memory.centre_finder.Find(row, columns, centres);
        functions_.encode_codebook(row, columns, &codebook, memory.codes);
        copy_codes();
        std::memcpy(parameters, centres, sizeof(centres));
        return;
      }
      case RowFormat::kTwoTier4: {
        const auto number = static_cast<uint16_t>(
            ChooseCodebook(*codebooks_, functions_, row, columns, memory.losses).index);
        functions_.encode_codebook(row, columns, codebooks_->data() + number, memory.codes);
        copy_codes();
        std::memcpy(parameters, &number, sizeof(number));
        return;
      }
    }
  }

  void StoreParameters(const FoundRange& found, std::byte* to) const {
    if (layout_.parameters == DataType::kF32) {
      const float values[2] = {found.scale, found.bias};
      std::memcpy(to, values, sizeof(values));
    } else {
      const Half values[2] = {ToHalf(found.scale), ToHalf(found.bias)};
      std::memcpy(to, values, sizeof(values));
    }
  }

  const InputMatrix& rows_;
  const TableQuantizationOptions& options_;
  const RowFunctions& functions_;
  const RowLayout layout_;
  const RowParts parts_;
  std::byte* const data_;
  const Codebooks* codebooks_ = nullptr;
};

}  // namespace

const char* RangeSearchName(RangeSearch search) noexcept {
  switch (search) {
    case RangeSearch::kMinMax:
      return "minmax";
    case RangeSearch::kSymmetric:
      return "symmetric";
    case RangeSearch::kGreedy:
      return "greedy";
    case RangeSearch::kHistogram:
      return "histogram";
    case RangeSearch::kKMeans:
      return "kmeans";
  }
  return "unknown";
}

Result<EmbeddingTable> EmbeddingTable::Quantize(const Context& context, const InputMatrix& rows,
                                                const TableQuantizationOptions& options) noexcept {
  const base::FloatEnvironment environment;
  QFORGE_RETURN_IF_ERROR(CheckRows("rows", rows));
  const Result<RowLayout> layout = CheckOptions(options, rows.cols);
  if (!layout.ok()) return layout.status();
  QFORGE_RETURN_IF_ERROR(CheckTableSize("rows", rows.rows, *layout));
  const Result<RowFunctions> functions =
      GetRowFunctions(context.isa(), rows.type, RangeBits(options.format));
  if (!functions.ok()) return functions.status();

  std::shared_ptr<EmbeddingTableData> table;
  try {
    table = std::make_shared<EmbeddingTableData>();
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "", "no memory for a table");
  }
  table->layout = *layout;
  table->rows = rows.rows;
  auto bytes =
      base::AlignedBuffer::Allocate(static_cast<size_t>(rows.rows * layout->stride), "rows");
  if (!bytes.ok()) return bytes.status();
  table->owner = pack::TableOwner::kTable;
  table->own_rows = std::move(*bytes);
  table->data = table->own_rows.data();

  QuantizationProgress progress(options, rows.rows);
  RowWriter writer(rows, options, *functions, *table);
  Codebooks codebooks;
  if (options.format == RowFormat::kTwoTier4) {
    auto trained = TrainCodebooks(context, rows, options, *functions, &progress);
    if (!trained.ok()) return trained.status();
    codebooks = std::move(*trained);
    writer.UseCodebooks(&codebooks);
  }

  RowWalk walk;
  walk.rows = rows.rows;
  walk.rows_at_a_time = RowsAtATime(rows.cols);
  walk.memory_bytes = writer.MemoryBytes();
  walk.progress = &progress;
  QFORGE_RETURN_IF_ERROR(WalkRows(
      context, walk,
      [&](int64_t begin, int64_t end, std::byte* memory) { writer.Write(begin, end, memory); }));

  table->own_codebooks = std::move(codebooks.stored);
  table->codebooks = table->own_codebooks.As<Half>();
  table->clusters = codebooks.count;
  if (layout->checksum) QFORGE_RETURN_IF_ERROR(MakeCodebookChecksums(table.get()));
  return EmbeddingTable(std::move(table));
}

}  // namespace qforge
