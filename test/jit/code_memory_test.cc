#include "jit/code_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <random>
#include <string>
#include <vector>

#include "base/platform.h"
#include "jit/test_kernels.h"
#include "support/child_process.h"

#if QFORGE_JIT
namespace qforge::jit {
namespace {

using test::MappingOf;
using test::WritableExecutableMappings;

TEST(CodeMemoryModeTest, KnowsItsNames) {
  EXPECT_EQ(ParseCodeMemoryMode(nullptr).value(), CodeMemoryMode::kAutomatic);
  EXPECT_EQ(ParseCodeMemoryMode("").value(), CodeMemoryMode::kAutomatic);
  EXPECT_EQ(ParseCodeMemoryMode("dual").value(), CodeMemoryMode::kDualMapping);
  EXPECT_EQ(ParseCodeMemoryMode("private").value(), CodeMemoryMode::kPrivatePages);

  const Result<CodeMemoryMode> unknown = ParseCodeMemoryMode("Private");
  ASSERT_FALSE(unknown.ok());
  EXPECT_EQ(unknown.status().code(), StatusCode::kInvalidArgument);
  EXPECT_STREQ(unknown.status().field(), "QFORGE_CODE_MEMORY");
  for (const char* word : {"\"Private\"", "\"dual\"", "\"private\""}) {
    EXPECT_NE(std::strstr(unknown.status().message(), word), nullptr) << unknown.status().message();
  }
}

class CodeMemoryTest : public testing::TestWithParam<CodeMemoryMode> {
 protected:
  CodeMemory memory_{GetParam()};
};

INSTANTIATE_TEST_SUITE_P(Modes, CodeMemoryTest,
                         testing::Values(CodeMemoryMode::kDualMapping,
                                         CodeMemoryMode::kPrivatePages),
                         [](const auto& mode) {
                           return mode.param == CodeMemoryMode::kDualMapping ? "Dual" : "Private";
                         });

TEST_P(CodeMemoryTest, ManyKernelsOfEverySizeKeepTheirBytes) {
  struct Published {
    std::vector<uint8_t> bytes;
    const uint8_t* entry;
    int addend;
  };
  std::vector<Published> kernels;
  std::mt19937 random(1);
  for (int i = 0; i < 1500; ++i) {
    // Mostly small, with some that fill whole blocks, and every remainder of the alignment.
    const size_t padding = i % 100 == 99 ? random() % 400'000 : i + random() % 3000;
    std::vector<uint8_t> bytes = AddBytes(i, padding);
    const Result<const void*> entry = memory_.Publish(bytes.data(), bytes.size());
    ASSERT_TRUE(entry.ok()) << entry.status().message();
    kernels.push_back({std::move(bytes), static_cast<const uint8_t*>(*entry), i});
  }
  for (const Published& kernel : kernels) {
    ASSERT_EQ(reinterpret_cast<uintptr_t>(kernel.entry) % kCodeAlignment, 0u);
    ASSERT_EQ(std::memcmp(kernel.entry, kernel.bytes.data(), kernel.bytes.size()), 0);
    ASSERT_TRUE(Adds(kernel.entry, kernel.addend)) << kernel.addend;
  }
}

TEST_P(CodeMemoryTest, NoMappingIsWritableAndExecutable) {
  const std::vector<uint8_t> bytes = AddBytes(7);
  const void* const entry = memory_.Publish(bytes.data(), bytes.size()).value();
  const std::string mapping = MappingOf(entry);
  // The last letter: s(hared) or p(rivate).
  const char* permissions = GetParam() == CodeMemoryMode::kDualMapping ? " r-xs " : " r-xp ";
  EXPECT_NE(mapping.find(permissions), std::string::npos) << mapping;
  EXPECT_EQ(WritableExecutableMappings(), "");
}

TEST_P(CodeMemoryTest, WhatFollowsAKernelTraps) {
  const std::vector<uint8_t> bytes = AddBytes(7);
  const auto* entry =
      static_cast<const uint8_t*>(memory_.Publish(bytes.data(), bytes.size()).value());
  for (size_t i = bytes.size(); i < kCodeAlignment; ++i) EXPECT_EQ(entry[i], 0xCC) << i;
}

TEST_P(CodeMemoryTest, SizesHaveLimits) {
  std::vector<uint8_t> bytes = AddBytes(7, kMaxCodeBytes);
  for (const size_t size : {size_t{0}, kMaxCodeBytes + 1, SIZE_MAX}) {
    const Result<const void*> entry = memory_.Publish(bytes.data(), size);
    ASSERT_FALSE(entry.ok()) << size;
    EXPECT_EQ(entry.status().code(), StatusCode::kOutOfRange);
  }
  bytes = AddBytes(8, kMaxCodeBytes - AddBytes(8).size());
  ASSERT_EQ(bytes.size(), kMaxCodeBytes);
  const Result<const void*> largest = memory_.Publish(bytes.data(), bytes.size());
  ASSERT_TRUE(largest.ok()) << largest.status().message();
  EXPECT_TRUE(Adds(*largest, 8));
}

// The check of the mappings above must be able to fail.
TEST(WritableExecutableMappingsTest, AreFound) {
  void* const page =
      mmap(nullptr, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (page == MAP_FAILED) GTEST_SKIP() << "this system does not even allow such a mapping";
  EXPECT_NE(WritableExecutableMappings(), "");
  munmap(page, 4096);
}

}  // namespace
}  // namespace qforge::jit
#endif  // QFORGE_JIT
