// Products worked out by hand, sums at the ends of int32, and K beyond 32 bits.
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "sparse/sparse_case.h"

namespace qforge::test {
namespace {

// Arrays that SparseWeights points at.
struct OwnedWeights {
  int64_t inputs;
  std::vector<int64_t> offsets;
  std::vector<int64_t> indices;
  std::vector<int8_t> values;

  SparseWeights view() const {
    return {inputs, static_cast<int64_t>(offsets.size()) - 1, offsets, indices, values};
  }
};

using Limits = EveryIsaTest;

// A = {1 2 3; 255 0 10}; B's columns: {-128, ., 5}, {}, {., 127 + 127 - 3, .}.
TEST_F(Limits, WorkedExample) {
  constexpr uint8_t kA[] = {1, 2, 3, 255, 0, 10};
  const OwnedWeights weights{3, {0, 2, 2, 5}, {0, 2, 1, 1, 1}, {-128, 5, 127, 127, -3}};
  constexpr int32_t kProduct[] = {-128 + 15, 0, 502, -32640 + 50, 0, 0};
  for (const Isa isa : SupportedIsas()) {
    for (const bool accumulate : {false, true}) {
      SparseLinearOptions options;
      options.accumulate = accumulate;
      const SparseLinear product =
          SparseLinear::Create(ContextOf(isa), weights.view(), options).value();
      EXPECT_EQ(product.inputs(), 3);
      EXPECT_EQ(product.outputs(), 3);
      EXPECT_GT(product.bytes(), 0);
      int32_t c[6] = {10, 20, 30, 40, 50, 60};
      const int32_t before[6] = {10, 20, 30, 40, 50, 60};
      ASSERT_TRUE(product.Run({kA, 2, 3}, {c, 2, 3}).ok());
      for (int i = 0; i < 6; ++i) {
        EXPECT_EQ(c[i], kProduct[i] + (accumulate ? before[i] : 0)) << IsaName(isa) << ", " << i;
      }
      RecordChecked(product.isa());
    }
  }
}

// Columns whose sums of |values| are the largest that is accepted, of one sign each, and a C that
// wraps around.
TEST_F(Limits, LargestSums) {
  constexpr int64_t kMagnitude = 2147483647 / 255;  // 8,421,504 = 66,311 * 127 + 7
  OwnedWeights weights{40, {0}, {}, {}};
  for (const int sign : {1, -1}) {
    for (int64_t left = kMagnitude, e = 0; left > 0; ++e) {
      const int64_t value = std::min<int64_t>(left, 127);
      weights.indices.push_back(std::min<int64_t>(39, e / 2000));
      weights.values.push_back(static_cast<int8_t>(sign * value));
      left -= value;
    }
    weights.offsets.push_back(static_cast<int64_t>(weights.indices.size()));
  }
  for (const int64_t rows : {1, 40}) {
    const std::vector<uint8_t> a(static_cast<size_t>(rows * 40), 255);
    for (const Isa isa : SupportedIsas()) {
      SparseLinearOptions options;
      options.accumulate = true;
      const SparseLinear product =
          SparseLinear::Create(ContextOf(isa), weights.view(), options).value();
      std::vector<int32_t> c(static_cast<size_t>(rows * 2), INT32_MAX);
      ASSERT_TRUE(product.Run({a.data(), rows, 40}, {c.data(), rows, 2}).ok());
      for (int64_t i = 0; i < rows; ++i) {
        const int64_t first = INT32_MAX + 255 * kMagnitude;
        EXPECT_EQ(c[static_cast<size_t>(2 * i)], static_cast<int32_t>(first)) << IsaName(isa);
        EXPECT_EQ(c[static_cast<size_t>(2 * i + 1)], INT32_MAX - 255 * kMagnitude) << IsaName(isa);
      }
      RecordChecked(product.isa());
    }
  }
}

// Rows of 8 GiB, of which a few pages exist.
TEST_F(Limits, InputsBeyond32Bits) {
  constexpr int64_t kInputs = (int64_t{1} << 33) + 5;
  for (const int64_t rows : {1, 2}) {
    void* const memory = mmap(nullptr, static_cast<size_t>(rows * kInputs), PROT_READ | PROT_WRITE,
                              MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED) GTEST_SKIP() << "no address space for rows of 8 GiB";
    auto* const a = static_cast<uint8_t*>(memory);
    const OwnedWeights weights{kInputs,
                               {0, 3, 3, 4},
                               {0, int64_t{1} << 32, kInputs - 1, (int64_t{1} << 31) + 1},
                               {3, -100, 127, 99}};
    std::vector<int32_t> expected;
    for (int64_t i = 0; i < rows; ++i) {
      uint8_t* const row = a + i * kInputs;
      row[0] = 255;
      row[int64_t{1} << 32] = static_cast<uint8_t>(10 + i);
      row[kInputs - 1] = 200;
      row[(int64_t{1} << 31) + 1] = 7;
      expected.push_back(static_cast<int32_t>(255 * 3 - 100 * (10 + i) + 127 * 200));
      expected.push_back(0);
      expected.push_back(7 * 99);
    }
    for (const Isa isa : SupportedIsas()) {
      const SparseLinear product = SparseLinear::Create(ContextOf(isa), weights.view()).value();
      std::vector<int32_t> c(static_cast<size_t>(rows * 3), -1);
      const Status status = product.Run({a, rows, kInputs}, {c.data(), rows, 3});
      ASSERT_TRUE(status.ok()) << status.message();
      EXPECT_EQ(c, expected) << IsaName(isa) << ", " << rows << " rows";
      RecordChecked(product.isa());
    }
    munmap(memory, static_cast<size_t>(rows * kInputs));
  }
}

TEST_F(Limits, DescribesWhatWasChosen) {
  SparseCase c;
  c.outputs = 256;
  c.inputs = 512;
  c.density = 0.1;
  const SparseData data(c);
  for (const Isa isa : SupportedIsas()) {
    const SparseLinear product =
        SparseLinear::Create(ContextOf(isa), data.weights(), data.options()).value();
    const std::string text = product.Describe();
    EXPECT_NE(text.find("512 -> 256"), std::string::npos) << text;
    EXPECT_NE(text.find(std::string("isa ") + IsaName(isa)), std::string::npos) << text;
    EXPECT_NE(text.find(isa == Isa::kScalar ? "portable" : "from 1 row(s)"), std::string::npos)
        << text;
    RecordChecked(product.isa());
  }
}

// Sums of one position that leave s8 have no dense form, and say so.
TEST_F(Limits, DescribesWhyThereIsNoDenseForm) {
  SparseCase c;
  c.outputs = 32;
  c.inputs = 64;
  c.density = 1;
  c.values = Values::kPositive;
  c.duplicates = true;
  const SparseData data(c);
  for (const Isa isa : SupportedIsas()) {
    const SparseLinear product =
        SparseLinear::Create(ContextOf(isa), data.weights(), data.options()).value();
    if (isa != Isa::kScalar) {
      EXPECT_NE(product.Describe().find("no dense kernels"), std::string::npos)
          << product.Describe();
    }
    RecordChecked(product.isa());
  }
}

}  // namespace
}  // namespace qforge::test
