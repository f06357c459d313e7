#include "base/aligned_buffer.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <fstream>
#include <sstream>
#include <string>
#include <utility>

#include "base/arithmetic.h"

namespace qforge::base {
namespace {

constexpr size_t kHuge = AlignedBuffer::kHugePageBytes;

class AlignedBufferSizeTest : public testing::TestWithParam<size_t> {};

TEST_P(AlignedBufferSizeTest, IsAlignedAndWritableToTheLastByte) {
  const size_t size = GetParam();
  Result<AlignedBuffer> buffer = AlignedBuffer::Allocate(size);
  ASSERT_TRUE(buffer.ok()) << buffer.status().message();
  EXPECT_EQ(buffer->size(), size);
  EXPECT_TRUE(IsAligned(buffer->data(), size < kHuge ? AlignedBuffer::kAlignment : kHuge));
  std::memset(buffer->data(), 0x5A, size);
  EXPECT_EQ(buffer->As<uint8_t>()[0], 0x5A);
  EXPECT_EQ(buffer->As<uint8_t>()[size - 1], 0x5A);
}

INSTANTIATE_TEST_SUITE_P(Sizes, AlignedBufferSizeTest,
                         testing::Values(1, 63, 64, 65, 4096, 100'000, kHuge - 1, kHuge, kHuge + 1,
                                         kHuge + 4096, 2 * kHuge, 3 * kHuge + 12345));

TEST(AlignedBufferTest, ZeroBytesAreEmpty) {
  const Result<AlignedBuffer> buffer = AlignedBuffer::Allocate(0);
  ASSERT_TRUE(buffer.ok());
  EXPECT_EQ((*buffer).data(), nullptr);
  EXPECT_EQ((*buffer).size(), 0u);
}

TEST(AlignedBufferTest, ImpossibleSizesAreReported) {
  for (const size_t size :
       {SIZE_MAX, SIZE_MAX - 64, SIZE_MAX / 2 + 1, SIZE_MAX / 2, SIZE_MAX / 2 - 1, SIZE_MAX / 4}) {
    const Result<AlignedBuffer> buffer = AlignedBuffer::Allocate(size, "weights");
    ASSERT_FALSE(buffer.ok()) << size;
    EXPECT_EQ(buffer.status().code(), StatusCode::kResourceExhausted);
    EXPECT_STREQ(buffer.status().field(), "weights");
    EXPECT_NE(std::string(buffer.status().message()).find(std::to_string(size)), std::string::npos);
  }
}

TEST(AlignedBufferTest, MoveTransfersOwnership) {
  for (const size_t size : {size_t{100}, kHuge}) {
    AlignedBuffer first = AlignedBuffer::Allocate(size).value();
    std::byte* const data = first.data();
    AlignedBuffer second = std::move(first);
    EXPECT_EQ(second.data(), data);
    EXPECT_EQ(second.size(), size);
    EXPECT_EQ(first.data(), nullptr);  // NOLINT(bugprone-use-after-move): documented to be empty
    EXPECT_EQ(first.size(), 0u);

    AlignedBuffer third = AlignedBuffer::Allocate(size + 1).value();
    third = std::move(second);
    EXPECT_EQ(third.data(), data);
    EXPECT_EQ(third.size(), size);
    EXPECT_EQ(second.data(), nullptr);  // NOLINT(bugprone-use-after-move)
  }
}

#if defined(__linux__)

TEST(AlignedBufferTest, LargeBlocksGoBackToTheSystem) {
  const auto virtual_pages = [] {
    size_t pages = 0;
    std::ifstream("/proc/self/statm") >> pages;
    return pages;
  };
  if (virtual_pages() == 0) GTEST_SKIP() << "no /proc";
  (void)AlignedBuffer::Allocate(kHuge).value();
  const size_t before = virtual_pages();
  for (size_t i = 0; i < 1000; ++i) (void)AlignedBuffer::Allocate(kHuge + i * 1000).value();
  // One that was not unmapped whole would leave 1000 times 2 MiB or more.
  EXPECT_LT(virtual_pages(), before + (100 * kHuge) / 4096);
}

TEST(AlignedBufferTest, LargeBlocksAskForHugePages) {
  if (!std::ifstream("/sys/kernel/mm/transparent_hugepage/enabled").good()) {
    GTEST_SKIP() << "kernel without transparent huge pages";
  }
  const AlignedBuffer buffer = AlignedBuffer::Allocate(2 * kHuge).value();
  std::ifstream maps("/proc/self/smaps");
  if (!maps.good()) GTEST_SKIP() << "no /proc/self/smaps";
  const auto address = reinterpret_cast<uintptr_t>(buffer.data());
  bool in_buffer = false;
  std::string flags;
  for (std::string line; std::getline(maps, line);) {
    uintptr_t begin = 0;
    uintptr_t end = 0;
    char dash = 0;
    std::istringstream header(line);
    if (header >> std::hex >> begin >> dash >> end && dash == '-') {
      in_buffer = begin <= address && address < end;
    } else if (in_buffer && line.rfind("VmFlags:", 0) == 0) {
      flags = line + " ";
    }
  }
  if (flags.empty()) GTEST_SKIP() << "kernel does not report VmFlags";
  EXPECT_NE(flags.find(" hg "), std::string::npos) << flags;
}

#endif

}  // namespace
}  // namespace qforge::base
