// Tables of 8-bit rows whose every look-up checks what it reads, and that are repaired from a
// second copy where a bit has flipped.
#ifndef QFORGE_BENCH_DLRM_CHECKED_EMBEDDINGS_H_
#define QFORGE_BENCH_DLRM_CHECKED_EMBEDDINGS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dlrm/embeddings.h"
#include "dlrm/model.h"
#include "qforge/context.h"
#include "qforge/embedding_bag.h"
#include "qforge/soft_errors.h"

namespace dlrm {

// The rows of all tables of a model, in memory where faults may strike.
class TableMemory {
 public:
  TableMemory(const qforge::Context& context, const Model& model);

  size_t tables() const { return tables_.size(); }
  int64_t row_bytes() const { return row_bytes_; }
  const qforge::EmbeddingTable& table(size_t index) const { return tables_[index].handle; }
  void Flip(size_t table, int64_t row, int64_t bit);
  // Brings a row back from the second copy.
  void Repair(size_t table, int64_t row);

 private:
  struct Table {
    std::vector<uint8_t> rows;
    std::vector<uint8_t> copy;
    qforge::EmbeddingTable handle;  // borrows `rows`; with checksums beside them
  };
  int64_t row_bytes_ = 0;
  std::vector<Table> tables_;
};

class CheckedEmbeddings : public Embeddings {
 public:
  // `monitor` counts. kFail: rows that do not agree with their checksums are repaired, and looked
  // up again; kReport: they are taken as they are.
  CheckedEmbeddings(const qforge::Context& context, const Model& model,
                    std::shared_ptr<TableMemory> memory, qforge::SoftErrorPolicy policy,
                    qforge::SoftErrorMonitor* monitor);

  void Run(const Requests& requests, int64_t first,
           const qforge::MatrixView<float>& output) override;
  int64_t bytes() const override;

 private:
  const qforge::Context context_;
  const int64_t dim_;
  const std::shared_ptr<TableMemory> memory_;
  std::vector<qforge::EmbeddingBag> bags_;  // one per table
  std::vector<qforge::BagInput> inputs_;    // of the call that runs
  std::vector<qforge::OutputMatrix> outputs_;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_CHECKED_EMBEDDINGS_H_
