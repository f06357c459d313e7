#include "dlrm/engine.h"

#include <algorithm>
#include <utility>

#include "dlrm/interaction.h"
#include "dlrm/parallel.h"

namespace dlrm {

using qforge::MatrixView;

Engine::Engine(const qforge::Context& context, const Model& model,
               std::shared_ptr<Embeddings> embeddings, std::shared_ptr<Mlp> bottom,
               std::shared_ptr<Mlp> top, int64_t max_rows)
    : context_(context),
      kernels_(Fp32KernelsFor(context.isa())),
      model_(model),
      embeddings_(std::move(embeddings)),
      bottom_(std::move(bottom)),
      top_(std::move(top)),
      max_rows_(max_rows),
      vectors_(static_cast<int64_t>(model.tables.size()) + 1),
      embedded_(max_rows * vectors_ * model.dim),
      top_input_(max_rows * model.top_inputs()) {}

void Engine::RunBottom(const Requests& requests, int64_t first, int64_t rows) {
  const int64_t features = model_.dense_features();
  bottom_->Run({requests.dense.data() + first * features, rows, features},
               {embedded_.data(), rows, model_.dim, vectors_ * model_.dim});
}

void Engine::MakeTopInput(const Requests& requests, int64_t first, int64_t rows) {
  RunBottom(requests, first, rows);
  const int64_t stride = vectors_ * model_.dim;
  embeddings_->Run(requests, first,
                   {embedded_.data() + model_.dim, rows, stride - model_.dim, stride});
  ParallelRanges(context_, rows, 1, [&](int64_t begin, int64_t end) {
    const int64_t outputs = model_.top_inputs();
    Interact(kernels_, {embedded_.data() + begin * stride, end - begin, stride}, vectors_,
             {top_input_.data() + begin * outputs, end - begin, outputs});
  });
}

void Engine::Run(const Requests& requests, int64_t first, int64_t rows, float* logits) {
  MakeTopInput(requests, first, rows);
  top_->Run({top_input_.data(), rows, model_.top_inputs()}, {logits, rows, 1});
}

std::vector<float> Engine::Score(const Requests& requests) {
  std::vector<float> logits(requests.rows);
  for (int64_t first = 0; first < requests.rows; first += max_rows_) {
    const int64_t rows = std::min(max_rows_, requests.rows - first);
    Run(requests, first, rows, logits.data() + first);
  }
  return logits;
}

std::vector<float> Engine::TopInputs(const Requests& requests) {
  std::vector<float> inputs;
  for (int64_t first = 0; first < requests.rows; first += max_rows_) {
    const int64_t rows = std::min(max_rows_, requests.rows - first);
    MakeTopInput(requests, first, rows);
    inputs.insert(inputs.end(), top_input_.data(), top_input_.data() + rows * model_.top_inputs());
  }
  return inputs;
}

void Engine::RunMlps(const Requests& requests, int64_t first, int64_t rows, float* logits) {
  RunBottom(requests, first, rows);
  top_->Run({top_input_.data(), rows, model_.top_inputs()}, {logits, rows, 1});
}

}  // namespace dlrm
