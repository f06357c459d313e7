// A table of embedding rows, in any format of qforge/row_layout.h.
#ifndef QFORGE_EMBEDDING_TABLE_H_
#define QFORGE_EMBEDDING_TABLE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "qforge/context.h"
#include "qforge/export.h"
#include "qforge/row_layout.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

namespace pack {
struct EmbeddingTableData;
}

// How the parameters of a row are found.
enum class RangeSearch : uint8_t {
  // u8, u4, u2: the smallest and largest value of the row.
  kMinMax,
  // u8, u4, u2: the range around 0 that holds the row.
  kSymmetric,
  // u8, u4, u2: shrinks the range from the side that loses less, as long as the loss, with scale
  // and bias rounded as they will be stored, has a chance to fall (arXiv 1911.02079, section 3).
  // Never worse than kMinMax on any row.
  kGreedy,
  // u8, u4, u2: the best range whose ends are bounds of a histogram of the row. Slow: all
  // such ranges are candidates. u2 takes longest, about 0.1 ms for a row of 32.
  kHistogram,
  // codebook4: the 16 centres that lose least, k-means in one dimension solved exactly; twotier4:
  // codebooks by k-means over the rows.
  kKMeans,
};

// "minmax", "symmetric", "greedy", "histogram", "kmeans".
const char* RangeSearchName(RangeSearch search) noexcept;

struct TableQuantizationOptions {
  RowFormat format = RowFormat::kU8;
  // f32, f16, bf16, e4m3 and e5m2 need none: their values are rounded to nearest even, within the
  // finite range. Codebooks take kKMeans; kMinMax stands for it there.
  RangeSearch method = RangeSearch::kMinMax;
  // As in RowLayout. f16 holds no more than 65504: with such a scale and bias, values below -65504
  // and above bias + levels * 65504 (levels: 255, 15 or 3) come back as those bounds, with such
  // centres values beyond 65504 as that.
  DataType parameters = DataType::kNone;
  ParameterPlace place = ParameterPlace::kLast;
  int64_t stride = 0;
  int exponent_bias = 0;
  // Every row ends with a checksum (qforge/row_layout.h), so that look-ups notice where a bit of it
  // has flipped: 2 bytes for up to 125, 3 for up to 250 and so on.
  bool row_checksum = false;

  // kGreedy: the range shrinks in steps of 1 / bins of its width, until it has lost the part
  // `shrink`. kHistogram: the number of bins. 2 to 10,000; shrink in [0, 1).
  int bins = 200;
  float shrink = 0.16f;
  int iterations = 20;     // twotier4: at most so many rounds, 1 to 1,000
  int64_t clusters = 256;  // twotier4: codebooks, 1 to 65,536; no more are made than rows
  uint64_t seed = 1;       // twotier4: of the rows that it starts from

  // Called now and then, from one thread at a time, with the number of rows that are done. Where it
  // returns false, quantisation stops with kCancelled. No row of twotier4 is done before its
  // codebooks are trained, which takes most of the time: until then it is called with 0.
  bool (*progress)(void* argument, int64_t rows_done, int64_t rows) noexcept = nullptr;
  void* progress_argument = nullptr;
};

// A handle; copies share the data. Everything but UpdateRow() and AddChecksums() is safe to call
// from any number of threads at the same time.
class EmbeddingTable {
 public:
  // Uses `rows` rows at `data` where they are; they must outlive the table and what is made from
  // it, and a change to them shows. twotier4 alone: `codebooks` is clusters x 16, borrowed as well;
  // no row may name another one. Not checked here, since that reads all rows, but by Dequantize(),
  // Loss() and EmbeddingBag::Create().
  static Result<EmbeddingTable> Borrow(const void* data, int64_t rows, const RowLayout& layout,
                                       ArrayView<const Half> codebooks = {}) noexcept;
  // The same, with a copy of rows and codebooks.
  static Result<EmbeddingTable> Copy(const void* data, int64_t rows, const RowLayout& layout,
                                     ArrayView<const Half> codebooks = {}) noexcept;

