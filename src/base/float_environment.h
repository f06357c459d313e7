// Float arithmetic as qforge defines it, whatever the host program has set.
#ifndef QFORGE_BASE_FLOAT_ENVIRONMENT_H_
#define QFORGE_BASE_FLOAT_ENVIRONMENT_H_

#include "base/platform.h"

#if QFORGE_X86_64
#include <xmmintrin.h>
#else
#include <cfenv>
#endif

namespace qforge::base {

// While one of these lives, the calling thread rounds to nearest even, keeps denormals and traps on
// nothing. The destructor gives back what was found. Where the host has the default already, as
// nearly all have, it costs one stmxcsr and a compare, and the sticky exception flags that the work
// raises stay visible; otherwise they are restored with the rest.
//
// The compiler does not know that float arithmetic depends on this object: it may move arithmetic
// of the same function across it, and calls that it can see have no other effect (noinline does not
// stop it, tried). Construct it around calls that write memory: emitted kernels, loops over arrays.
class FloatEnvironment {
 public:
  FloatEnvironment(const FloatEnvironment&) = delete;
  FloatEnvironment& operator=(const FloatEnvironment&) = delete;

#if QFORGE_X86_64
  FloatEnvironment() noexcept : found_(_mm_getcsr()) {
    if (!IsDefault()) [[unlikely]] {
      _mm_setcsr(kDefault);
    }
  }
  ~FloatEnvironment() {
    if (!IsDefault()) [[unlikely]] {
      _mm_setcsr(found_);
    }
  }

 private:
  // Every exception masked, round to nearest even, neither flush-to-zero nor denormals-are-zero.
  static constexpr unsigned kDefault = 0x1F80;
  static constexpr unsigned kStickyFlags = 0x3F;

  bool IsDefault() const noexcept { return (found_ & ~kStickyFlags) == kDefault; }

  unsigned found_;
#else
  FloatEnvironment() noexcept {
    std::fegetenv(&found_);
    std::fesetenv(FE_DFL_ENV);
  }
  ~FloatEnvironment() { std::fesetenv(&found_); }

 private:
  std::fenv_t found_;
#endif
};

}  // namespace qforge::base

#endif  // QFORGE_BASE_FLOAT_ENVIRONMENT_H_
