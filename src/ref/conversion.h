// Conversions between f32 and 16-bit floats on plain arrays of `count` elements, as
// qforge/conversion.h defines them.
#ifndef QFORGE_REF_CONVERSION_H_
#define QFORGE_REF_CONVERSION_H_

#include <cstdint>

namespace qforge::ref {

// T is Half or BFloat16.
template <class T>
void ToF32(const T* input, int64_t count, float* output) noexcept;

// `clipped` is ConversionOptions::clip_to_finite.
template <class T>
void FromF32(const float* input, int64_t count, bool clipped, T* output) noexcept;

}  // namespace qforge::ref

#endif  // QFORGE_REF_CONVERSION_H_
