// The short way through a Run with float weights: see ops/linear_direct.h.
#ifndef QFORGE_OPS_FLOAT_DIRECT_H_
#define QFORGE_OPS_FLOAT_DIRECT_H_

#include <cstddef>
#include <cstdint>

#include "ops/direct_form.h"
#include "ops/float_core.h"
#include "qforge/linear.h"

namespace qforge {

// Everything that a Run of few rows needs, worked out when the operation is created: one task, one
// tile of rows (some, if weights are few), rows of A that are prepared, if at all, on the stack.
class FloatDirect {
 public:
  // Declines every call.
  FloatDirect() = default;
  // `core` and `weights` are borrowed. Declines every call if the operation is none for which the
  // direct way pays, or checks rows.
  FloatDirect(const FloatCore& core, const std::byte* weights);

  // Does all that ValidateFloatRun() and RunFloatLinear() would do and returns true; or declines,
  // which is false, and has done nothing: what is not small, and whatever is not plainly valid.
  bool Run(const InputMatrix& input, const InputQuantization& quantization,
           const OutputMatrix& output, const InputMatrix& residual) const noexcept;

 private:
  const FloatCore* core_ = nullptr;
  const std::byte* weights_ = nullptr;
  int64_t most_rows_ = 0;  // 0: no call is taken
  DirectForms forms_;
  bool prepares_ = false;
  bool last_panel_ = false;  // there is one with kernels of its own
  int64_t full_panels_ = 0;
};

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_DIRECT_H_
