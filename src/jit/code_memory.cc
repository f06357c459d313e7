#include "jit/code_memory.h"

#include "base/platform.h"
#if QFORGE_JIT

// Takes the default visibility off asmjit's declarations, so that what is defined here is hidden.
#ifndef ASMJIT_STATIC
#define ASMJIT_STATIC
#endif
#include <asmjit/core.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <new>

// asmjit changes its interface within major version 1. These lines hold all of it that differs, for
// what is used here, between 1.9 and 1.21: memory came as two pointers, then as a span, then names
// got another style.
namespace qforge::jit {
namespace {

struct DualMemory {
  void* executable = nullptr;
  void* writable = nullptr;
};

asmjit::Error Allocate(asmjit::JitAllocator& allocator, size_t size, DualMemory& memory) noexcept {
#if ASMJIT_LIBRARY_VERSION < 0x010B00  // 1.11
  return allocator.alloc(&memory.executable, &memory.writable, size);
#else
  asmjit::JitAllocator::Span span;
#if ASMJIT_LIBRARY_VERSION < 0x011200  // 1.18
  const asmjit::Error error = allocator.alloc(span, size);
#else
  const asmjit::Error error = allocator.alloc(asmjit::Out(span), size);
#endif
  memory = {span.rx(), span.rw()};
  return error;
#endif
}

}  // namespace
}  // namespace qforge::jit

#if ASMJIT_LIBRARY_VERSION < 0x011200
#define QFORGE_ASMJIT_ASSERTION_FAILED assertionFailed
#else
#define QFORGE_ASMJIT_ASSERTION_FAILED assertion_failure
#endif

// asmjit's own definition sits in an object file that also prints to stderr. Debian compiles its
// libasmjit.a without -fPIC, and that reference to stderr is the only thing in what JitAllocator
// needs that cannot go into a shared object. With this definition the linker leaves that object
// out, and nothing is printed. Here and not in a file of its own, because a file that nobody refers
// to would be left out of a static qforge, which may end up in a shared object of its user. Weak,
// so that a program which uses the rest of asmjit and so links both has no duplicate.
[[gnu::weak]] void asmjit::DebugUtils::QFORGE_ASMJIT_ASSERTION_FAILED(const char*, int,
                                                                      const char*) noexcept {
  std::abort();
}

