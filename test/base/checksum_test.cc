#include "base/checksum.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace qforge::base {
namespace {

uint64_t Of(const std::string& text) { return ChecksumOf(text.data(), text.size()); }

// Published values of XXH64 with seed 0.
TEST(Checksum, AgreesWithPublishedValues) {
  EXPECT_EQ(Of(""), 0xEF46DB3751D8E999u);
  EXPECT_EQ(Of("a"), 0xD24EC4F1A98C6E5Bu);
  EXPECT_EQ(Of("abc"), 0x44BC2CF5AD770999u);
  EXPECT_EQ(Of("Nobody inspects the spammish repetition"), 0xFBCEA83C8A378BF1u);
}

TEST(Checksum, DoesNotDependOnThePieces) {
  std::vector<unsigned char> bytes(203);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<unsigned char>(i * 37 + 11);
  const uint64_t whole = ChecksumOf(bytes.data(), bytes.size());
  for (size_t first = 0; first <= bytes.size(); ++first) {
    for (const size_t step : {1u, 7u, 32u, 100u}) {
      Checksum checksum;
      checksum.Update(bytes.data(), first);
      for (size_t at = first; at < bytes.size(); at += step) {
        checksum.Update(bytes.data() + at, std::min<size_t>(step, bytes.size() - at));
      }
      ASSERT_EQ(checksum.value(), whole) << first << " + n * " << step;
    }
  }
}

TEST(Checksum, ChangesWithEachBit) {
  std::vector<unsigned char> bytes(75, 0x5A);
  const uint64_t whole = ChecksumOf(bytes.data(), bytes.size());
  for (size_t bit = 0; bit < bytes.size() * 8; ++bit) {
    bytes[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
    EXPECT_NE(ChecksumOf(bytes.data(), bytes.size()), whole) << bit;
    bytes[bit / 8] ^= static_cast<unsigned char>(1u << bit % 8);
  }
}

}  // namespace
}  // namespace qforge::base
