// One linear layer in int8 through qforge: from the fp32 weights and a way to quantise the input to
// a layer that runs.
#ifndef QFORGE_BENCH_DLRM_INT8_LINEAR_H_
#define QFORGE_BENCH_DLRM_INT8_LINEAR_H_

#include <cstdint>
#include <optional>

#include "dlrm/model.h"
#include "qforge/qforge.h"

namespace dlrm {

struct Int8Input {
  qforge::DataType type = qforge::DataType::kU8;  // kU8, or kF32: quantised on the way in
  qforge::InputScaling scaling = qforge::InputScaling::kPerTensor;
  qforge::QuantizationParameters parameters;  // kPerTensor only
};

class Int8Linear {
 public:
  // Weights are symmetric per output channel, their ranges chosen by `weights`. With `soft_errors`
  // rows are checked. Throws Error where qforge refuses something.
  Int8Linear(const qforge::Context& context, const LinearLayer& layer, bool relu,
             const Int8Input& input, const qforge::Output& output,
             qforge::RangeMethod weights = qforge::RangeMethod::kMinMax,
             const std::optional<qforge::SoftErrorOptions>& soft_errors = std::nullopt);

  // `input` and `output` are of the types that the layer was made for.
  void Run(const qforge::InputMatrix& input, const qforge::OutputMatrix& output) const;

  int64_t outputs() const { return outputs_; }
  int64_t weight_bytes() const { return weight_bytes_; }

  // The differences from the layer that it was made of, both on `input`, f32.
  qforge::ErrorStatistics CompareWith(const qforge::Context& context,
                                      const qforge::FloatLayer& layer,
                                      const qforge::MatrixView<const float>& input) const;

 private:
  Int8Linear(const qforge::Context& context, const qforge::PackedWeights& weights,
             const LinearLayer& layer, bool relu, const Int8Input& input,
             const qforge::Output& output,
             const std::optional<qforge::SoftErrorOptions>& soft_errors);

  qforge::InputQuantization input_;
  qforge::Linear linear_;
  int64_t outputs_;
  int64_t weight_bytes_;
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_INT8_LINEAR_H_
