#include "support/allocation_counter.h"

#include <atomic>
#include <cstddef>

namespace {

std::atomic<int64_t> allocations{0};
std::atomic<int64_t> countdown{0};  // allocations until one fails; 0 and below: none will
std::atomic<bool> failed{false};
std::atomic<int64_t> live_blocks{0};
std::atomic<int64_t> mapped_bytes{0};

}  // namespace

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define QFORGE_TEST_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define QFORGE_TEST_SANITIZER 1
#endif
#endif

#ifdef QFORGE_TEST_SANITIZER

// Of every sanitizer's run-time library; not every compiler has its header.
extern "C" int __sanitizer_install_malloc_and_free_hooks(void (*malloc_hook)(const volatile void*,
                                                                             size_t),
                                                         void (*free_hook)(const volatile void*));

namespace {

[[maybe_unused]] const int installed = __sanitizer_install_malloc_and_free_hooks(
    [](const volatile void*, size_t) { ++allocations; }, [](const volatile void*) {});

}  // namespace

#else

#include <errno.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

namespace {

// Counts an allocation; true where it is the one to fail.
bool Fails() {
  ++allocations;
  if (countdown.load(std::memory_order_relaxed) <= 0 || --countdown != 0) return false;
  failed = true;
  errno = ENOMEM;
  return true;
}

void* Live(void* block) {
  if (block != nullptr) ++live_blocks;
  return block;
}

int64_t InPages(size_t length) {
  constexpr size_t kPage = 4096;
  return static_cast<int64_t>((length + kPage - 1) / kPage * kPage);
}

}  // namespace

// glibc's own entry points, which stay where they are when a program defines malloc.
extern "C" {
void* __libc_malloc(size_t size);
void* __libc_calloc(size_t count, size_t size);
void* __libc_realloc(void* block, size_t size);
void* __libc_memalign(size_t alignment, size_t size);
void __libc_free(void* block);

#pragma GCC visibility push(default)
void* malloc(size_t size) { return Fails() ? nullptr : Live(__libc_malloc(size)); }
void* calloc(size_t count, size_t size) {
  return Fails() ? nullptr : Live(__libc_calloc(count, size));
}
void* realloc(void* block, size_t size) {
  if (Fails()) return nullptr;
  void* const moved = __libc_realloc(block, size);
  if (block == nullptr) return Live(moved);
  if (moved == nullptr && size == 0) --live_blocks;  // glibc has freed it
  return moved;
}
void* memalign(size_t alignment, size_t size) {
  return Fails() ? nullptr : Live(__libc_memalign(alignment, size));
}
void* aligned_alloc(size_t alignment, size_t size) {
  return Fails() ? nullptr : Live(__libc_memalign(alignment, size));
}
int posix_memalign(void** block, size_t alignment, size_t size) {
  if (Fails()) return ENOMEM;
  *block = Live(__libc_memalign(alignment, size));
  return *block == nullptr ? ENOMEM : 0;
}
void free(void* block) {
  if (block == nullptr) return;
  --live_blocks;
  __libc_free(block);
}

void* mmap(void* address, size_t length, int protection, int flags, int descriptor, off_t offset) {
  if (Fails()) return MAP_FAILED;
  const long result = syscall(SYS_mmap, address, length, protection, flags, descriptor, offset);
  if (result != -1) mapped_bytes += InPages(length);
  return reinterpret_cast<void*>(result);
}
int munmap(void* address, size_t length) {
  const long result = syscall(SYS_munmap, address, length);
  if (result == 0) mapped_bytes -= InPages(length);
  return static_cast<int>(result);
}
#pragma GCC visibility pop
}

#endif

namespace qforge::test {

int64_t AllocationCount() { return allocations.load(); }

void FailAllocation(int64_t n) {
  failed = false;
  countdown = n;
}

bool AllocationFailed() { return failed; }

LiveMemory CountLiveMemory() { return {live_blocks, mapped_bytes}; }

}  // namespace qforge::test
