// A DLRM (arXiv 1906.00091) in fp32: what the file describes, before any engine prepares it.
#ifndef QFORGE_BENCH_DLRM_MODEL_H_
#define QFORGE_BENCH_DLRM_MODEL_H_

#include <cstdint>
#include <string>
#include <vector>

namespace dlrm {

// y = x * transpose(weight) + bias, as nn.Linear.
struct LinearLayer {
  int64_t inputs = 0;
  int64_t outputs = 0;
  std::vector<float> weight;  // outputs x inputs
  std::vector<float> bias;    // outputs
};

// ReLU follows every layer of the bottom MLP, and every layer of the top one but the last.
using MlpLayers = std::vector<LinearLayer>;

struct EmbeddingTable {
  int64_t rows = 0;
  std::vector<float> values;  // rows x Model::dim
};

struct Model {
  int64_t dim = 0;
  MlpLayers bottom;  // ends in dim
  MlpLayers top;     // starts with top_inputs(), ends in the logit
  std::vector<EmbeddingTable> tables;

  int64_t dense_features() const { return bottom.front().inputs; }
  // What the dot interaction makes of the bottom output and the tables; see interaction.h.
  int64_t top_inputs() const;
  int64_t table_rows() const;
  int64_t table_bytes() const;  // in fp32
};

// Reads a model from a safetensors file; its __metadata__ gives the structure, its tensors the
// sizes. Throws Error where the two disagree or describe something else.
Model LoadModel(const std::string& path);

// "13-512-256-64-16".
std::string ShapeText(const MlpLayers& layers);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_MODEL_H_
