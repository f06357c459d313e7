// A model and requests of a published shape, made from a seed, for machines that have no data.
#ifndef QFORGE_BENCH_DLRM_SYNTHETIC_H_
#define QFORGE_BENCH_DLRM_SYNTHETIC_H_

#include <cstdint>
#include <vector>

#include "dlrm/model.h"
#include "dlrm/requests.h"
#include "qforge/context.h"

namespace dlrm {

struct ModelShape {
  int64_t dim = 0;
  std::vector<int64_t> bottom;  // widths, from the dense features to dim
  std::vector<int64_t> top;     // widths, from the first hidden layer to 1
  std::vector<int64_t> table_rows;
};

// DLRM for the Criteo Kaggle display-advertising data: 26 tables, 33,762,577 rows.
ModelShape CriteoKaggleShape();

struct SyntheticOptions {
  ModelShape shape = CriteoKaggleShape();
  double rows_scale = 0.25;  // of tables of more than 10,000 rows, which keep at least so many
  uint64_t seed = 1;
  int64_t calibration_requests = 2048;
  int64_t evaluation_requests = 16384;
};

struct SyntheticData {
  Model model;
  Requests calibration;
  Requests evaluation;
};

// Dense features are logarithms of skewed counts, about normalised; rows are drawn with Zipf's law,
// one per table. Weights are drawn so that activations keep their size from layer to layer; the
// last layer is set so that the logits look like a trained model's, and the labels of the
// evaluation set are drawn with the probabilities that the fp32 model gives: log loss and AUC then
// mean something.
SyntheticData MakeSyntheticData(const qforge::Context& context, const SyntheticOptions& options);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_SYNTHETIC_H_
