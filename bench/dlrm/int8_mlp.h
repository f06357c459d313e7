// The MLPs in int8 through qforge. f32 input is quantised on the way in, layers hand u8 to each
// other, the last one gives f32.
#ifndef QFORGE_BENCH_DLRM_INT8_MLP_H_
#define QFORGE_BENCH_DLRM_INT8_MLP_H_

#include <cstdint>
#include <vector>

#include "dlrm/aligned_vector.h"
#include "dlrm/int8_linear.h"
#include "dlrm/mlp.h"
#include "dlrm/model.h"
#include "qforge/qforge.h"

namespace dlrm {

// A row for each calibration request, no gaps between them.
using Samples = qforge::MatrixView<const float>;

class Int8Mlp : public Mlp {
 public:
  // ReLU follows every layer, the last one only if `relu_last`. `samples` are what the MLP gets for
  // the calibration requests: they give the ranges of the u8 activations between layers and, with
  // kPerTensor, of the input. With kDynamicPerRow each row of the input has its own range.
  Int8Mlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
          qforge::InputScaling input_scaling, const Samples& samples, int64_t max_rows);

  void Run(const qforge::MatrixView<const float>& input,
           const qforge::MatrixView<float>& output) override;
  int64_t weight_bytes() const override;

 private:
  std::vector<Int8Linear> layers_;
  std::vector<AlignedVector<uint8_t>> hidden_;  // outputs of all layers but the last
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_INT8_MLP_H_
