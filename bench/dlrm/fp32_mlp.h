// The MLPs in fp32, through this program's own blocked matrix multiplication: weights packed once,
// tiles in registers, bias and ReLU fused.
#ifndef QFORGE_BENCH_DLRM_FP32_MLP_H_
#define QFORGE_BENCH_DLRM_FP32_MLP_H_

#include <cstdint>
#include <vector>

#include "dlrm/aligned_vector.h"
#include "dlrm/fp32_kernels.h"
#include "dlrm/mlp.h"
#include "dlrm/model.h"
#include "qforge/context.h"

namespace dlrm {

class Fp32Linear {
 public:
  Fp32Linear(const qforge::Context& context, const LinearLayer& layer, bool relu);

  void Run(const qforge::MatrixView<const float>& input,
           const qforge::MatrixView<float>& output) const;

  int64_t outputs() const { return outputs_; }
  int64_t weight_bytes() const;

 private:
  void RunPart(const qforge::MatrixView<const float>& input,
               const qforge::MatrixView<float>& output, int64_t first_panel,
               int64_t last_panel) const;

  qforge::Context context_;
  const Fp32Kernels& kernels_;
  int64_t inputs_;
  int64_t outputs_;
  float floor_;
  int64_t panel_columns_;
  AlignedVector<float> panels_;  // each inputs x panel_columns; the last may be narrower
  AlignedVector<float> bias_;    // padded as the panels are
};

class Fp32Mlp : public Mlp {
 public:
  // ReLU follows every layer, the last one only if `relu_last`.
  Fp32Mlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
          int64_t max_rows);

  void Run(const qforge::MatrixView<const float>& input,
           const qforge::MatrixView<float>& output) override;
  int64_t weight_bytes() const override;

 private:
  std::vector<Fp32Linear> layers_;
  std::vector<AlignedVector<float>> hidden_;  // outputs of all layers but the last
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_FP32_MLP_H_
