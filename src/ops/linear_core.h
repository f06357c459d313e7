// What Linear and Gemm share: everything that is fixed when an operation is created.
#ifndef QFORGE_OPS_LINEAR_CORE_H_
#define QFORGE_OPS_LINEAR_CORE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "kernels/gemm_kernel.h"
#include "ops/row_check.h"
#include "ops/row_preparation.h"
#include "pack/panel_layout.h"
#include "qforge/context.h"
#include "qforge/epilogue.h"
#include "qforge/linear.h"

namespace qforge {

// The kernels for one kind of panel, by rows - 1: for any values, and for values before conversion
// that are known to be below 2^31.
struct KernelSet {
  static constexpr int kMostRows = 12;
  int max_rows = 0;
  kernels::GemmFunction* any[kMostRows] = {};
  kernels::GemmFunction* bounded[kMostRows] = {};
};

// The two fields are the names of options.input and options.scaling, which Gemm has elsewhere.
Status CheckLinearOptions(const char* input_field, const char* scaling_field,
                          const LinearOptions& options) noexcept;

struct LinearCore {
  explicit LinearCore(const Context& context_in) : context(context_in) {}

  // Validates the epilogue as far as it does not depend on the weights' values, and resolves every
  // kernel that a Run can need. `checked`, which is borrowed: the weights, if they may have row
  // sums to check products against. `any_weight_zero_point`: whether weights may have zero-points
  // other than 0. CheckLinearOptions() has accepted `options`.
  static Result<LinearCore> Create(const Context& context, const pack::PanelLayout& layout,
                                   bool any_weight_zero_point, const Epilogue& epilogue,
                                   const LinearOptions& options,
                                   const pack::PackedMatrix* checked = nullptr);

  // Bytes of the column values of all products, and their making from the values of the weights
  // (products * outputs each). `zero_points` may be null.
  int64_t ColumnBytes() const;
  void FillColumns(const int32_t* sums, const float* scales, const int32_t* zero_points,
                   std::byte* columns) const;

  // Whether, with this scale of A and b_scale / y_scale up to `largest_multiplier`, no value before
  // conversion reaches 2^31.
  bool Bounded(float input_scale, float largest_multiplier) const;
  // The largest b_scale / y_scale.
  float LargestMultiplier(const float* scales) const;

  // The bias of a column, 0 without an s32 bias.
  int32_t BiasS32(int64_t column) const {
    return bias_s32.empty() ? 0 : bias_s32[static_cast<size_t>(column)];
  }

  // A line each for the product and its kernels.
  std::string Describe() const;

  bool scalar() const { return layout.isa == Isa::kScalar; }
  // Whole groups of k, as kernels count them.
  int64_t kernel_groups() const { return layout.k_groups - (kernel.k_tail != 0 ? 1 : 0); }
  // Whether the last panel of a product needs kernels of its own.
  bool odd_last_panel() const {
    return layout.tail_vectors != layout.vectors || layout.tail_lanes != 0;
  }

  Context context;
  pack::PanelLayout layout;
  LinearOptions options;
  int32_t activation_maximum = 255;  // as was promised of u8 input
  Epilogue epilogue;                 // its bias views the vectors below
  std::vector<int32_t> bias_s32;
  std::vector<float> bias_f32;
  bool weight_zero_points = false;

  kernels::GemmKernel kernel;  // what all kernels of the operation have in common
  kernels::EpilogueConstants constants{};
  KernelSet full_panels;
  KernelSet last_panel;
  RowPreparation preparation;
  RowCheck check;
  double largest_addend = 0.0;  // of float bias and residual, in units of y_scale
};

}  // namespace qforge

#endif  // QFORGE_OPS_LINEAR_CORE_H_
