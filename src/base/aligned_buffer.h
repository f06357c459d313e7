// Aligned memory that reports failure instead of throwing.
#ifndef QFORGE_BASE_ALIGNED_BUFFER_H_
#define QFORGE_BASE_ALIGNED_BUFFER_H_

#include <cstddef>
#include <utility>

#include "qforge/status.h"

namespace qforge::base {

// Owns a block of memory that is not initialised. Move-only; a default-constructed or moved-from
// buffer is empty. Not synchronised: one thread changes it, or any number read it.
class AlignedBuffer {
 public:
  // The alignment of data(), in bytes: a cache line and the widest vector.
  static constexpr size_t kAlignment = 64;
  // From this size on, data() is aligned to it and the kernel is asked for huge pages: a matrix
  // that is streamed from memory otherwise spends its time in page walks.
  static constexpr size_t kHugePageBytes = size_t{2} << 20;

  AlignedBuffer() noexcept = default;
  AlignedBuffer(AlignedBuffer&& other) noexcept { Swap(other); }
  AlignedBuffer& operator=(AlignedBuffer&& other) noexcept {
    AlignedBuffer(std::move(other)).Swap(*this);
    return *this;
  }
  ~AlignedBuffer();

  // `bytes` == 0 gives an empty buffer. kResourceExhausted, with `field` as the field at fault,
  // when there is no such amount of memory. Thread-safe.
  static Result<AlignedBuffer> Allocate(size_t bytes, const char* field = "") noexcept;

  // nullptr when empty.
  std::byte* data() noexcept { return data_; }
  const std::byte* data() const noexcept { return data_; }
  // As was asked for.
  size_t size() const noexcept { return size_; }

  // The block as elements of a trivial type.
  template <class T>
  T* As() noexcept {
    return reinterpret_cast<T*>(data_);
  }
  template <class T>
  const T* As() const noexcept {
    return reinterpret_cast<const T*>(data_);
  }

 private:
  AlignedBuffer(std::byte* data, size_t size) noexcept : data_(data), size_(size) {}
  void Swap(AlignedBuffer& other) noexcept {
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }

  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace qforge::base

#endif  // QFORGE_BASE_ALIGNED_BUFFER_H_
