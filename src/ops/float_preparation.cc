#include "ops/float_preparation.h"

#include <algorithm>

#include "ops/array_functions.h"
#include "ops/half_rows.h"
#include "pack/transpose.h"

namespace qforge {

Result<FloatPreparation> FloatPreparation::Create(Isa isa, DataType from, DataType to,
                                                  bool transposed, int64_t columns) noexcept {
  FloatPreparation preparation;
  preparation.from_ = from;
  preparation.to_ = to;
  preparation.transposed_ = transposed;
  preparation.columns_ = columns;
  if (from == to) return preparation;
  const Result<kernels::ToF32Function*> to_f32 = GetToF32(isa, from);
  if (!to_f32.ok()) return to_f32.status();
  preparation.to_f32_ = *to_f32;
  return preparation;
}

void FloatPreparation::PrepareRows(const InputMatrix& input, int64_t begin, int64_t end,
                                   std::byte* to) const noexcept {
  if (to_f32_ != nullptr) {
    ConvertHalfRows(to_f32_, input, transposed_, columns_, begin, end,
                    reinterpret_cast<float*>(to));
  } else if (to_ == DataType::kF32) {
    TransposeRows(input, begin, end, reinterpret_cast<float*>(to));
  } else {
    TransposeRows(input, begin, end, reinterpret_cast<uint16_t*>(to));
  }
}

template <class T>
void FloatPreparation::TransposeRows(const InputMatrix& input, int64_t begin, int64_t end,
                                     T* to) const noexcept {
  if (columns_ == 0) return;  // the address may be null, and the stride any
  // Some rows at a time, whose lines stay in the first-level cache.
  constexpr int64_t kRows = 64;
  const T* const from = static_cast<const T*>(input.data);
  for (int64_t row = begin; row < end; row += kRows) {
    pack::Transpose(from + row, input.stride, columns_, std::min(kRows, end - row),
                    to + (row - begin) * columns_, columns_);
  }
}

const char* FloatPreparation::description() const {
  if (!needed()) return "none: A is read as it is";
  if (from_ == to_) return "transposed";
  return transposed_ ? "transposed, converted to f32" : "converted to f32";
}

}  // namespace qforge
