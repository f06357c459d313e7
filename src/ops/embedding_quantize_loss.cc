// How much of a row a table loses.
#include <cmath>
#include <numeric>
#include <utility>

#include "base/aligned_buffer.h"
#include "base/float_environment.h"
#include "ops/embedding_quantize_rows.h"
#include "ops/embedding_row_decoder.h"
#include "ops/embedding_rows.h"
#include "ops/validate.h"
#include "pack/embedding_table_data.h"
#include "qforge/embedding_table.h"

namespace qforge {
namespace {

double NormalisedLoss(const float* row, const float* decoded, int64_t columns) {
  // Several sums of each, which need not wait for one another.
  constexpr int kPartialSums = 8;
  double squares[kPartialSums] = {};
  double error_squares[kPartialSums] = {};
  const auto add = [&](int64_t j, int l) {
    const double x = static_cast<double>(row[j]);
    const double error = x - static_cast<double>(decoded[j]);
    squares[l] += x * x;
    error_squares[l] += error * error;
  };
  int64_t j = 0;
  for (; j + kPartialSums <= columns; j += kPartialSums) {
    for (int l = 0; l < kPartialSums; ++l) add(j + l, l);
  }
  for (int l = 0; j < columns; ++j, ++l) add(j, l);
  const double square = std::accumulate(squares, squares + kPartialSums, 0.0);
  const double error_square = std::accumulate(error_squares, error_squares + kPartialSums, 0.0);
  if (square == 0.0) return error_square == 0.0 ? 0.0 : 1.0;
  return std::sqrt(error_square / square);
}

}  // namespace

Result<double> EmbeddingTable::Loss(const Context& context,
                                    const InputMatrix& original) const noexcept {
  const base::FloatEnvironment environment;
  const pack::EmbeddingTableData& data = *table_;
  const int64_t columns = dimension();
  QFORGE_RETURN_IF_ERROR(CheckRows("original", original));
  QFORGE_RETURN_IF_ERROR(CheckMatrix("original", original, original.type, rows(), columns));
  QFORGE_RETURN_IF_ERROR(CheckCodebookNumbers(data, 0, rows()));
  if (rows() == 0) return 0.0;
  const Result<kernels::LoadRowFunction*> load = GetLoadRow(context.isa(), original.type);
  if (!load.ok()) return load.status();
  const Result<RowDecoder> decoder = RowDecoder::Create(context.isa(), data);
  if (!decoder.ok()) return decoder.status();

  struct Memory {
    Memory(std::byte* bytes, const InputMatrix& original, kernels::LoadRowFunction* load)
        : cutter(bytes),
          reader(original, load, cutter),
          decoded(cutter.Cut<float>(RowsAtATime(original.cols) * original.cols)) {}
    MemoryCutter cutter;
    RowReader reader;
    float* const decoded;
  };
  RowWalk walk;
  walk.rows = rows();
  walk.rows_at_a_time = RowsAtATime(columns);
  walk.memory_bytes = Memory(nullptr, original, *load).cutter.bytes();

  // One sum for each part of the rows, so that their order does not depend on the threads.
  const int64_t parts = base::CeilDiv(walk.rows, walk.rows_at_a_time);
  auto sums = base::AlignedBuffer::Allocate(static_cast<size_t>(parts) * sizeof(double));
  if (!sums.ok()) return sums.status();
  QFORGE_RETURN_IF_ERROR(WalkRows(context, walk, [&](int64_t begin, int64_t end, std::byte* bytes) {
    const Memory memory(bytes, original, *load);
    decoder->Decode(begin, end, memory.decoded, columns);
    double sum = 0.0;
    for (int64_t i = begin; i < end; ++i) {
      memory.reader.Read(i);
      sum += NormalisedLoss(memory.reader.row(), memory.decoded + (i - begin) * columns, columns);
    }
    sums->As<double>()[begin / walk.rows_at_a_time] = sum;
  }));
  double total = 0.0;
  for (int64_t part = 0; part < parts; ++part) total += sums->As<double>()[part];
  return total / static_cast<double>(rows());
}

}  // namespace qforge
