// An MLP whose layers are in int8 or in fp32, each as it was chosen. For measuring accuracy: they
// hand f32 to each other.
#ifndef QFORGE_BENCH_DLRM_MIXED_MLP_H_
#define QFORGE_BENCH_DLRM_MIXED_MLP_H_

#include <cstdint>
#include <variant>
#include <vector>

#include "dlrm/aligned_vector.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/int8_linear.h"
#include "dlrm/mlp.h"

namespace dlrm {

class MixedMlp : public Mlp {
 public:
  // int8 layers take and give f32.
  using Layer = std::variant<Int8Linear, Fp32Linear>;

  MixedMlp(std::vector<Layer> layers, int64_t max_rows);

  void Run(const qforge::MatrixView<const float>& input,
           const qforge::MatrixView<float>& output) override;
  int64_t weight_bytes() const override;

 private:
  std::vector<Layer> layers_;
  std::vector<AlignedVector<float>> hidden_;  // outputs of all layers but the last
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_MIXED_MLP_H_
