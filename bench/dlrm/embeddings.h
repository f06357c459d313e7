// The embedding tables of a model, ready to be looked up.
#ifndef QFORGE_BENCH_DLRM_EMBEDDINGS_H_
#define QFORGE_BENCH_DLRM_EMBEDDINGS_H_

#include <cstdint>

#include "dlrm/requests.h"
#include "qforge/views.h"

namespace dlrm {

class Embeddings {
 public:
  virtual ~Embeddings() = default;

  // Row i of `output` becomes, for each table side by side, the sum of the table's rows in bag
  // first + i. May use scratch memory of the object: one call at a time.
  virtual void Run(const Requests& requests, int64_t first,
                   const qforge::MatrixView<float>& output) = 0;

  // Of the tables, as they are stored.
  virtual int64_t bytes() const = 0;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_EMBEDDINGS_H_
