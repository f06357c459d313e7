// What an IndexView is made of, and what not.
#include <gtest/gtest.h>

#include <cstdint>
#include <string>
#include <type_traits>
#include <vector>

#include "qforge/embedding_bag.h"

namespace qforge::test {
namespace {

template <class T>
constexpr bool kConverts = std::is_convertible_v<T, IndexView>;

static_assert(kConverts<std::vector<int32_t>> && kConverts<std::vector<int64_t>>);
static_assert(kConverts<ArrayView<const int32_t>> && kConverts<ArrayView<int64_t>>);
static_assert(kConverts<const int32_t (&)[3]> && kConverts<int64_t (&)[3]>);
static_assert(!kConverts<std::string> && !kConverts<std::vector<float>>);
static_assert(!kConverts<std::vector<uint64_t>> && !kConverts<std::vector<int16_t>>);
static_assert(!kConverts<const char (&)[3]> && !kConverts<int64_t> && !kConverts<int64_t*>);

TEST(IndexViews, SeeTheIntegersOfWhatTheyAreMadeOf) {
  const int32_t narrow[] = {3, -1};
  const std::vector<int64_t> wide = {5, int64_t{1} << 40, 7};
  const IndexView of_array = narrow;
  EXPECT_EQ(of_array.data(), narrow);
  EXPECT_EQ(of_array.size(), 2);
  EXPECT_EQ(of_array.element_bytes(), 4);
  EXPECT_EQ(of_array[1], -1);
  const IndexView of_vector = wide;
  EXPECT_EQ(of_vector.data(), wide.data());
  EXPECT_EQ(of_vector.size(), 3);
  EXPECT_EQ(of_vector.element_bytes(), 8);
  EXPECT_EQ(of_vector[1], int64_t{1} << 40);
}

}  // namespace
}  // namespace qforge::test
