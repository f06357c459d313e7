#include "base/aligned_buffer.h"

#include <cstdint>
#include <cstdlib>

#include "base/arithmetic.h"

#if defined(__linux__)
#include <sys/mman.h>
#include <unistd.h>
#endif

namespace qforge::base {
namespace {

#if defined(__linux__)

size_t MappedBytes(size_t bytes) noexcept {
  // Whole pages, not whole huge pages: rounding a 2.1 MiB matrix to 4 MiB would make most of the
  // second huge page resident for nothing.
  return AlignUp(bytes, static_cast<size_t>(sysconf(_SC_PAGESIZE)));
}

// Mapped rather than taken from malloc, which would leave the huge-page advice on its heap after
// the block is freed, and would keep the memory.
void* AllocateLarge(size_t bytes) noexcept {
  const size_t wanted = MappedBytes(bytes);
  const size_t reserved = wanted + AlignedBuffer::kHugePageBytes;
  void* mapping =
      mmap(nullptr, reserved, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) return nullptr;
  char* begin = static_cast<char*>(mapping);
  const uintptr_t address = reinterpret_cast<uintptr_t>(mapping);
  const size_t head = AlignUp(address, uintptr_t{AlignedBuffer::kHugePageBytes}) - address;
  const size_t tail = reserved - head - wanted;
  if (head != 0) munmap(begin, head);
  if (tail != 0) munmap(begin + head + wanted, tail);
  // Advice: where the kernel has no huge pages to give, small ones do.
  madvise(begin + head, wanted, MADV_HUGEPAGE);
  return begin + head;
}

void FreeLarge(void* data, size_t bytes) noexcept { munmap(data, MappedBytes(bytes)); }

#else

void* AllocateLarge(size_t bytes) noexcept {
  return std::aligned_alloc(AlignedBuffer::kHugePageBytes,
                            AlignUp(bytes, AlignedBuffer::kHugePageBytes));
}

void FreeLarge(void* data, size_t /*bytes*/) noexcept { std::free(data); }

#endif

bool IsLarge(size_t bytes) noexcept { return bytes >= AlignedBuffer::kHugePageBytes; }

}  // namespace

Result<AlignedBuffer> AlignedBuffer::Allocate(size_t bytes, const char* field) noexcept {
  if (bytes == 0) return AlignedBuffer();
  void* data = nullptr;
  // No system gives half of the address space; below it the round-ups here cannot overflow.
  if (bytes < SIZE_MAX / 2) {
    data = IsLarge(bytes) ? AllocateLarge(bytes)
                          : std::aligned_alloc(kAlignment, AlignUp(bytes, kAlignment));
  }
  if (data == nullptr) {
    return Status::Error(StatusCode::kResourceExhausted, field, "cannot allocate %zu bytes", bytes);
  }
  return AlignedBuffer(static_cast<std::byte*>(data), bytes);
}

AlignedBuffer::~AlignedBuffer() {
  if (data_ == nullptr) return;
  if (IsLarge(size_)) {
    FreeLarge(data_, size_);
  } else {
    std::free(data_);
  }
}

}  // namespace qforge::base
