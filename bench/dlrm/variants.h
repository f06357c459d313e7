// The ways to run a model that the demo compares.
#ifndef QFORGE_BENCH_DLRM_VARIANTS_H_
#define QFORGE_BENCH_DLRM_VARIANTS_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "dlrm/embedding_format.h"
#include "dlrm/engine.h"
#include "dlrm/model.h"
#include "dlrm/requests.h"
#include "qforge/context.h"

namespace dlrm {

struct Variant {
  std::string name;  // "fp32", "fp16", "int8", "int8_u4_greedy"
  std::string description;
  EmbeddingFormat embedding;  // fp32 where rows are summed by this program's own code
  std::unique_ptr<Engine> engine;
};

// What --mlp takes: "fp32", "fp16", "bf16", "int8".
std::vector<std::string> MlpFormatNames();

// First "fp32": everything through this program's own code, with which the others are compared.
// Then the MLPs through qforge in each of `mlps`, "fp32_qforge" and so on. Then rows in each of
// `formats` through qforge, too, with the MLPs in int8, or if that is not among `mlps` in the one
// made last. Engines borrow `model` and are made for batches of `max_rows`.
std::vector<Variant> MakeVariants(const qforge::Context& context, const Model& model,
                                  const Requests& calibration, const std::vector<std::string>& mlps,
                                  const std::vector<EmbeddingFormat>& formats, int64_t max_rows);

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_VARIANTS_H_
