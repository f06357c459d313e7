// Bytes that nobody changes any more, wherever they are.
#ifndef QFORGE_BASE_CONSTANT_BYTES_H_
#define QFORGE_BASE_CONSTANT_BYTES_H_

#include <cstddef>
#include <memory>
#include <utility>

#include "base/aligned_buffer.h"

namespace qforge::base {

// A block that it owns, or one that something else keeps: a mapping, of which it holds a share, or
// the caller. Move-only. Any number of threads may read.
class ConstantBytes {
 public:
  ConstantBytes() noexcept = default;
  ConstantBytes(AlignedBuffer buffer) noexcept  // NOLINT: a filled buffer becomes one
      : buffer_(std::move(buffer)), data_(buffer_.data()), size_(buffer_.size()) {}
  // `keeper` may be null where the caller answers for the bytes.
  ConstantBytes(const std::byte* data, size_t size, std::shared_ptr<const void> keeper) noexcept
      : keeper_(std::move(keeper)), data_(data), size_(size) {}
  ConstantBytes(ConstantBytes&&) noexcept = default;
  ConstantBytes& operator=(ConstantBytes&&) noexcept = default;

  const std::byte* data() const noexcept { return data_; }
  size_t size() const noexcept { return size_; }
  template <class T>
  const T* As() const noexcept {
    return reinterpret_cast<const T*>(data_);
  }

  // What is behind the first `count` <= size() bytes; those stay where they are, out of sight.
  ConstantBytes Behind(size_t count) && noexcept {
    data_ += count;
    size_ -= count;
    return std::move(*this);
  }

 private:
  AlignedBuffer buffer_;
  std::shared_ptr<const void> keeper_;
  const std::byte* data_ = nullptr;
  size_t size_ = 0;
};

}  // namespace qforge::base

#endif  // QFORGE_BASE_CONSTANT_BYTES_H_
