// C = epilogue(A x B) where B, too, changes from call to call, as in attention: B is packed on the
// way, by all threads, into memory that is kept between calls.
#ifndef QFORGE_GEMM_H_
#define QFORGE_GEMM_H_

#include <cstdint>
#include <memory>
#include <string>

#include "qforge/export.h"
#include "qforge/linear.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct GemmOptions {
  int64_t inputs = 0;   // K
  int64_t outputs = 0;  // N
  WeightsLayout layout = WeightsLayout::kInputsByOutputs;
  // Of B: kS8, or kF32, kF16 or kBF16 for a product of floats (qforge/types.h).
  DataType weights = DataType::kS8;
  // Whether Run may be given zero-points of B other than 0; they cost a correction per output. For
  // kS8 only.
  bool weight_zero_points = false;
  LinearOptions linear;
};

// The parameters of B: one pair, or one per column.
struct WeightsQuantization {
  ArrayView<const float> scales = {};         // 1 or N values; empty: 1
  ArrayView<const int32_t> zero_points = {};  // 1 or N values; empty: 0
};

// Immutable after creation; any number of threads may Run one Gemm at the same time.
class Gemm {
 public:
  static Result<Gemm> Create(const Context& context, const Epilogue& epilogue,
                             const GemmOptions& options) noexcept;

  // As Linear::Run, with `weights` (K x N, or N x K, as options.layout says) for this call.
  Status Run(const InputMatrix& input, const InputQuantization& quantization,
             const MatrixView<const int8_t>& weights,
             const WeightsQuantization& weights_quantization, const OutputMatrix& output,
             const RunArguments& arguments = {}) const noexcept;
  // The same for float weights, of the type of options.weights.
  Status Run(const InputMatrix& input, const InputMatrix& weights, const OutputMatrix& output,
             const RunArguments& arguments = {}) const noexcept;

  std::string Describe() const noexcept;

 private:
  struct State;
  explicit Gemm(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_GEMM_H_
