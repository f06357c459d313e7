// Embedding tables in any of qforge's formats, all looked up in one call.
#ifndef QFORGE_BENCH_DLRM_QFORGE_EMBEDDINGS_H_
#define QFORGE_BENCH_DLRM_QFORGE_EMBEDDINGS_H_

#include <cstdint>
#include <vector>

#include "dlrm/embedding_format.h"
#include "dlrm/embeddings.h"
#include "dlrm/model.h"
#include "qforge/context.h"
#include "qforge/embedding_bag.h"

namespace dlrm {

class QforgeEmbeddings : public Embeddings {
 public:
  // Quantises the tables of `model`; fp32 rows are borrowed from it instead. Shows progress. Throws
  // Error where qforge refuses something.
  QforgeEmbeddings(const qforge::Context& context, const Model& model,
                   const EmbeddingFormat& format);

  void Run(const Requests& requests, int64_t first,
           const qforge::MatrixView<float>& output) override;
  int64_t bytes() const override { return bytes_; }

 private:
  const qforge::Context context_;
  const int64_t dim_;
  int64_t bytes_ = 0;
  std::vector<qforge::EmbeddingBag> bags_;  // one per table
  std::vector<qforge::BagInput> inputs_;    // of the call that runs
  std::vector<qforge::OutputMatrix> outputs_;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_QFORGE_EMBEDDINGS_H_
