// What every file form of weights refuses, whatever is in it.
#ifndef QFORGE_TEST_PACKED_FILES_REFUSALS_H_
#define QFORGE_TEST_PACKED_FILES_REFUSALS_H_

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "qforge/views.h"
#include "support/files.h"
#include "support/status_matchers.h"

namespace qforge::test {

// PackedWeights or PackedSparseWeights.
template <class Weights>
void ExpectRefusesBadPathsAndBytes(const Weights& weights) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  const TemporaryFolder folder;
  for (const std::string& path : {folder.File("none"), folder.File(""), std::string()}) {
    EXPECT_TRUE(IsError(Weights::Load(path).status(), kInvalid, "path"));
    EXPECT_TRUE(IsError(Weights::Map(path).status(), kInvalid, "path"));
  }
  EXPECT_TRUE(IsError(weights.Save(folder.File("no/such/folder")), kInvalid, "path"));
  EXPECT_TRUE(IsError(weights.Save(folder.File("")), kInvalid, "path"));
  EXPECT_EQ(folder.Files(), 0);

  const int64_t size = weights.serialized_bytes();
  std::vector<uint8_t> bytes(static_cast<size_t>(size) + 64 + 32);
  EXPECT_TRUE(IsError(weights.Serialize(ArrayView<uint8_t>(bytes.data(), 5)), kInvalid, "bytes"));
  EXPECT_TRUE(IsError(weights.Serialize(ArrayView<uint8_t>(nullptr, size)), kInvalid, "bytes"));
  const ArrayView<const uint8_t> nothing(nullptr, 9), negative(bytes.data(), -1);
  for (const auto& bad : {nothing, negative}) {
    EXPECT_TRUE(IsError(Weights::Deserialize(bad).status(), kInvalid, "bytes"));
    EXPECT_TRUE(IsError(Weights::Borrow(bad).status(), kInvalid, "bytes"));
  }
  // A whole form that is in the wrong place.
  uint8_t* const aligned =
      bytes.data() + (64 - reinterpret_cast<uintptr_t>(bytes.data()) % 64) % 64;
  for (const int64_t shift : {1, 8, 32}) {
    ASSERT_TRUE(weights.Serialize(ArrayView<uint8_t>(aligned + shift, size)).ok());
    const ArrayView<const uint8_t> shifted(aligned + shift, size);
    EXPECT_TRUE(IsError(Weights::Borrow(shifted).status(), kInvalid, "bytes"));
    EXPECT_TRUE(Weights::Deserialize(shifted).ok());
  }
}

}  // namespace qforge::test

#endif  // QFORGE_TEST_PACKED_FILES_REFUSALS_H_
