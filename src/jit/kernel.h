// Machine code before and after it is published.
#ifndef QFORGE_JIT_KERNEL_H_
#define QFORGE_JIT_KERNEL_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>
#include <vector>

namespace qforge::jit {

// What a generator hands over: position-independent machine code that is entered at its first byte.
struct CodeBytes {
  std::string name;  // of the descriptor that the bytes were emitted for
  std::vector<uint8_t> bytes;
  size_t instruction_bytes = 0;  // where instructions end and constants begin
};

// Published code. Immortal: neither the object nor the code is ever moved, changed or freed, so
// that operations may keep pointers to it, and other threads and forked children go on calling it.
class Kernel {
 public:
  // `emission_ns`: nanoseconds from the request to executable code, profilers not counted.
  Kernel(std::string name, const void* entry, size_t code_size, int64_t emission_ns) noexcept
      : name_(std::move(name)), entry_(entry), code_size_(code_size), emission_ns_(emission_ns) {}
  Kernel(const Kernel&) = delete;
  Kernel& operator=(const Kernel&) = delete;

  const std::string& name() const noexcept { return name_; }
  const void* entry() const noexcept { return entry_; }
  size_t code_size() const noexcept { return code_size_; }
  int64_t emission_ns() const noexcept { return emission_ns_; }

  // The entry as a pointer to the function type that the descriptor stands for, System V ABI.
  template <class Function>
  Function* As() const noexcept {
    static_assert(std::is_function_v<Function>, "As<void(const Arguments*)>(), not a pointer type");
    return reinterpret_cast<Function*>(reinterpret_cast<uintptr_t>(entry_));
  }

 private:
  std::string name_;
  const void* entry_;
  size_t code_size_;
  int64_t emission_ns_;
};

}  // namespace qforge::jit

#endif  // QFORGE_JIT_KERNEL_H_
