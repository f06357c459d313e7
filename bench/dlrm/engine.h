// Scores requests: embeddings, bottom MLP, interaction, top MLP.
#ifndef QFORGE_BENCH_DLRM_ENGINE_H_
#define QFORGE_BENCH_DLRM_ENGINE_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "dlrm/aligned_vector.h"
#include "dlrm/embeddings.h"
#include "dlrm/fp32_kernels.h"
#include "dlrm/mlp.h"
#include "dlrm/model.h"
#include "dlrm/requests.h"
#include "qforge/context.h"

namespace dlrm {

// Pooled rows and the interaction are fp32, whatever the tables and the MLPs are. One call at a
// time, of all engines that share something.
class Engine {
 public:
  // `model` is borrowed. The MLPs must have been made for `max_rows`.
  Engine(const qforge::Context& context, const Model& model, std::shared_ptr<Embeddings> embeddings,
         std::shared_ptr<Mlp> bottom, std::shared_ptr<Mlp> top, int64_t max_rows);

  // Scores requests [first, first + rows), at most max_rows of them, into `logits`.
  void Run(const Requests& requests, int64_t first, int64_t rows, float* logits);

  // The logits of all requests.
  std::vector<float> Score(const Requests& requests);

  // What the top MLP gets for all requests: rows x Model::top_inputs().
  std::vector<float> TopInputs(const Requests& requests);

  // The two MLPs of Run() on requests that have just been run, to time them alone.
  void RunMlps(const Requests& requests, int64_t first, int64_t rows, float* logits);

  int64_t max_rows() const { return max_rows_; }
  int64_t embedding_bytes() const { return embeddings_->bytes(); }
  int64_t mlp_weight_bytes() const { return bottom_->weight_bytes() + top_->weight_bytes(); }

 private:
  void RunBottom(const Requests& requests, int64_t first, int64_t rows);
  void MakeTopInput(const Requests& requests, int64_t first, int64_t rows);

  const qforge::Context context_;
  const Fp32Kernels& kernels_;
  const Model& model_;
  const std::shared_ptr<Embeddings> embeddings_;
  const std::shared_ptr<Mlp> bottom_;
  const std::shared_ptr<Mlp> top_;
  const int64_t max_rows_;
  const int64_t vectors_;          // bottom output and tables
  AlignedVector<float> embedded_;  // max_rows x vectors x dim
  AlignedVector<float> top_input_;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_ENGINE_H_
