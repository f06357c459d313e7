// The check of indices that comes before a look-up.
#include <gtest/gtest.h>

#include <cstdint>
#include <limits>

#include "kernels/embedding_kernel.h"
#include "support/guarded_buffer.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

template <class Index>
class CheckIndices : public EveryIsaTest {
 protected:
  // Calls `visit(check)`, where check(indices, rows) asks the kernel, for every ISA of the machine.
  template <class Visit>
  void ForEachIsa(Visit&& visit) {
    RecordChecked(Isa::kScalar);  // has no kernels
    for (const Isa isa : SupportedIsas()) {
      if (isa == Isa::kScalar) continue;
      const auto kernel = kernels::GetCheckIndices(isa, sizeof(Index));
      ASSERT_TRUE(kernel.ok()) << kernel.status().message();
      visit([&](const GuardedBuffer<Index>& indices, int64_t rows) {
        RecordChecked(isa);
        const int64_t result = (*kernel)->template As<kernels::CheckIndicesFunction>()(
            indices.data(), indices.size(), rows);
        EXPECT_TRUE(result == 0 || result == 1);
        return result == 1;
      });
    }
  }
};

using IndexTypes = ::testing::Types<int32_t, int64_t>;
TYPED_TEST_SUITE(CheckIndices, IndexTypes);

// One bad index in every place of arrays of all lengths up to more than two unrolled steps, nothing
// read in front of them or behind.
TYPED_TEST(CheckIndices, FindsOneBadIndex) {
  constexpr int64_t kTableRows = 1000;
  this->ForEachIsa([](const auto& check) {
    for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
      for (int64_t count = 0; count <= 140; ++count) {
        GuardedBuffer<TypeParam> indices(count, guard);
        for (int64_t i = 0; i < count; ++i) {
          indices[i] = static_cast<TypeParam>(i % 2 == 0 ? kTableRows - 1 : 0);
        }
        ASSERT_TRUE(check(indices, kTableRows)) << count;
        for (int64_t i = 0; i < count; ++i) {
          const TypeParam good = indices[i];
          indices[i] = static_cast<TypeParam>(i % 3 == 0 ? -1 : kTableRows);
          ASSERT_FALSE(check(indices, kTableRows)) << i << " of " << count;
          indices[i] = good;
        }
      }
    }
  });
}

TYPED_TEST(CheckIndices, Extremes) {
  using Limits = std::numeric_limits<TypeParam>;
  constexpr int64_t kMost = std::numeric_limits<int64_t>::max();
  const auto accepts = [](TypeParam index, int64_t rows) {
    return index >= 0 && static_cast<int64_t>(index) < rows;
  };
  this->ForEachIsa([&](const auto& check) {
    for (const int64_t rows : {int64_t{0}, int64_t{1}, int64_t{1} << 30, (int64_t{1} << 31) - 1,
                               int64_t{1} << 31, int64_t{1} << 33, kMost}) {
      for (const TypeParam index :
           {Limits::min(), static_cast<TypeParam>(Limits::min() + 1), TypeParam{-1}, TypeParam{0},
            TypeParam{1}, static_cast<TypeParam>((1 << 30) - 1), static_cast<TypeParam>(1 << 30),
            static_cast<TypeParam>(Limits::max() - 1), Limits::max()}) {
        for (const int64_t count : {1, 17, 64}) {
          GuardedBuffer<TypeParam> indices(count, Guard::kBehind);
          for (TypeParam& i : indices) i = index;
          EXPECT_EQ(check(indices, rows), accepts(index, rows)) << index << " of " << rows;
        }
      }
    }
  });
}

TEST(CheckIndicesKernels, AreRefusedWhereThereAreNone) {
  EXPECT_TRUE(
      IsError(kernels::GetCheckIndices(Isa::kScalar, 8).status(), StatusCode::kInternal, ""));
  EXPECT_TRUE(IsError(kernels::GetCheckIndices(Isa::kAvx2, 2).status(), StatusCode::kInternal, ""));
}

}  // namespace
}  // namespace qforge::test
