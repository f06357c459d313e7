// Executable memory that is never writable and executable through the same mapping.
#ifndef QFORGE_JIT_CODE_MEMORY_H_
#define QFORGE_JIT_CODE_MEMORY_H_

#include <cstddef>
#include <memory>

#include "qforge/status.h"

namespace qforge::jit {

enum class CodeMemoryMode {
  kAutomatic,    // kDualMapping, or kPrivatePages from the first time that the system refuses it
  kDualMapping,  // "dual": shared memory mapped twice, writable here and executable there; dense
  kPrivatePages  // "private": pages written, then made executable, and never written again
};

// The mode in quotes above; null and "" give kAutomatic. kInvalidArgument lists the known values.
Result<CodeMemoryMode> ParseCodeMemoryMode(const char* value) noexcept;

// The largest kernel. Real ones are a few KiB: anything near this is a generator that ran away.
inline constexpr size_t kMaxCodeBytes = size_t{16} << 20;

// Of every entry, in bytes: one cache line.
inline constexpr size_t kCodeAlignment = 64;

// Not thread-safe. Belongs to the process that made it: dual mappings are shared with forked
// children, so that a child which published through an inherited object would overwrite kernels of
// its parent. The owner (kernel_cache.cc) keeps both rules.
class CodeMemory {
 public:
  explicit CodeMemory(CodeMemoryMode mode) noexcept;
  // Unmaps dual-mapped code. Private pages stay for ever: an emulator that caches translated code
  // by address must never see different code at an address that it has seen before.
  ~CodeMemory();
  CodeMemory(const CodeMemory&) = delete;
  CodeMemory& operator=(const CodeMemory&) = delete;

  // Copies `size` bytes of position-independent code into executable memory. kOutOfRange for
  // a `size` of 0 or beyond kMaxCodeBytes, kResourceExhausted where the system gives no executable
  // memory; either leaves the object usable.
  Result<const void*> Publish(const void* bytes, size_t size) noexcept;

 private:
  class DualMapping;

  CodeMemoryMode mode_;
  std::unique_ptr<DualMapping> dual_mapping_;  // made when first needed
};

}  // namespace qforge::jit

#endif  // QFORGE_JIT_CODE_MEMORY_H_
