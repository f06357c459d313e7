#include "dlrm/qforge_embeddings.h"

#include "common/progress.h"
#include "dlrm/check.h"

namespace dlrm {
namespace {

// How far the tables of a model are.
struct TableProgress {
  explicit TableProgress(const std::string& format) : progress("quantising tables to " + format) {}

  qforge::bench::Progress progress;
  int64_t all_rows = 0;
  int64_t rows_before = 0;  // of the tables that are done
};

qforge::EmbeddingTable MakeTable(const qforge::Context& context, const EmbeddingTable& table,
                                 int64_t dim, const EmbeddingFormat& format,
                                 TableProgress& progress) {
  if (format.rows == qforge::RowFormat::kF32) {
    qforge::RowLayout layout;
    layout.dimension = dim;
    return Take(qforge::EmbeddingTable::Borrow(table.values.data(), table.rows, layout));
  }
  qforge::TableQuantizationOptions options;
  options.format = format.rows;
  options.method = format.method;
  options.progress_argument = &progress;
  options.progress = [](void* argument, int64_t rows_done, int64_t) noexcept {
    TableProgress& p = *static_cast<TableProgress*>(argument);
    p.progress.Update(static_cast<double>(p.rows_before + rows_done) /
                      static_cast<double>(p.all_rows));
    return true;
  };
  return Take(
      qforge::EmbeddingTable::Quantize(context, {table.values.data(), table.rows, dim}, options));
}

}  // namespace

QforgeEmbeddings::QforgeEmbeddings(const qforge::Context& context, const Model& model,
                                   const EmbeddingFormat& format)
    : context_(context),
      dim_(model.dim),
      inputs_(model.tables.size()),
      outputs_(model.tables.size()) {
  TableProgress progress(format.FullName());
  progress.all_rows = model.table_rows();
  for (const EmbeddingTable& values : model.tables) {
    const qforge::EmbeddingTable table = MakeTable(context, values, dim_, format, progress);
    progress.rows_before += values.rows;
    bytes_ += table.bytes();
    bags_.push_back(Take(qforge::EmbeddingBag::Create(context, table)));
  }
}

void QforgeEmbeddings::Run(const Requests& requests, int64_t first,
                           const qforge::MatrixView<float>& output) {
  for (size_t i = 0; i < bags_.size(); ++i) {
    const Bags& bags = requests.bags[i];
    inputs_[i].indices = bags.indices;
    inputs_[i].bounds = {bags.offsets.data() + first, output.rows + 1};
    float* const pooled = output.data + static_cast<int64_t>(i) * dim_;
    outputs_[i] = {pooled, output.rows, dim_, output.stride};
  }
  Check(qforge::EmbeddingBag::RunAll(context_, bags_, inputs_, outputs_));
}

}  // namespace dlrm
