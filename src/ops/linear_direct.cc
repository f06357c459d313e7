#include "ops/linear_direct.h"

#include <algorithm>
#include <bit>
#include <limits>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "kernels/float_types.h"
#include "ops/validate.h"
#include "plan/partition.h"
#include "plan/row_tiles.h"

namespace qforge {
namespace {

// The bits of the largest scale of A that is LinearCore::Bounded(), 0 if none is. What is bounded
// stays so with a smaller scale, and floats > 0 are ordered as their bits are.
uint32_t LargestBoundedScale(const LinearCore& core, float largest_multiplier) {
  uint32_t bounded = 0;
  uint32_t unbounded = std::bit_cast<uint32_t>(std::numeric_limits<float>::infinity());
  while (unbounded - bounded > 1) {
    const uint32_t middle = bounded + (unbounded - bounded) / 2;
    (core.Bounded(std::bit_cast<float>(middle), largest_multiplier) ? bounded : unbounded) = middle;
  }
  return bounded;
}

int64_t MostRows(const LinearCore& core) {
  const RowPreparation& preparation = core.preparation;
  const bool small = core.layout.products == 1 && core.layout.panels > 0 && !core.kernel.prefetch;
  if (core.scalar() || !small || core.options.transposed_input ||
      core.options.scaling == InputScaling::kDynamicPerTensor || core.kernel.injects) {
    return 0;
  }
  int64_t most = core.layout.bytes() <= kFewDirectWeightBytes ? kMostDirectRows : TileRows(core);
  if (preparation.copies()) {
    const int64_t room = std::max<int64_t>(0, kDirectPreparedBytes - preparation.scratch_bytes());
    most = std::min(most, room / std::max<int64_t>(1, preparation.row_bytes()));
  }
  // Others may run on the pool what is worth it.
  const auto one_task = [&](int64_t rows) {
    const plan::ProductShape shape = ShapeOf(core, rows);
    return plan::ChooseGrid(shape, TileRows(core), core.context.thread_count()).tasks() == 1;
  };
  while (most > 0 && !one_task(most)) --most;
  return most;
}

}  // namespace

LinearDirect::LinearDirect(const LinearCore& core, const RunWeights& weights)
    : core_(&core), run_weights_(&weights), most_rows_(MostRows(core)) {
  if (most_rows_ == 0) return;
  const pack::PanelLayout& layout = core.layout;
  forms_.input = DirectForm(core.options.input, layout.inputs);
  forms_.output = DirectForm(core.epilogue.output.type, layout.outputs);
  forms_.residual = DirectForm(core.epilogue.residual.type, layout.outputs);
  forms_.residual_in_output = !core.check.recomputes();
  if (core.options.input == DataType::kS8) quantized_input_ = DataType::kS8;
  scaling_ = core.options.scaling;
  prepares_ = core.preparation.needed();
  tile_rows_ = TileRows(core);
  last_panel_ = core.odd_last_panel();
  full_panels_ = layout.panels - (last_panel_ ? 1 : 0);
  groups_ = core.kernel_groups();
  weights_ = weights.data;
  columns_ = weights.columns;
  checks_ = core.check.active();
  sum_bytes_ = core.check.sum_bytes();
  largest_bounded_scale_ = LargestBoundedScale(core, weights.largest_multiplier);
}

bool LinearDirect::PlainlyValid(int64_t rows, const InputQuantization& quantization) const {
  const int64_t given = scaling_ == InputScaling::kPerRow ? rows : 0;
  if (quantization.row_scales.size() != given || quantization.row_zero_points.size() != given) {
    return false;
  }
  const bool is_float = kernels::IsFloat(forms_.input.type);
  const auto valid = [&](float scale, int32_t zero_point) {
    return IsScale(scale) && (!is_float || IsInvertible(scale)) &&
           IsZeroPoint(zero_point, quantized_input_);
  };
  switch (scaling_) {
    case InputScaling::kPerTensor:
      return valid(quantization.scale, quantization.zero_point);
    case InputScaling::kPerRow: {
      const float* scales = quantization.row_scales.data();
      const int32_t* zero_points = quantization.row_zero_points.data();
      if (scales == nullptr || zero_points == nullptr ||
          !base::IsAligned(scales, sizeof(*scales)) ||
          !base::IsAligned(zero_points, sizeof(*zero_points))) {
        return false;
      }
      for (int64_t row = 0; row < rows; ++row) {
        if (!valid(scales[row], zero_points[row])) return false;
      }
      return true;
    }
    default:
      return true;  // found from the values
  }
}

// A call of its own would cost 2 ns of 18.
[[gnu::always_inline]] inline void LinearDirect::MultiplyTiles(const Rows& a, int64_t row,
                                                               int64_t tiles, int height,
                                                               bool bounded,
                                                               const OutputMatrix& output,
                                                               const InputMatrix& residual) const {
  const int64_t parameters = core_->kernel.per_row ? row : 0;
  kernels::GemmArguments arguments;
  arguments.input = a.data + row * a.stride;
  arguments.input_stride = a.stride;
  arguments.weights = weights_;
  arguments.weights_stride = core_->layout.panel_bytes;
  arguments.groups = groups_;
  arguments.output_stride = output.stride * forms_.output.element_bytes;
  arguments.output = static_cast<std::byte*>(output.data) + row * arguments.output_stride;
  arguments.columns = columns_;
  arguments.input_scale = a.scales + parameters;
  arguments.input_zero_point = a.zero_points + parameters;
  arguments.row_terms = a.terms + row;
  arguments.residual = nullptr;
  arguments.residual_stride = residual.stride * forms_.residual.element_bytes;
  if (forms_.residual.type != DataType::kNone) {
    arguments.residual =
        static_cast<const std::byte*>(residual.data) + row * arguments.residual_stride;
  }
  arguments.constants = &core_->constants;
  arguments.tiles = tiles;
  arguments.row_sums = reinterpret_cast<int32_t*>(a.sums + row * sum_bytes_);
  const auto call = [&](const KernelSet& kernels, int64_t panels) {
    arguments.panels = panels;
    (bounded ? kernels.bounded : kernels.any)[height - 1](&arguments);
  };
  if (full_panels_ != 0) call(core_->full_panels, full_panels_);
  // The kernel has left the arguments pointing behind the full panels.
  if (last_panel_) call(core_->last_panel, 1);
}

bool LinearDirect::Run(const InputMatrix& input, const InputQuantization& quantization,
                       const OutputMatrix& output, const InputMatrix& residual,
                       Status* outcome) const noexcept {
  const int64_t rows = input.rows;
  if (rows < 1 || rows > most_rows_) return false;
  if (!forms_.Fit(rows, input, output, residual) || !PlainlyValid(rows, quantization)) return false;

  const base::FloatEnvironment environment;
  const RowPreparation& preparation = core_->preparation;
  const int32_t zero_point = preparation.KernelZeroPoint(quantization.zero_point);
  Rows a;
  a.data = static_cast<const std::byte*>(input.data);
  a.stride = input.stride * forms_.input.element_bytes;
  if (scaling_ == InputScaling::kPerRow) {
    a.scales = quantization.row_scales.data();
    a.zero_points = quantization.row_zero_points.data();
  } else {
    a.scales = &quantization.scale;
    a.zero_points = &zero_point;
  }

  alignas(64) std::byte prepared[kDirectPreparedBytes];
  float scales[kMostDirectRows];
  int32_t zero_points[kMostDirectRows];
  int32_t row_terms[kMostDirectRows];
  a.terms = row_terms;
  alignas(64) std::byte sums[kMostDirectRows * 64];
  a.sums = sums;
  if (checks_) std::fill_n(sums, rows * sum_bytes_, std::byte{0});
  if (prepares_) {
    RowPreparation::Target target;
    target.rows = prepared;
    target.scales = scales;
    target.zero_points = zero_points;
    target.row_terms = row_terms;
    target.scratch = prepared + kDirectPreparedBytes - preparation.scratch_bytes();
    preparation.PrepareRows(input, quantization, 0, rows, 0, target);
    if (preparation.copies()) {
      a.data = prepared;
      a.stride = preparation.row_bytes();
    }
    if (preparation.parameters_per_row()) {
      a.scales = scales;
      a.zero_points = zero_points;
    }
  }

  const bool bounded = std::bit_cast<uint32_t>(quantization.scale) <= largest_bounded_scale_;
  const plan::RowTiles split = plan::SplitRows(rows, tile_rows_);
  int64_t row = 0;
  if (split.taller != 0) [[unlikely]] {
    MultiplyTiles(a, 0, split.taller, split.height + 1, bounded, output, residual);
    row = split.taller * (split.height + 1);
  }
  MultiplyTiles(a, row, split.others, split.height, bounded, output, residual);
  if (!checks_) return true;
  RowCheck::Rows checked;
  checked.input = a.data;
  checked.input_stride = a.stride;
  checked.rows = rows;
  checked.sums = sums;
  checked.input_zero_point = core_->kernel.per_row ? 0 : *a.zero_points;
  core_->check.CountChecked(rows, 0);
  if (!core_->check.Passes(checked)) [[unlikely]] {
    *outcome = Respond(checked, input, quantization, output, residual);
  }
  return true;
}

Status LinearDirect::Respond(const RowCheck::Rows& checked, const InputMatrix& input,
                             const InputQuantization& quantization, const OutputMatrix& output,
                             const InputMatrix& residual) const noexcept {
  const RowCheck& check = core_->check;
  FailedRows failed;
  for (int64_t row = 0; row < checked.rows; ++row) {
    if (check.Passes(checked.Row(row, sum_bytes_))) continue;
    check.Respond(row, &failed, [&] {
      const auto row_of = [row](auto matrix) {
        if (matrix.data == nullptr) return matrix;
        matrix.data = reinterpret_cast<decltype(matrix.data)>(
            reinterpret_cast<uintptr_t>(matrix.data) +
            static_cast<uintptr_t>(row * matrix.stride * DataTypeSize(matrix.type)));
        matrix.rows = 1;
        return matrix;
      };
      const InputMatrix input_row = row_of(input);
      const InputMatrix residual_row = row_of(residual);
      const OutputMatrix output_row = row_of(output);
      InputQuantization row_quantization = quantization;
      if (scaling_ == InputScaling::kPerRow) {
        row_quantization.row_scales = {quantization.row_scales.data() + row, 1};
        row_quantization.row_zero_points = {quantization.row_zero_points.data() + row, 1};
      }
      const TileSink no_sink;
      const RunRequest request{input_row, row_quantization, output_row, residual_row, no_sink};
      const Status again = RunLinearAgain(*core_, *run_weights_, request);
      if (again.ok()) return SoftErrorOutcome::kCorrected;
      return again.code() == StatusCode::kDataCorrupted ? SoftErrorOutcome::kPersistent
                                                        : SoftErrorOutcome::kFailed;
    });
  }
  return check.OutcomeOf(failed);
}

}  // namespace qforge
