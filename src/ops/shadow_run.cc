#include <algorithm>
#include <cinttypes>
#include <cmath>
#include <new>
#include <vector>

#include "base/arithmetic.h"
#include "base/float_environment.h"
#include "kernels/float_types.h"
#include "ops/linear_core.h"
#include "ops/linear_run.h"
#include "ops/parallel.h"
#include "ops/validate.h"
#include "qforge/accuracy.h"
#include "qforge/quantization.h"
#include "ref/conversion.h"
#include "ref/float_layer.h"
#include "ref/float_linear.h"

namespace qforge {
namespace {

// `data`, of the type that the linear takes or gives, as a matrix without gaps.
template <class Matrix, class Data>
Matrix MatrixOf(DataType type, Data* data, int64_t rows, int64_t cols) {
  Matrix matrix;
  matrix.data = data;
  matrix.rows = rows;
  matrix.cols = cols;
  matrix.stride = cols;
  matrix.type = type;
  return matrix;
}

Status CheckActivation(const FloatLayer& layer) {
  if (layer.activation > Activation::kClamp) {
    return Status::Error(StatusCode::kInvalidArgument, "layer.activation",
                         "%d is none of kNone, kRelu and kClamp",
                         static_cast<int>(layer.activation));
  }
  if (layer.activation == Activation::kClamp && !(layer.clamp_min <= layer.clamp_max)) {
    return Status::Error(StatusCode::kInvalidArgument, "layer.clamp_min",
                         "%g is not <= clamp_max, %g", static_cast<double>(layer.clamp_min),
                         static_cast<double>(layer.clamp_max));
  }
  return Status();
}

// The float layer is one that the linear can have been made of.
Status CheckLayer(const FloatLayer& layer, const pack::PanelLayout& layout) {
  if (layer.layout != WeightsLayout::kInputsByOutputs &&
      layer.layout != WeightsLayout::kOutputsByInputs) {
    return Status::Error(StatusCode::kInvalidArgument, "layer.layout", "%d is no layout",
                         static_cast<int>(layer.layout));
  }
  if (layer.groups != layout.products) {
    return Status::Error(StatusCode::kInvalidArgument, "layer.groups",
                         "is %" PRId64 "; the linear has %" PRId64, layer.groups, layout.products);
  }
  const bool by_inputs = layer.layout == WeightsLayout::kInputsByOutputs;
  QFORGE_RETURN_IF_ERROR(CheckMatrix("layer.weights", InputMatrix(layer.weights), DataType::kF32,
                                     layer.groups * (by_inputs ? layout.inputs : layout.outputs),
                                     by_inputs ? layout.outputs : layout.inputs));
  const int64_t columns = layer.groups * layout.outputs;
  if (!layer.bias.empty() && layer.bias.size() != columns) {
    return Status::Error(StatusCode::kInvalidArgument, "layer.bias",
                         "has %" PRId64 " values; none or %" PRId64 " are possible",
                         layer.bias.size(), columns);
  }
  QFORGE_RETURN_IF_ERROR(
      CheckArray("layer.bias", layer.bias.data(), layer.bias.size(), DataType::kF32));
  return CheckActivation(layer);
}

Status CheckLinear(const LinearCore& core) {
  const char* what = nullptr;
  if (core.options.transposed_input) what = "has a transposed input";
  if (core.epilogue.output.type == DataType::kS32) what = "has s32 output";
  if (core.epilogue.residual.type != DataType::kNone) what = "has a residual";
  if (what == nullptr) return Status();
  return Status::Error(StatusCode::kUnsupported, "linear", "%s", what);
}

Status CheckInput(const LinearCore& core, const MatrixView<const float>& input,
                  const InputQuantization& quantization) {
  QFORGE_RETURN_IF_ERROR(CheckMatrix("input", InputMatrix(input), DataType::kF32, input.rows,
                                     core.layout.products * core.layout.inputs));
  // What Run() takes for each row; where K is 0 there may be any number of them.
  int64_t bytes;
  const int64_t columns = core.layout.products * core.layout.outputs;
  if (!base::CheckedMultiply<int64_t>(
          input.rows, columns * int64_t{sizeof(float)} + int64_t{sizeof(ErrorStatistics)},
          &bytes)) {
    return Status::Error(StatusCode::kOutOfRange, "input",
                         "%" PRId64 " rows of %" PRId64 " outputs are too many", input.rows,
                         columns);
  }
  return CheckQuantization(core, quantization, input.rows, /*quantizes=*/true);
}

// The input as a linear of 16-bit floats takes it.
template <class T>
void RoundInput(const MatrixView<const float>& input, T* rounded) {
  const base::FloatEnvironment environment;
  for (int64_t i = 0; i < input.rows; ++i) {
    ref::FromF32(input.data + i * input.stride, input.cols, /*clipped=*/false,
                 rounded + i * input.cols);
  }
}

// The input as a linear of bytes takes it.
Status QuantizeInput(const LinearCore& core, const MatrixView<const float>& input,
                     const InputQuantization& quantization, uint8_t* quantized) {
  const bool per_row = core.options.scaling == InputScaling::kPerRow;
  for (int64_t i = 0; i < input.rows; ++i) {
    const ArrayView<const float> from(input.data + i * input.stride, input.cols);
    uint8_t* const to = quantized + i * input.cols;
    QuantizationParameters parameters{quantization.scale, quantization.zero_point};
    if (per_row) parameters = {quantization.row_scales[i], quantization.row_zero_points[i]};
    if (core.options.input == DataType::kU8) {
      QFORGE_RETURN_IF_ERROR(Quantize(from, parameters, ArrayView<uint8_t>(to, input.cols)));
      const uint8_t most = static_cast<uint8_t>(core.activation_maximum);
      for (int64_t k = 0; k < input.cols; ++k) to[k] = std::min(to[k], most);
    } else {
      QFORGE_RETURN_IF_ERROR(
          Quantize(from, parameters, ArrayView<int8_t>(reinterpret_cast<int8_t*>(to), input.cols)));
    }
  }
  return Status();
}

// The input in `converted`, of the type that the linear takes, which is not f32.
Status ConvertInput(const LinearCore& core, const MatrixView<const float>& input,
                    const InputQuantization& quantization, std::vector<std::byte>* converted) {
  const DataType type = core.options.input;
  converted->resize(static_cast<size_t>(input.rows * input.cols * DataTypeSize(type)));
  switch (type) {
    case DataType::kF16:
      RoundInput(input, reinterpret_cast<Half*>(converted->data()));
      return Status();
    case DataType::kBF16:
      RoundInput(input, reinterpret_cast<BFloat16*>(converted->data()));
      return Status();
    default:
      return QuantizeInput(core, input, quantization,
                           reinterpret_cast<uint8_t*>(converted->data()));
  }
}

double RealOutput(const Output& output, const std::byte* data, int64_t index) {
  if (kernels::IsFloat(output.type)) {
    InputMatrix values;
    values.data = data;
    values.type = output.type;
    return static_cast<double>(ref::FloatElement(values, 0, index));
  }
  const int32_t q = output.type == DataType::kU8
                        ? static_cast<int32_t>(reinterpret_cast<const uint8_t*>(data)[index])
                        : static_cast<int32_t>(reinterpret_cast<const int8_t*>(data)[index]);
  return static_cast<double>(output.scale) * (q - output.zero_point);
}

Status Run(const Context& context, const FloatLayer& layer, const Linear& linear,
           MatrixView<const float> input, const InputQuantization& quantization,
           ErrorStatistics* statistics) {
  input.stride = UsedStride(input);
  const LinearCore& core = *linear.core();
  const int64_t columns = core.layout.products * core.layout.outputs;
  std::vector<std::byte> converted;
  InputMatrix linear_input(input);
  if (core.options.input != DataType::kF32) {
    QFORGE_RETURN_IF_ERROR(ConvertInput(core, input, quantization, &converted));
    linear_input = MatrixOf<InputMatrix, const void>(core.options.input, converted.data(),
                                                     input.rows, input.cols);
  }
  const Output& output = core.epilogue.output;
  const size_t cells = static_cast<size_t>(input.rows * columns);
  std::vector<std::byte> values(cells * static_cast<size_t>(DataTypeSize(output.type)));
  QFORGE_RETURN_IF_ERROR(
      linear.Run(linear_input, quantization,
                 MatrixOf<OutputMatrix, void>(output.type, values.data(), input.rows, columns)));

  // Rows are merged in their order, whichever thread had them.
  const int64_t tasks = std::min<int64_t>(context.thread_count(), std::max<int64_t>(input.rows, 1));
  std::vector<ErrorStatistics> of_rows(static_cast<size_t>(input.rows));
  std::vector<double> references(static_cast<size_t>(tasks * columns));
  ParallelFor(context.pool(), tasks, [&](int64_t task) {
    const base::FloatEnvironment environment;
    double* const reference = references.data() + task * columns;
    for (int64_t i = task; i < input.rows; i += tasks) {
      ref::FloatLayerRow(layer, core.layout.inputs, core.layout.outputs,
                         input.data + i * input.stride, reference);
      for (int64_t j = 0; j < columns; ++j) {
        of_rows[static_cast<size_t>(i)].Add(reference[j],
                                            RealOutput(output, values.data(), i * columns + j));
      }
    }
  });
  for (const ErrorStatistics& of_row : of_rows) statistics->Merge(of_row);
  return Status();
}

}  // namespace

Status ShadowRun(const Context& context, const FloatLayer& layer, const Linear& linear,
                 const MatrixView<const float>& input, const InputQuantization& quantization,
                 ErrorStatistics* statistics) noexcept {
  if (statistics == nullptr) {
    return Status::Error(StatusCode::kInvalidArgument, "statistics", "is null");
  }
  if (linear.core() == nullptr) {
    return Status::Error(StatusCode::kUnsupported, "linear",
                         "has float weights; a shadow run is for s8 weights");
  }
  const LinearCore& core = *linear.core();
  QFORGE_RETURN_IF_ERROR(CheckLinear(core));
  QFORGE_RETURN_IF_ERROR(CheckLayer(layer, core.layout));
  QFORGE_RETURN_IF_ERROR(CheckInput(core, input, quantization));
  try {
    return Run(context, layer, linear, input, quantization, statistics);
  } catch (const std::bad_alloc&) {
    return Status::Error(StatusCode::kResourceExhausted, "input",
                         "no memory for %" PRId64 " quantised rows", input.rows);
  }
}

}  // namespace qforge
