#include <cinttypes>

#include "kernels/float_types.h"
#include "ops/linear_run.h"
#include "ops/validate.h"

namespace qforge {
namespace {

// Floats are quantised by multiplication with 1 / scale.
Status CheckInvertible(const char* field, float scale) {
  if (IsInvertible(scale)) return Status();
  return Status::Error(StatusCode::kOutOfRange, field,
                       "%g is below 1.18e-38: its inverse, by which floats are quantised, "
                       "overflows",
                       static_cast<double>(scale));
}

}  // namespace

Status CheckQuantization(const LinearCore& core, const InputQuantization& quantization,
                         int64_t rows, bool quantizes) noexcept {
  const DataType type = core.options.input == DataType::kS8 ? DataType::kS8 : DataType::kU8;
  const int64_t scales = quantization.row_scales.size();
  const int64_t zero_points = quantization.row_zero_points.size();
  if (core.options.scaling == InputScaling::kPerRow) {
    if (scales != rows) {
      return Status::Error(StatusCode::kInvalidArgument, "quantization.row_scales",
                           "%" PRId64 " values for %" PRId64 " rows", scales, rows);
    }
    if (zero_points != rows) {
      return Status::Error(StatusCode::kInvalidArgument, "quantization.row_zero_points",
                           "%" PRId64 " values for %" PRId64 " rows", zero_points, rows);
    }
    QFORGE_RETURN_IF_ERROR(CheckScales("quantization.row_scales", quantization.row_scales));
    for (int64_t row = 0; row < rows && quantizes; ++row) {
      QFORGE_RETURN_IF_ERROR(
          CheckInvertible("quantization.row_scales", quantization.row_scales[row]));
    }
    return CheckZeroPoints("quantization.row_zero_points", quantization.row_zero_points, type);
  }
  if (scales != 0 || zero_points != 0) {
    const char* field = scales != 0 ? "quantization.row_scales" : "quantization.row_zero_points";
    return Status::Error(StatusCode::kInvalidArgument, field,
                         "given, but the operation was not created with InputScaling::kPerRow");
  }
  if (core.preparation.dynamic()) return Status();
  QFORGE_RETURN_IF_ERROR(CheckScale("quantization.scale", quantization.scale));
  if (quantizes) QFORGE_RETURN_IF_ERROR(CheckInvertible("quantization.scale", quantization.scale));
  return CheckZeroPoint("quantization.zero_point", quantization.zero_point, type);
}

Status ValidateRun(const LinearCore& core, const RunRequest& request) noexcept {
  const bool transposed = core.options.transposed_input;
  const int64_t inputs = core.layout.products * core.layout.inputs;
  const int64_t outputs = core.layout.products * core.layout.outputs;
  const InputMatrix& input = request.input;
  const int64_t rows = transposed ? input.cols : input.rows;
  QFORGE_RETURN_IF_ERROR(CheckMatrix("input", input, core.options.input, transposed ? inputs : rows,
                                     transposed ? rows : inputs));
  QFORGE_RETURN_IF_ERROR(
      CheckQuantization(core, request.quantization, rows, kernels::IsFloat(core.options.input)));
  if (request.sink.function != nullptr) return Status();

  QFORGE_RETURN_IF_ERROR(
      CheckOutputs(core.epilogue, input, request.output, request.residual, rows, outputs));
  return core.check.CheckResidual(request.residual, request.output);
}

}  // namespace qforge
