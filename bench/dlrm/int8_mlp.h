// The MLPs in int8 through qforge. f32 input is quantised on the way in, layers hand u8 to each
// other, the last one gives f32.
#ifndef QFORGE_BENCH_DLRM_INT8_MLP_H_
#define QFORGE_BENCH_DLRM_INT8_MLP_H_

#include <cstdint>
#include <memory>
#include <vector>

#include "dlrm/aligned_vector.h"
#include "dlrm/int8_linear.h"
#include "dlrm/mlp.h"
#include "dlrm/model.h"
#include "qforge/qforge.h"

namespace dlrm {

// A row for each calibration request, no gaps between them.
using Samples = qforge::MatrixView<const float>;

// How the layers of an MLP are checked (dlrm --soft-errors), and a place for faults in each.
struct MlpChecks {
  qforge::SoftErrorPolicy policy = qforge::SoftErrorPolicy::kFail;
  qforge::SoftErrorMonitor* monitor = nullptr;
  std::vector<std::unique_ptr<qforge::SoftErrorInjection>> injections;
};

class Int8Mlp : public Mlp {
 public:
  // ReLU follows every layer, the last one only if `relu_last`. `samples` are what the MLP gets for
  // the calibration requests: they give the ranges of the u8 activations between layers and, with
  // kPerTensor, of the input. With kDynamicPerRow each row of the input has its own range. `checks`
  // gets an injection per layer; unless it is null, it must outlive the MLP.
  Int8Mlp(const qforge::Context& context, const MlpLayers& layers, bool relu_last,
          qforge::InputScaling input_scaling, const Samples& samples, int64_t max_rows,
          MlpChecks* checks = nullptr);

  void Run(const qforge::MatrixView<const float>& input,
           const qforge::MatrixView<float>& output) override;
  int64_t weight_bytes() const override;

 private:
  std::vector<Int8Linear> layers_;
  std::vector<AlignedVector<uint8_t>> hidden_;  // outputs of all layers but the last
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_INT8_MLP_H_
