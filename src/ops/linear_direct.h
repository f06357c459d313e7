// The short way through a Run: for products that are over sooner than the general way has looked at
// everything that could matter.
#ifndef QFORGE_OPS_LINEAR_DIRECT_H_
#define QFORGE_OPS_LINEAR_DIRECT_H_

#include <cstdint>

#include "ops/direct_form.h"
#include "ops/linear_core.h"
#include "ops/linear_run.h"
#include "qforge/linear.h"

namespace qforge {

// Everything that a Run of few rows needs, worked out when the operation is created: one task, one
// tile of rows (some, if weights are few), rows of A that are prepared, if at all, on the stack.
class LinearDirect {
 public:
  // Declines every call.
  LinearDirect() = default;
  // `core`, and what `weights` points to, are borrowed. Declines every call if the operation is
  // none for which the direct way pays.
  LinearDirect(const LinearCore& core, const RunWeights& weights);

  // Does all that ValidateRun() and RunLinear() would do and returns true; or declines, which is
  // false, and has done nothing. Declines what is not small, and whatever is not plainly valid: all
  // that ValidateRun() refuses and some of what it accepts. It is never the last word on an error,
  // but for rows that do not pass their check, of which it tells `outcome`.
  bool Run(const InputMatrix& input, const InputQuantization& quantization,
           const OutputMatrix& output, const InputMatrix& residual, Status* outcome) const noexcept;

 private:
  bool PlainlyValid(int64_t rows, const InputQuantization& quantization) const;

  // A as kernels read it.
  struct Rows {
    const std::byte* data;
    int64_t stride;       // bytes
    const float* scales;  // one, or one per row, as zero_points
    const int32_t* zero_points;
    const int32_t* terms;
    std::byte* sums;  // of checked rows
  };
  // What follows where not all rows pass.
  Status Respond(const RowCheck::Rows& checked, const InputMatrix& input,
                 const InputQuantization& quantization, const OutputMatrix& output,
                 const InputMatrix& residual) const noexcept;

  // `tiles` tiles of `height` rows each, from `row` on, by all panels.
  void MultiplyTiles(const Rows& a, int64_t row, int64_t tiles, int height, bool bounded,
                     const OutputMatrix& output, const InputMatrix& residual) const;

  const LinearCore* core_ = nullptr;
  const RunWeights* run_weights_ = nullptr;
  int64_t most_rows_ = 0;  // 0: no call is taken
  DirectForms forms_;
  DataType quantized_input_ = DataType::kU8;
  InputScaling scaling_ = InputScaling::kPerTensor;
  bool prepares_ = false;
  int tile_rows_ = 0;
  bool last_panel_ = false;  // there is one with kernels of its own
  int64_t full_panels_ = 0;
  int64_t groups_ = 0;
  const void* weights_ = nullptr;
  const void* columns_ = nullptr;
  bool checks_ = false;
  int64_t sum_bytes_ = 0;
  uint32_t largest_bounded_scale_ = 0;  // its bits
};

}  // namespace qforge

#endif  // QFORGE_OPS_LINEAR_DIRECT_H_