  // Quantises `rows`, f32 or f16, N x dimension. Values that are not finite count as the largest
  // finite ones, NaN as 0. Deterministic: the same bytes on every ISA and for any number of
  // threads.
  static Result<EmbeddingTable> Quantize(const Context& context, const InputMatrix& rows,
                                         const TableQuantizationOptions& options) noexcept;

  // The file form: a header with version and checksums, then codebooks and rows as they are in
  // memory. Map() reads rows from the file as they are used; it verifies header and sizes, and all
  // rows where `verify` is true. kDataCorrupted where something does not match, kInvalidArgument
  // where there is no such file, or no access. Save() replaces a file when the new one is complete,
  // keeps its mode, and follows symbolic links. A file that is mapped may be replaced like that,
  // but must not be written to or cut short: reading rows that are no longer there ends the process
  // (SIGBUS).
  Status Save(const std::string& path) const noexcept;
  static Result<EmbeddingTable> Load(const std::string& path) noexcept;
  static Result<EmbeddingTable> Map(const std::string& path, bool verify = false) noexcept;

  int64_t rows() const noexcept;
  int64_t dimension() const noexcept;
  const RowLayout& layout() const noexcept;  // with stride and parameters filled in
  int64_t bytes() const noexcept;            // of rows and codebooks
  const void* row(int64_t index) const noexcept;
  ArrayView<const Half> codebooks() const noexcept;
  // One line: format, size, place. Empty when memory runs out.
  std::string Describe() const noexcept;

  // Rows [first, first + output.rows) as the definition of the format says; `output` is f32.
  Status Dequantize(const Context& context, int64_t first,
                    const OutputMatrix& output) const noexcept;

  // The normalised L2 loss against `original`, f32 or f16, of the table's shape: the mean over rows
  // of |x - q(x)| / |x|, where rows of zeros count as 0 or, if they come back otherwise, as 1.
  Result<double> Loss(const Context& context, const InputMatrix& original) const noexcept;

  // Writes `values` to a row of a table that Copy(), Quantize() or Load() made, of the formats u8,
  // u4, u2, f32, f16 and bf16. u8, u4, u2: scale and bias from the smallest and largest value, and
  // q = floor((x - min) / scale + u) with u uniform in [0, 1), which makes the expected value x
  // (arXiv 2010.11305); f16 and bf16: to one of the two neighbours, likewise; f32: as they are.
  // The same `seed` and row give the same bytes. Take another seed for each update of a row: with
  // one and the same, every update rounds the same way, and what a row learns in small steps
  // drifts. Not safe together with anything else on the same table.
  Status UpdateRow(int64_t index, ArrayView<const float> values, uint64_t seed) noexcept;

  // Makes checksums of all rows as they are now, and of the codebooks, in memory beside them: for
  // tables in the caller's memory and in files, whose bytes stay as they are, and for any other
  // whose rows do not end with checksums (kUnsupported). Each EmbeddingBag that is made afterwards
  // checks them. To be called again when rows have changed; UpdateRow() keeps its row's up to date.
  // Save() stores them with the table. Not safe together with anything else on the same table.
  Status AddChecksums(const Context& context) noexcept;

  // Compares rows [first, first + rows) with their checksums, and the same part of the codebooks,
  // on the context's threads: the whole table, or a slice at a time in the background, so that what
  // no look-up reads is seen too. kDataCorrupted names the first row, or else codebook, that does
  // not agree. kUnsupported without checksums.
  Status Scrub(const Context& context, int64_t first, int64_t rows) const noexcept;

  // For the library's own operations.
  const pack::EmbeddingTableData& table() const noexcept { return *table_; }
  const std::shared_ptr<pack::EmbeddingTableData>& shared_table() const noexcept { return table_; }

 private:
  explicit EmbeddingTable(std::shared_ptr<pack::EmbeddingTableData> table) noexcept
      : table_(std::move(table)) {}
  std::shared_ptr<pack::EmbeddingTableData> table_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_EMBEDDING_TABLE_H_
