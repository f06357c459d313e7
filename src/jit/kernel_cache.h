// All kernels of the process, by name. The one door from emitted bytes to code that can be called.
#ifndef QFORGE_JIT_KERNEL_CACHE_H_
#define QFORGE_JIT_KERNEL_CACHE_H_

#include <memory>
#include <string>
#include <type_traits>
#include <vector>

#include "jit/kernel.h"
#include "qforge/status.h"

namespace qforge::jit {

namespace internal {
using EmitFunction = Result<CodeBytes>(const void* emitter);
Result<const Kernel*> FindOrEmit(const std::string& name, EmitFunction* emit,
                                 const void* emitter) noexcept;
}  // namespace internal

// The kernel called `name`, which must hold everything that changes the bytes, the ISA included.
// Where there is none yet, `emitter()` makes it: a callable without arguments that returns
// Result<CodeBytes> with that same name. Errors of the emitter, whatever it throws, and a lack of
// memory come back as a Status and are not remembered: the next request tries again.
//
// Thread-safe; finding takes no lock. Threads that ask for one new name at the same time may each
// emit it, but one kernel is published and all get that one. A forked child finds what its parent
// had published before the fork, and publishes on its own after it.
//
// The environment variable QFORGE_CODE_MEMORY (code_memory.h) and those of profilers.h are read
// when a process publishes its first kernel.
template <class Emitter>
Result<const Kernel*> FindOrEmit(const std::string& name, const Emitter& emitter) noexcept {
  static_assert(std::is_invocable_r_v<Result<CodeBytes>, const Emitter&>);
  return internal::FindOrEmit(
      name,
      [](const void* object) -> Result<CodeBytes> {
        return (*static_cast<const Emitter*>(object))();
      },
      std::addressof(emitter));
}

// Everything published so far, sorted by name. Thread-safe; may throw std::bad_alloc.
std::vector<const Kernel*> PublishedKernels();

}  // namespace qforge::jit

#endif  // QFORGE_JIT_KERNEL_CACHE_H_
