// Memory that faults when it is overrun. AddressSanitizer does not see what emitted code loads and
// stores; the page table does.
#ifndef QFORGE_TEST_SUPPORT_GUARDED_BUFFER_H_
#define QFORGE_TEST_SUPPORT_GUARDED_BUFFER_H_

#include <cstddef>
#include <cstdint>
#include <utility>

#include "qforge/views.h"

namespace qforge::test {

// Which end of the data touches an unmapped page, to the byte.
enum class Guard : uint8_t { kBehind, kInFront };

inline Guard Opposite(Guard guard) {
  return guard == Guard::kBehind ? Guard::kInFront : Guard::kBehind;
}

// `size` bytes of fresh memory, each 0xFF (a NaN, 255, or -1), with an unmapped page at one end.
// The rest of the pages at the other end holds canaries. A size of 0 gives an address that must not
// be touched at all. Throws std::bad_alloc.
class GuardedBytes {
 public:
  GuardedBytes() = default;
  GuardedBytes(size_t size, Guard guard);
  GuardedBytes(GuardedBytes&& other) noexcept { Swap(other); }
  GuardedBytes& operator=(GuardedBytes&& other) noexcept {
    GuardedBytes(std::move(other)).Swap(*this);
    return *this;
  }
  ~GuardedBytes();

  std::byte* data() const { return data_; }
  size_t size() const { return size_; }

  // From here on a write faults, too.
  void Seal();
  // Whether nothing was written beyond the end that touches no unmapped page.
  bool CanariesIntact() const;

 private:
  void Swap(GuardedBytes& other) noexcept {
    std::swap(mapping_, other.mapping_);
    std::swap(mapped_, other.mapped_);
    std::swap(data_, other.data_);
    std::swap(size_, other.size_);
  }
  // The accessible pages.
  std::byte* PagesBegin() const;
  std::byte* PagesEnd() const;

  std::byte* mapping_ = nullptr;
  size_t mapped_ = 0;
  std::byte* data_ = nullptr;
  size_t size_ = 0;
};

// The same for elements of type T. Usable where a view of an array is expected.
template <class T>
class GuardedBuffer {
 public:
  GuardedBuffer() = default;
  GuardedBuffer(int64_t size, Guard guard)
      : bytes_(static_cast<size_t>(size) * sizeof(T), guard), size_(size) {}

  T* data() const { return reinterpret_cast<T*>(bytes_.data()); }
  int64_t size() const { return size_; }
  T* begin() const { return data(); }
  T* end() const { return data() + size_; }
  T& operator[](int64_t i) const { return data()[i]; }

  void Seal() { bytes_.Seal(); }
  bool CanariesIntact() const { return bytes_.CanariesIntact(); }

 private:
  GuardedBytes bytes_;
  int64_t size_ = 0;
};

}  // namespace qforge::test

#endif  // QFORGE_TEST_SUPPORT_GUARDED_BUFFER_H_
