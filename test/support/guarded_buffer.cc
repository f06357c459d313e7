#include "support/guarded_buffer.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace qforge::test {
namespace {

constexpr std::byte kCanary{0xA5};

bool IsAllCanary(const std::byte* begin, const std::byte* end) {
  // memcmp of the range with itself one byte later: fast in a debug build, too.
  return begin == end || (*begin == kCanary &&
                          std::memcmp(begin, begin + 1, static_cast<size_t>(end - begin) - 1) == 0);
}

size_t PageBytes() {
  static const size_t bytes = static_cast<size_t>(sysconf(_SC_PAGESIZE));
  return bytes;
}

// QFORGE_TEST_READABLE_AROUND=n lets n bytes stand between the data and the unmapped page beside
// it, for emulators: qemu-user 7.2 reads all of a vector where vpmaskmovd loads a part. Canaries
// show whether these bytes were written.
size_t ReadableAround() {
  static const size_t bytes = [] {
    const char* const text = std::getenv("QFORGE_TEST_READABLE_AROUND");
    return text == nullptr ? size_t{0} : static_cast<size_t>(std::strtoul(text, nullptr, 10));
  }();
  return bytes;
}

}  // namespace

GuardedBytes::GuardedBytes(size_t size, Guard guard) : size_(size) {
  const size_t accessible =
      (size + 2 * ReadableAround() + PageBytes() - 1) / PageBytes() * PageBytes();
  mapped_ = accessible + 2 * PageBytes();
  void* mapping = mmap(nullptr, mapped_, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  mapping_ = static_cast<std::byte*>(mapping);
  if (accessible != 0 && mprotect(PagesBegin(), accessible, PROT_READ | PROT_WRITE) != 0) {
    munmap(mapping_, mapped_);
    throw std::bad_alloc();
  }
  data_ = guard == Guard::kBehind ? PagesEnd() - ReadableAround() - size
                                  : PagesBegin() + ReadableAround();
  if (accessible == 0) return;
  std::memset(PagesBegin(), static_cast<int>(kCanary), accessible);
  std::memset(data_, 0xFF, size);
}

GuardedBytes::~GuardedBytes() {
  if (mapping_ != nullptr) munmap(mapping_, mapped_);
}

std::byte* GuardedBytes::PagesBegin() const { return mapping_ + PageBytes(); }

std::byte* GuardedBytes::PagesEnd() const { return mapping_ + mapped_ - PageBytes(); }

void GuardedBytes::Seal() {
  if (mapping_ == nullptr || PagesBegin() == PagesEnd()) return;
  mprotect(PagesBegin(), mapped_ - 2 * PageBytes(), PROT_READ);
}

bool GuardedBytes::CanariesIntact() const {
  if (mapping_ == nullptr) return true;
  return IsAllCanary(PagesBegin(), data_) && IsAllCanary(data_ + size_, PagesEnd());
}

}  // namespace qforge::test