namespace qforge::jit {
namespace {

// One byte that traps: what is executed by mistake behind a kernel's end stops there.
constexpr int kInt3 = 0xCC;

size_t RoundUp(size_t size, size_t multiple) { return (size + multiple - 1) / multiple * multiple; }

void WriteCode(void* to, const void* bytes, size_t size, size_t capacity) {
  std::memcpy(to, bytes, size);
  std::memset(static_cast<std::byte*>(to) + size, kInt3, capacity - size);
}

Status NoExecutableMemory(size_t size, const char* what, int error, const char* advice) {
  return Status::Error(StatusCode::kResourceExhausted, "",
                       "no executable memory for a kernel of %zu bytes: %s failed with error %d%s",
                       size, what, error, advice);
}

// Seen by users who have asked for this mode alone.
Status NoDualMapping(size_t size, const char* what, int error) {
  return NoExecutableMemory(size, what, error,
                            "; without QFORGE_CODE_MEMORY=dual other memory is tried");
}

Status NoPrivatePages(size_t size, const char* what, int error) {
  const bool forbidden = error == EPERM || error == EACCES;
  return NoExecutableMemory(size, what, error,
                            forbidden ? "; where it is not permitted, QFORGE_MAX_ISA=scalar, or "
                                        "max_isa of ContextOptions and PackedWeightsOptions, does "
                                        "without kernels"
                                      : "");
}

Result<const void*> PublishInPrivatePages(const void* bytes, size_t size) {
  const size_t capacity = RoundUp(size, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
  void* const pages =
      mmap(nullptr, capacity, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (pages == MAP_FAILED) return NoPrivatePages(size, "mmap", errno);
  WriteCode(pages, bytes, size, capacity);
  if (mprotect(pages, capacity, PROT_READ | PROT_EXEC) != 0) {
    const int error = errno;
    munmap(pages, capacity);
    return NoPrivatePages(size, "mprotect", error);
  }
  return static_cast<const void*>(pages);
}

}  // namespace

// Fills from blocks of 128 KiB that grow, so that many small kernels share a few pages.
class CodeMemory::DualMapping {
 public:
  // nullptr when there is no memory for it.
  static std::unique_ptr<DualMapping> Create() noexcept {
    std::unique_ptr<DualMapping> created(new (std::nothrow) DualMapping);
    // A JitAllocator that failed to allocate itself has parameters of 0 and never recovers.
    if (created != nullptr && created->allocator_.granularity() == 0) created = nullptr;
    return created;
  }

  Result<const void*> Publish(const void* bytes, size_t size) noexcept {
    // asmjit grows a memory file, and to grow a file beyond this limit is not an error but a signal
    // that ends the process.
    rlimit file_size;
    if (getrlimit(RLIMIT_FSIZE, &file_size) != 0 || file_size.rlim_cur != RLIM_INFINITY) {
      return NoDualMapping(size, "dual mapping under a file size limit", EFBIG);
    }
    DualMemory memory;
    const asmjit::Error error = Allocate(allocator_, size, memory);
    if (error != asmjit::kErrorOk) {
      return NoDualMapping(size, "asmjit's JitAllocator", static_cast<int>(error));
    }
    WriteCode(memory.writable, bytes, size, RoundUp(size, kCodeAlignment));
    return static_cast<const void*>(memory.executable);
  }

 private:
  // Not kFillUnusedMemory: it would touch every page of a block before it is needed.
  static constexpr asmjit::JitAllocator::CreateParams kParameters{
      .options = asmjit::JitAllocatorOptions::kUseDualMapping, .granularity = kCodeAlignment};

  DualMapping() noexcept : allocator_(&kParameters) {}

  asmjit::JitAllocator allocator_;
};

Result<CodeMemoryMode> ParseCodeMemoryMode(const char* value) noexcept {
  if (value == nullptr || *value == '\0') return CodeMemoryMode::kAutomatic;
  if (std::strcmp(value, "dual") == 0) return CodeMemoryMode::kDualMapping;
  if (std::strcmp(value, "private") == 0) return CodeMemoryMode::kPrivatePages;
  return Status::Error(StatusCode::kInvalidArgument, "QFORGE_CODE_MEMORY",
                       "\"%.64s\" is unknown; known are \"dual\" and \"private\"", value);
}

CodeMemory::CodeMemory(CodeMemoryMode mode) noexcept : mode_(mode) {}

CodeMemory::~CodeMemory() = default;

Result<const void*> CodeMemory::Publish(const void* bytes, size_t size) noexcept {
  if (size == 0 || size > kMaxCodeBytes) {
    return Status::Error(StatusCode::kOutOfRange, "",
                         "a kernel has %zu bytes of code; 1 to %zu are possible", size,
                         kMaxCodeBytes);
  }
  if (mode_ == CodeMemoryMode::kPrivatePages) return PublishInPrivatePages(bytes, size);

  if (dual_mapping_ == nullptr) dual_mapping_ = DualMapping::Create();
  Result<const void*> entry = dual_mapping_ == nullptr
                                  ? NoDualMapping(size, "making a JitAllocator", ENOMEM)
                                  : dual_mapping_->Publish(bytes, size);
  if (entry.ok() || mode_ == CodeMemoryMode::kDualMapping) return entry;
  // Not asked again: a system that forbids dual mapping goes on doing so, and where memory was
  // short private pages cost little more. What was published in the mapping stays there.
  mode_ = CodeMemoryMode::kPrivatePages;
  return PublishInPrivatePages(bytes, size);
}

}  // namespace qforge::jit

#endif  // QFORGE_JIT
