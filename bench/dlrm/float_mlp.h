// The MLPs in floats through qforge: weights of f32, f16 or bf16, packed once.
#ifndef QFORGE_BENCH_DLRM_FLOAT_MLP_H_
#define QFORGE_BENCH_DLRM_FLOAT_MLP_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "dlrm/aligned_vector.h"
#include "dlrm/mlp.h"
#include "dlrm/model.h"
#include "qforge/qforge.h"

namespace dlrm {

class FloatMlp : public Mlp {
 public:
  // ReLU follows every layer, the last one only if `relu_last`. Activations are f32; beside bf16
  // weights they are bf16, for which there may be a dot product. Throws Error where qforge refuses
  // something.
  FloatMlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
           qforge::DataType weights, int64_t max_rows);

  void Run(const qforge::MatrixView<const float>& input,
           const qforge::MatrixView<float>& output) override;
  int64_t weight_bytes() const override { return weight_bytes_; }

 private:
  struct Layer {
    qforge::Linear linear;
    int64_t outputs;
  };

  qforge::DataType activations_;
  std::vector<Layer> layers_;
  AlignedVector<qforge::BFloat16> input_;         // bf16 activations only
  std::vector<AlignedVector<std::byte>> hidden_;  // outputs of all layers but the last
  int64_t weight_bytes_ = 0;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_FLOAT_MLP_H_
