// Small kernels, made by hand, whose results tell them apart.
#ifndef QFORGE_TEST_JIT_TEST_KERNELS_H_
#define QFORGE_TEST_JIT_TEST_KERNELS_H_

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "jit/kernel_cache.h"

namespace qforge::jit {

using AddFunction = int(int);

// int f(int x) { return x + addend; } after `padding` bytes of nop.
inline std::vector<uint8_t> AddBytes(int32_t addend, size_t padding = 0) {
  uint8_t code[] = {0x8D, 0x87, 0, 0, 0, 0, 0xC3};  // lea eax, [rdi + addend]; ret
  std::memcpy(code + 2, &addend, sizeof(addend));
  std::vector<uint8_t> bytes(padding + sizeof(code), 0x90);
  std::memcpy(bytes.data() + padding, code, sizeof(code));
  return bytes;
}

inline Result<const Kernel*> FindOrEmitAdd(const std::string& name, int32_t addend,
                                           size_t padding = 0) {
  return FindOrEmit(name, [&]() -> Result<CodeBytes> {
    return CodeBytes{name, AddBytes(addend, padding)};
  });
}

inline bool Adds(const void* entry, int32_t addend) {
  return reinterpret_cast<AddFunction*>(reinterpret_cast<uintptr_t>(entry))(1000) == 1000 + addend;
}

}  // namespace qforge::jit

#endif  // QFORGE_TEST_JIT_TEST_KERNELS_H_
