// Everything about a float product that is fixed when its Linear is created.
#ifndef QFORGE_OPS_FLOAT_CORE_H_
#define QFORGE_OPS_FLOAT_CORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/float_gemm_kernel.h"
#include "ops/float_preparation.h"
#include "ops/float_row_check.h"
#include "pack/panel_layout.h"
#include "plan/partition.h"
#include "qforge/context.h"
#include "qforge/epilogue.h"
#include "qforge/linear.h"

namespace qforge {

// The kernels for one kind of panel, by rows - 1: one panel at a time, and where that leaves too
// few sums, `streams` of them side by side.
struct FloatKernelSet {
  int max_rows = 0;
  kernels::FloatGemmFunction* one[kernels::kMostFloatRows] = {};
  kernels::FloatGemmFunction* several[kernels::kMostFloatRows] = {};
  int streams[kernels::kMostFloatRows] = {};
  int64_t part_bytes = 0;  // of a panel's weights in a part of K, all of which have as many steps
};

// The two fields are the names of options.input and options.scaling, which Gemm has elsewhere.
Status CheckFloatOptions(const char* input_field, const char* scaling_field,
                         const LinearOptions& options) noexcept;

// Columns that the portable path takes for a panel.
inline constexpr int64_t kScalarFloatColumns = 64;

struct FloatCore {
  explicit FloatCore(const Context& context_in) : context(context_in) {}

  // Validates the epilogue, and resolves every kernel that a Run can need. CheckFloatOptions() has
  // accepted `options`. Throws std::bad_alloc.
  // `checked`, which is borrowed: the weights, if they may have row sums to check products against.
  static Result<FloatCore> Create(const Context& context, const pack::PanelLayout& layout,
                                  const Epilogue& epilogue, const LinearOptions& options,
                                  const pack::PackedMatrix* checked = nullptr);

  // A line each for the product and its kernels.
  std::string Describe() const;

  bool scalar() const { return layout.isa == Isa::kScalar; }
  bool odd_last_panel() const {
    return layout.tail_vectors != layout.vectors || layout.tail_lanes != 0;
  }
  int TileRows() const {
    if (scalar()) return 1;
    return full_panels.max_rows != 0 ? full_panels.max_rows : last_panel.max_rows;
  }
  // How plan/ sees the product of `rows` rows.
  plan::ProductShape ShapeOf(int64_t rows) const;
  // Of one k of A, and of as many as a step of the kernels takes.
  int64_t input_bytes() const { return kernel.dot ? 2 : 4; }
  int64_t step_input_bytes() const { return kernel.step_inputs() * input_bytes(); }

  Context context;
  pack::PanelLayout layout;
  LinearOptions options;
  Epilogue epilogue;        // for the portable path its bias views `bias`
  std::vector<float> bias;  // of padded_outputs() columns each product; not padded for kScalar

  // What all kernels of the operation have in common. prefetch_bytes is that of the tallest
  // tiles: that of others can differ, but is 0 for all of them or for none.
  kernels::FloatGemmKernel kernel;
  kernels::FloatEpilogueConstants constants{};
  int64_t part_steps = 0;  // of each part of K, and how many more the last one has
  int64_t rest_steps = 0;
  FloatKernelSet full_panels;
  FloatKernelSet last_panel;
  FloatPreparation preparation;
  FloatRowCheck check;
};

// Everything that changes per call. M comes from the input.
Status ValidateFloatRun(const FloatCore& core, const InputMatrix& input,
                        const InputQuantization& quantization, const OutputMatrix& output,
                        const InputMatrix& residual) noexcept;

// The arguments have been validated; `weights` is the packed matrix. Fails only where there is no
// memory for the workspace, and then has written nothing.
Status RunFloatLinear(const FloatCore& core, const std::byte* weights, const InputMatrix& input,
                      const OutputMatrix& output, const InputMatrix& residual) noexcept;

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_CORE_H_
