// Brings rows of A into the form that float kernels read, where that is not the caller's own:
// 16-bit activations, and transposed ones.
#ifndef QFORGE_OPS_FLOAT_PREPARATION_H_
#define QFORGE_OPS_FLOAT_PREPARATION_H_

#include <cstddef>
#include <cstdint>

#include "qforge/types.h"
#include "qforge/views.h"

namespace qforge {

class FloatPreparation {
 public:
  FloatPreparation() = default;
  // `columns` of A, of type `from`, become rows of type `to`: f32, or as they are.
  FloatPreparation(DataType from, DataType to, bool transposed, int64_t columns)
      : from_(from), to_(to), transposed_(transposed), columns_(columns) {}

  // Whether kernels read prepared rows; else they read the caller's.
  bool needed() const { return transposed_ || from_ != to_; }
  int64_t row_bytes() const { return columns_ * DataTypeSize(to_); }

  // Prepares rows [begin, end) of A; `to` is where row `begin` goes.
  void PrepareRows(const InputMatrix& input, int64_t begin, int64_t end,
                   std::byte* to) const noexcept;

  const char* description() const;

 private:
  DataType from_ = DataType::kF32;
  DataType to_ = DataType::kF32;
  bool transposed_ = false;
  int64_t columns_ = 0;
};

}  // namespace qforge

#endif  // QFORGE_OPS_FLOAT_PREPARATION_H_
