#include "base/checksum.h"

#include <algorithm>
#include <bit>
#include <cstring>

namespace qforge::base {
namespace {

static_assert(std::endian::native == std::endian::little, "the lanes are little-endian");

constexpr uint64_t kPrime1 = 0x9E3779B185EBCA87u;
constexpr uint64_t kPrime2 = 0xC2B2AE3D27D4EB4Fu;
constexpr uint64_t kPrime3 = 0x165667B19E3779F9u;
constexpr uint64_t kPrime4 = 0x85EBCA77C2B2AE63u;
constexpr uint64_t kPrime5 = 0x27D4EB2F165667C5u;

template <class T>
uint64_t Load(const std::byte* at) noexcept {
  T value;
  std::memcpy(&value, at, sizeof(value));
  return value;
}

uint64_t Round(uint64_t lane, uint64_t input) noexcept {
  return std::rotl(lane + input * kPrime2, 31) * kPrime1;
}

}  // namespace

void Checksum::Consume(const std::byte* stripe) noexcept {
  for (int i = 0; i < 4; ++i) lanes_[i] = Round(lanes_[i], Load<uint64_t>(stripe + i * 8));
}

void Checksum::Update(const void* data, size_t bytes) noexcept {
  if (bytes == 0) return;  // `data` may be null then
  const std::byte* next = static_cast<const std::byte*>(data);
  const size_t held = total_ % kStripe;
  total_ += bytes;
  if (held != 0) {
    const size_t taken = std::min(bytes, kStripe - held);
    std::memcpy(pending_ + held, next, taken);
    if (held + taken < kStripe) return;
    Consume(pending_);
    next += taken;
    bytes -= taken;
  }
  for (; bytes >= kStripe; bytes -= kStripe, next += kStripe) Consume(next);
  if (bytes != 0) std::memcpy(pending_, next, bytes);
}

uint64_t Checksum::value() const noexcept {
  uint64_t hash = kPrime5;
  if (total_ >= kStripe) {
    hash = std::rotl(lanes_[0], 1) + std::rotl(lanes_[1], 7) + std::rotl(lanes_[2], 12) +
           std::rotl(lanes_[3], 18);
    for (const uint64_t lane : lanes_) hash = (hash ^ Round(0, lane)) * kPrime1 + kPrime4;
  }
  hash += total_;

  const std::byte* next = pending_;
  size_t left = total_ % kStripe;
  for (; left >= 8; left -= 8, next += 8) {
    hash = std::rotl(hash ^ Round(0, Load<uint64_t>(next)), 27) * kPrime1 + kPrime4;
  }
  if (left >= 4) {
    hash = std::rotl(hash ^ Load<uint32_t>(next) * kPrime1, 23) * kPrime2 + kPrime3;
    left -= 4;
    next += 4;
  }
  for (; left > 0; --left, ++next) {
    hash = std::rotl(hash ^ Load<uint8_t>(next) * kPrime5, 11) * kPrime1;
  }
  hash = (hash ^ hash >> 33) * kPrime2;
  hash = (hash ^ hash >> 29) * kPrime3;
  return hash ^ hash >> 32;
}

}  // namespace qforge::base
