// C = epilogue(A x B) with B packed once: the linear layer of an inference engine.
#ifndef QFORGE_LINEAR_H_
#define QFORGE_LINEAR_H_

#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>

#include "qforge/context.h"
#include "qforge/epilogue.h"
#include "qforge/export.h"
#include "qforge/packed_weights.h"
#include "qforge/soft_errors.h"
#include "qforge/status.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

struct LinearCore;

// Where the scale and zero-point of A come from.
enum class InputScaling : uint8_t {
  kPerTensor,         // one pair, given at Run; for float input scales are at least 1.18e-38
  kPerRow,            // a pair per row, given at Run
  kDynamicPerTensor,  // float input: chosen from the range of all of A at each Run
  kDynamicPerRow,     // float input: chosen from the range of each row at each Run
};

struct LinearOptions {
  // For s8 weights kU8, kS8, or kF32, kF16 or kBF16; floats are quantised to u8 on the way in, x
  // being the activation as f32, which is exact:
  // q = round_half_even(clamp(x * (1 / scale), -zero_point, 255 - zero_point)) + zero_point.
  // For float weights kF32, kF16 or kBF16, whatever the weights' type. kNone: kU8 or kF32.
  DataType input = DataType::kNone;
  InputScaling scaling = InputScaling::kPerTensor;
  // A is given as (G*K) x M.
  bool transposed_input = false;
  // What follows where a row does not pass its check, see qforge/soft_errors.h; for weights packed
  // with soft_error_check. kRecompute is not for outputs that are accumulated into, that are the
  // residual too, or that go to a tile callback.
  SoftErrorOptions soft_errors = {};
};

// The parameters of A: one pair, or arrays of one per row. Zero-points lie in the range of the
// quantised type (u8 for float input), scales are finite and > 0. With dynamic scaling: left empty.
struct InputQuantization {
  InputQuantization() noexcept = default;
  InputQuantization(float scale_in, int32_t zero_point_in) noexcept
      : scale(scale_in), zero_point(zero_point_in) {}
  InputQuantization(ArrayView<const float> scales, ArrayView<const int32_t> zero_points) noexcept
      : row_scales(scales), row_zero_points(zero_points) {}

  float scale = 1.0f;
  int32_t zero_point = 0;
  ArrayView<const float> row_scales;         // kPerRow: M values
  ArrayView<const int32_t> row_zero_points;  // kPerRow: M values
};

struct RunArguments {
  // M x (G*N), of Epilogue::residual's type; may be the output matrix itself.
  InputMatrix residual;
};

// A block of exact accumulators that is handed to a tile callback:
// data[i * stride + j] = acc[row + i][column + j], for i < rows and j < columns.
struct AccumulatorTile {
  const int32_t* data;
  int64_t stride;
  int64_t row;
  int64_t column;
  int64_t rows;
  int64_t columns;
};

// Creation validates everything, chooses and emits the kernels; Run validates what changes per
// call. Immutable: any number of threads may Run one Linear at the same time. Run takes no lock
// and, once a thread has run a call of the size, allocates nothing, besides what the pool does.
class Linear {
 public:
  static Result<Linear> Create(const Context& context, const PackedWeights& weights,
                               const Epilogue& epilogue,
                               const LinearOptions& options = {}) noexcept;

  // `input` is M x (G*K), or (G*K) x M if transposed; `output` is M x (G*N), of the epilogue's
  // output type, and must not overlap the input. Any M >= 0. On an error nothing is written, but
  // for kDataCorrupted from a check: then everything is, wrong or not.
  Status Run(const InputMatrix& input, const InputQuantization& quantization,
             const OutputMatrix& output, const RunArguments& arguments = {}) const noexcept;
  // The same for float weights, and for dynamic scaling: nothing is to be said of A's quantisation.
  Status Run(const InputMatrix& input, const OutputMatrix& output,
             const RunArguments& arguments = {}) const noexcept {
    return Run(input, InputQuantization(), output, arguments);
  }

  // Hands the accumulators, zero-point corrections and s32 bias included, to
  // callback(const AccumulatorTile&) instead of storing them; for epilogues that Epilogue does not
  // cover. The Linear must have been created with OutputS32{}. Tiles cover the result once, in any
  // order, from several threads at once if the context has them; the callback must not throw. Where
  // rows are checked, it gets their tiles before: kDataCorrupted says that some were wrong.
  template <class Callback>
  Status RunTiles(const InputMatrix& input, const InputQuantization& quantization,
                  Callback&& callback) const noexcept {
    using Function = std::remove_reference_t<Callback>;
    const auto call = [](void* function, const AccumulatorTile& tile) noexcept {
      (*static_cast<Function*>(function))(tile);
    };
    return RunTiles(input, quantization, +call,
                    const_cast<void*>(static_cast<const void*>(&callback)));
  }
  using TileFunction = void (*)(void* argument, const AccumulatorTile& tile) noexcept;
  Status RunTiles(const InputMatrix& input, const InputQuantization& quantization,
                  TileFunction function, void* argument) const noexcept;

  // What was chosen and why: ISA, algorithm, tile, kernels. Empty when memory runs out.
  std::string Describe() const noexcept;

  // For the library's own operations; null for float weights.
  const LinearCore* core() const noexcept;

 private:
  struct State;
  explicit Linear(std::shared_ptr<const State> state) noexcept : state_(std::move(state)) {}
  std::shared_ptr<const State> state_;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_LINEAR_H_
