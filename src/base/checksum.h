// The checksum of stored data.
#ifndef QFORGE_BASE_CHECKSUM_H_
#define QFORGE_BASE_CHECKSUM_H_

#include <cstddef>
#include <cstdint>

namespace qforge::base {

// XXH64 with seed 0, as its public specification defines it: 64 bits at the speed of memory without
// a wide instruction, and tools elsewhere can check our files with it. (A CRC would be slower here
// by far, and finds no more of what happens to files.) Not for adversaries.
class Checksum {
 public:
  // Any division of the bytes into calls gives the same value.
  void Update(const void* data, size_t bytes) noexcept;
  uint64_t value() const noexcept;

 private:
  static constexpr size_t kStripe = 32;
  void Consume(const std::byte* stripe) noexcept;

  // kPrime1 + kPrime2, kPrime2, 0, -kPrime1.
  uint64_t lanes_[4] = {0x60EA27EEADC0B5D6u, 0xC2B2AE3D27D4EB4Fu, 0, 0x61C8864E7A143579u};
  uint64_t total_ = 0;
  std::byte pending_[kStripe] = {};  // total_ % kStripe bytes
};

inline uint64_t ChecksumOf(const void* data, size_t bytes) noexcept {
  Checksum checksum;
  checksum.Update(data, bytes);
  return checksum.value();
}

}  // namespace qforge::base

#endif  // QFORGE_BASE_CHECKSUM_H_
