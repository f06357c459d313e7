// What happens to the 32-bit accumulators of a product before they are stored. An Epilogue is plain
// data; its members select the code that is emitted, fused behind the product in registers. The
// arithmetic is defined in qforge/types.h.
#ifndef QFORGE_EPILOGUE_H_
#define QFORGE_EPILOGUE_H_

#include <cstdint>

#include "qforge/export.h"
#include "qforge/types.h"
#include "qforge/views.h"

QFORGE_BEGIN_EXPORT
namespace qforge {

// One value per output channel: s32, added to the accumulators, or f32, in real units, added after
// scaling, each finite. Empty means none. Read when an operation is created, not kept.
class Bias {
 public:
  Bias() noexcept = default;
  Bias(ArrayView<const int32_t> values) noexcept
      : data_(values.data()), size_(values.size()), type_(DataType::kS32) {}
  Bias(ArrayView<const float> values) noexcept
      : data_(values.data()), size_(values.size()), type_(DataType::kF32) {}
  template <class Container, class Element = std::remove_pointer_t<
                                 decltype(std::declval<const Container&>().data())>>
  Bias(const Container& values) noexcept : Bias(ArrayView<const Element>(values)) {}

  const void* data() const noexcept { return data_; }
  int64_t size() const noexcept { return size_; }
  DataType type() const noexcept { return size_ == 0 ? DataType::kNone : type_; }

 private:
  const void* data_ = nullptr;
  int64_t size_ = 0;
  DataType type_ = DataType::kNone;
};

// A matrix of the output's shape that is added after scaling, given at each Run.
struct Residual {
  // kNone: no residual; else kF32, kF16 or kBF16, or for s8 weights kU8 or kS8
  DataType type = DataType::kNone;
  float scale = 1.0f;      // finite, > 0
  int32_t zero_point = 0;  // in the range of `type`; 0 for floats
};

enum class Activation : uint8_t {
  kNone,
  kRelu,
  kClamp,  // to [clamp_min, clamp_max], in real units
  // Float weights only:
  kGeluErf,   // x * Phi(x), Phi the normal distribution function
  kGeluTanh,  // x * (1 + tanh(sqrt(2 / pi) * (x + 0.044715 * x^3))) / 2
  kSigmoid,   // 1 / (1 + exp(-x))
  kSilu,      // x / (1 + exp(-x))
};

// The type of the result. Made from one of the structs below it.
struct Output {
  DataType type = DataType::kF32;
  float scale = 1.0f;       // u8 and s8: finite, > 0; else 1
  int32_t zero_point = 0;   // u8 and s8: in the range of the type; else 0
  bool accumulate = false;  // s32 only: add to what the matrix holds
};

struct OutputU8 {
  float scale = 1.0f;
  int32_t zero_point = 0;
  operator Output() const noexcept { return {DataType::kU8, scale, zero_point, false}; }
};
struct OutputS8 {
  float scale = 1.0f;
  int32_t zero_point = 0;
  operator Output() const noexcept { return {DataType::kS8, scale, zero_point, false}; }
};
// The exact accumulators; takes no scale, float bias, residual or clamp.
struct OutputS32 {
  bool accumulate = false;
  operator Output() const noexcept { return {DataType::kS32, 1.0f, 0, accumulate}; }
};
struct OutputF32 {
  operator Output() const noexcept { return {DataType::kF32, 1.0f, 0, false}; }
};
struct OutputF16 {
  operator Output() const noexcept { return {DataType::kF16, 1.0f, 0, false}; }
};
struct OutputBF16 {
  operator Output() const noexcept { return {DataType::kBF16, 1.0f, 0, false}; }
};

struct Epilogue {
  Bias bias;
  Residual residual;
  Activation activation = Activation::kNone;
  float clamp_min = 0.0f;  // kClamp: finite or infinite, not NaN, clamp_min <= clamp_max
  float clamp_max = 0.0f;
  Output output;
  // Float products only: factors of the product and of what the output matrix holds, finite. With a
  // beta of 0 the output is not read.
  float alpha = 1.0f;
  float beta = 0.0f;
};

}  // namespace qforge
QFORGE_END_EXPORT

#endif  // QFORGE_EPILOGUE_H_
