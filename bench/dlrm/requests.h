// Requests to score: dense features and, for each table, a bag of row indices.
#ifndef QFORGE_BENCH_DLRM_REQUESTS_H_
#define QFORGE_BENCH_DLRM_REQUESTS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "dlrm/model.h"

namespace dlrm {

// Bag i is indices[offsets[i]] to indices[offsets[i + 1] - 1].
struct Bags {
  std::vector<int64_t> indices;
  std::vector<int64_t> offsets;  // requests + 1
};

struct Requests {
  int64_t rows = 0;
  std::vector<float> dense;  // rows x dense features
  std::vector<Bags> bags;    // one per table
  // What the evaluation set has beyond that; may be empty.
  std::vector<float> labels;       // 0 or 1
  std::vector<float> fp32_logits;  // of the framework that trained the model
};

// Reads requests for `model` from a safetensors file; labels and logits if it has them. Throws
// Error where anything does not fit the model: what is returned is safe to look up.
Requests LoadRequests(const std::string& path, const Model& model);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_REQUESTS_H_
