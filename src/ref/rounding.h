// The last step of every conversion to u8 and s8.
#ifndef QFORGE_REF_ROUNDING_H_
#define QFORGE_REF_ROUNDING_H_

#include <cmath>
#include <cstdint>

namespace qforge::ref {

// The two operands are not symmetric: NaN in `value` gives `bound`, and so does a zero of the other
// sign. This is what maxps and minps do.
inline float Max(float value, float bound) noexcept { return value > bound ? value : bound; }
inline float Min(float value, float bound) noexcept { return value < bound ? value : bound; }

// round_half_even(clamp(r, lo - zero_point, hi - zero_point)) + zero_point; NaN gives lo.
inline int32_t RoundToType(float r, int32_t zero_point, int32_t lo, int32_t hi) noexcept {
  r = Max(r, static_cast<float>(lo - zero_point));
  r = Min(r, static_cast<float>(hi - zero_point));
  return static_cast<int32_t>(std::nearbyint(r)) + zero_point;
}

}  // namespace qforge::ref

#endif  // QFORGE_REF_ROUNDING_H_
