// Quantize with any options, and what reads, changes and checks the table that it makes.
#include "fuzz_input.h"
#include "qforge/embedding_table.h"
#include "tables.h"

namespace qforge::fuzz {
namespace {

size_t BytesOf(const EmbeddingTable& table) {
  return table.rows() == 0 ? 0
                           : static_cast<size_t>((table.rows() - 1) * table.layout().stride +
                                                 RowBytes(table.layout()));
}

bool SameTables(const EmbeddingTable& a, const EmbeddingTable& b) {
  if (a.rows() != b.rows() || a.codebooks().size() != b.codebooks().size()) return false;
  const size_t codebooks = static_cast<size_t>(a.codebooks().size()) * sizeof(Half);
  return (BytesOf(a) == 0 || std::memcmp(a.row(0), b.row(0), BytesOf(a)) == 0) &&
         (codebooks == 0 ||
          std::memcmp(a.codebooks().data(), b.codebooks().data(), codebooks) == 0);
}

TableQuantizationOptions DrawOptions(FuzzInput& in, int64_t dimension) {
  TableQuantizationOptions options;
  options.format = in.Enum<RowFormat>(kRowFormatCount);
  options.method = in.Enum<RangeSearch>(5);
  if (options.format == RowFormat::kU8 || in.Rarely()) {
    options.parameters = DrawType(in, {DataType::kNone, DataType::kF32, DataType::kF16});
  }
  options.place = in.Enum<ParameterPlace>(2);
  if (in.Rarely()) options.stride = in.Nearly(4 * dimension + 64);
  if (options.stride == int64_t{1} << 31) options.stride = 4096;  // legal, and gigabytes
  if (options.format >= RowFormat::kE4M3 || in.Rarely()) {
    options.exponent_bias = in.Bool() ? 0 : static_cast<int>(in.Nearly(in.Integer(1, 31)));
  }
  options.row_checksum = in.Bool();
  // Few bins, as the time goes with their square, and more.
  options.bins = static_cast<int>(in.Rarely() ? in.Integer(-1, 1) : in.Integer(2, 24));
  options.shrink = in.Bool() ? 0.16f : in.Float();
  options.iterations = static_cast<int>(in.Nearly(in.Integer(1, 4)));
  options.clusters = in.Nearly(in.Integer(1, 5));
  options.seed = in.Any<uint8_t>();
  if (in.Any<uint8_t>() % 8 == 7) {
    options.progress = [](void*, int64_t done, int64_t rows) noexcept {
      Check(done >= 0 && done <= rows, "more rows are done than there are");
      return done < 2;
    };
  }
  if (options.iterations > 100 || options.bins > 100) options.method = RangeSearch::kMinMax;
  return options;
}

void FuzzDecoding(FuzzInput& in, const Context& context, const EmbeddingTable& table,
                  const InputMatrix& original) {
  const int64_t first = in.Nearly(in.Integer(0, std::max<int64_t>(table.rows(), 1) - 1));
  const int64_t behind = first < 0 ? 0 : std::max<int64_t>(table.rows() - first, 0);
  FuzzMatrix output(in, DataType::kF32, behind, table.dimension());
  const Snapshot before(output.bytes());
  const Status expected_status = table.Dequantize(ScalarContext(), first, output.output());
  const Snapshot expected(output.bytes());
  before.Restore(output.bytes());
  const Status status = table.Dequantize(context, first, output.output());
  Check(output.bytes().CanariesIntact(), "written beyond the output");
  Check(status.code() == expected_status.code(), "another status than the scalar path gives");
  Check(status.ok() || before.Equals(output.bytes()), "failed and wrote");
  Check(SameValues(output.type(), expected.data(), output.bytes().data(), expected.size()),
        "another result than the scalar path gives");

  const Result<double> loss = table.Loss(context, original);
  const Result<double> scalar_loss = table.Loss(ScalarContext(), original);
  Check(loss.status().code() == scalar_loss.status().code(), "losses end in different ways");
  Check(!loss.ok() || *loss == *scalar_loss || (*loss != *loss && *scalar_loss != *scalar_loss),
        "another loss than the scalar path gives");
}

void FuzzTableQuantization(FuzzInput& in) {
  const Context& context = DrawContext(in);
  const int64_t dimension = DrawDimension(in);
  const TableQuantizationOptions options = DrawOptions(in, dimension);
  FuzzMatrix rows{in, DrawType(in, {DataType::kF32, DataType::kF16}),
                  in.Pick<int64_t>({3, 1, 0, 9}), dimension};
  rows.bytes().Seal();
  Result<EmbeddingTable> table = EmbeddingTable::Quantize(context, rows.input(), options);
  const Result<EmbeddingTable> scalar =
      EmbeddingTable::Quantize(ScalarContext(), rows.input(), options);
  Check(table.status().code() == scalar.status().code(), "quantisation ends in another way");
  if (!table.ok()) return;
  Check(SameTables(*table, *scalar), "another table than the scalar path gives");
  if (options.row_checksum) {
    CheckOk(table->Scrub(context, 0, table->rows()));
  } else if (in.Bool()) {
    CheckOk(table->AddChecksums(context));
  }
  FuzzDecoding(in, context, *table, rows.input());

  const GuardedBuffer<float> values = DrawArray<float>(in, in.Nearly(dimension));
  const int64_t index = in.Nearly(in.Integer(0, std::max<int64_t>(table->rows(), 1) - 1));
  const bool updated =
      table->UpdateRow(index, {values.data(), values.size()}, in.Any<uint8_t>()).ok();
  Check(!updated || (index >= 0 && index < table->rows() && values.size() == table->dimension()),
        "a row that is not there was updated");
  const Status clean = table->Scrub(context, 0, table->rows());
  Check(clean.ok() || clean.code() == StatusCode::kUnsupported, clean.message());
  const int64_t begin = in.Nearly(0);
  (void)table->Scrub(context, begin, in.Nearly(1)).ok();
}

// Tables of any bytes, in memory of the caller's: one bit flips, and is found.
void FuzzScrubbing(FuzzInput& in) {
  const Context& context = DrawContext(in);
  FuzzTable memory(in);
  Result<EmbeddingTable> table = memory.Borrow();
  if (!table.ok()) return;
  const FuzzMatrix original(in, DrawType(in, {DataType::kF32, DataType::kF16}), table->rows(),
                            table->dimension());
  FuzzDecoding(in, context, *table, original.input());
  if (!table->AddChecksums(context).ok()) {
    (void)table->Scrub(context, 0, table->rows()).ok();
    return;
  }
  CheckOk(table->Scrub(context, 0, table->rows()));
  if (table->rows() <= 0) return;
  const int64_t row = in.Integer(0, table->rows() - 1);
  const int64_t position =
      row * table->layout().stride + in.Integer(0, RowBytes(table->layout()) - 1);
  memory.bytes.data()[position] ^= std::byte{1} << (in.Any<uint8_t>() % 8);
  const Status found = table->Scrub(context, 0, table->rows());
  Check(found.code() == StatusCode::kDataCorrupted, "a flipped bit was not found");
  Check(table->Scrub(ScalarContext(), row, 1).code() == StatusCode::kDataCorrupted,
        "a flipped bit was not found in its row");
  if (row > 0) CheckOk(table->Scrub(context, 0, row));
}

}  // namespace
}  // namespace qforge::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  qforge::fuzz::FuzzInput in(data, size);
  if (in.Any<uint8_t>() % 4 == 3) {
    qforge::fuzz::FuzzScrubbing(in);
  } else {
    qforge::fuzz::FuzzTableQuantization(in);
  }
  return 0;
}
