// Brings rows of A into the form that float kernels read, where that is not the caller's own:
// 16-bit activations, and transposed ones.
#ifndef QFORGE_OPS_FLOAT_PREPARATION_H_
#define QFORGE_OPS_FLOAT_PREPARATION_H_

#include <cstddef>
#include <cstdint>

#include "kernels/array_kernels.h"
#include "qforge/isa.h"
#include "qforge/status.h"
#include "qforge/types.h"
#include "qforge/views.h"

namespace qforge {

class FloatPreparation {
 public:
  FloatPreparation() = default;
  // `columns` of A, of type `from`, become rows of type `to`: f32, or as they are.
  static Result<FloatPreparation> Create(Isa isa, DataType from, DataType to, bool transposed,
                                         int64_t columns) noexcept;

  // Whether kernels read prepared rows; else they read the caller's.
  bool needed() const { return transposed_ || from_ != to_; }
  int64_t row_bytes() const { return columns_ * DataTypeSize(to_); }

  // Prepares rows [begin, end) of A; `to` is where row `begin` goes. Only if needed().
  void PrepareRows(const InputMatrix& input, int64_t begin, int64_t end,
                   std::byte* to) const noexcept;

  const char* description() const;

 private:
  template <class T>
  void TransposeRows(const InputMatrix& input, int64_t begin, int64_t end, T* to) const noexcept;

  DataType from_ = DataType::kF32;
  DataType to_ = DataType::kF32;
  bool transposed_ = false;
  int64_t columns_ = 0;
  kernels::ToF32Function* to_f32_ = nullptr;  // if the types differ
};

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_PREPARATION_H_
