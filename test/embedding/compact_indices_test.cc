#include <gtest/gtest.h>

#include <cstdint>
#include <vector>

#include "embedding/bag_case.h"
#include "support/random.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;

struct Compaction {
  std::vector<int64_t> indices = {4, 0, 2, 1, 1, 3};
  std::vector<int64_t> offsets = {0, 2, 2, 5, 6};
  std::vector<int32_t> map = {7, -1, 0, -1, 3};
  std::vector<int64_t> kept_indices = std::vector<int64_t>(6, -9);
  std::vector<int64_t> kept_offsets = std::vector<int64_t>(5, -9);
  std::vector<int64_t> kept_positions = std::vector<int64_t>(6, -9);
  int64_t count = -9;

  Status Run() {
    return CompactIndices(IndexView(indices), IndexView(offsets), map, kept_indices, kept_offsets,
                          kept_positions, &count);
  }
};

TEST(CompactIndices, LeavesPrunedRowsOut) {
  Compaction c;
  ASSERT_TRUE(c.Run().ok());
  EXPECT_EQ(c.count, 3);
  EXPECT_EQ(c.kept_indices, (std::vector<int64_t>{3, 7, 0, -9, -9, -9}));
  EXPECT_EQ(c.kept_offsets, (std::vector<int64_t>{0, 2, 2, 3, 3}));
  EXPECT_EQ(c.kept_positions, (std::vector<int64_t>{0, 1, 2, -9, -9, -9}));
}

TEST(CompactIndices, TakesNarrowIntegersAndNoPositions) {
  Compaction c;
  const std::vector<int32_t> indices(c.indices.begin(), c.indices.end());
  const std::vector<int32_t> offsets(c.offsets.begin(), c.offsets.end());
  ASSERT_TRUE(CompactIndices(IndexView(indices), IndexView(offsets), c.map, c.kept_indices,
                             c.kept_offsets, {}, &c.count)
                  .ok());
  EXPECT_EQ(c.kept_indices, (std::vector<int64_t>{3, 7, 0, -9, -9, -9}));
  EXPECT_EQ(c.kept_offsets, (std::vector<int64_t>{0, 2, 2, 3, 3}));
}

TEST(CompactIndices, OfNothing) {
  const int64_t offsets[] = {0};
  int64_t kept_offsets[] = {5};
  int64_t count = 5;
  ASSERT_TRUE(
      CompactIndices(IndexView(), IndexView(offsets, 1), {}, {}, kept_offsets, {}, &count).ok());
  EXPECT_EQ(count, 0);
  EXPECT_EQ(kept_offsets[0], 0);
}

// A look-up of what is left gives what the look-up through the map gives.
TEST(CompactIndices, AgreesWithTheFusedLookUp) {
  BagCase c;
  c.layout = LayoutOf(RowFormat::kU4, 33);
  c.mapped = true;
  c.lengths = {5, 0, 1, 40, 2, 2};
  BagData data(c);
  const TestMatrix expected = data.Expected();
  std::vector<int64_t> indices(static_cast<size_t>(data.indices().size()));
  std::vector<int64_t> offsets(static_cast<size_t>(data.bounds().size()));
  int64_t count;
  ASSERT_TRUE(CompactIndices(data.indices(), data.bounds(),
                             ArrayView<const int32_t>(data.row_map.data(), data.row_map.size()),
                             indices, offsets, {}, &count)
                  .ok());
  const EmbeddingBag bag =
      EmbeddingBag::Create(Context::Create().value(), data.table.Borrow()).value();
  const TestMatrix result = data.MakeOutput();
  ASSERT_TRUE(
      bag.Run({IndexView(indices.data(), count), IndexView(offsets), {}}, result.output()).ok());
  EXPECT_TRUE(SameBits(expected, result));
}

struct BadCompaction {
  const char* name;
  void (*spoil)(Compaction&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadCompaction& x) {
    return out << x.name;
  }
};

const BadCompaction kBad[] = {
    {"index_too_large", [](auto& c) { c.indices[3] = 5; }, kRange, "indices"},
    {"index_negative", [](auto& c) { c.indices[5] = -1; }, kRange, "indices"},
    {"offsets_decrease", [](auto& c) { c.offsets[2] = 1; }, kRange, "offsets"},
    {"offset_negative", [](auto& c) { c.offsets[0] = -1; }, kRange, "offsets"},
    {"offset_beyond_the_end", [](auto& c) { c.offsets[4] = 7; }, kRange, "offsets"},
    {"offsets_empty", [](auto& c) { c.offsets.clear(); }, kInvalid, "offsets"},
    {"entry_of_the_map", [](auto& c) { c.map[2] = -2; }, kRange, "row_map"},
    {"room_for_indices", [](auto& c) { c.kept_indices.pop_back(); }, kInvalid, "kept_indices"},
    {"room_for_offsets", [](auto& c) { c.kept_offsets.pop_back(); }, kInvalid, "kept_offsets"},
    {"room_for_positions", [](auto& c) { c.kept_positions.pop_back(); }, kInvalid,
     "kept_positions"},
};

class BadCompactions : public ::testing::TestWithParam<BadCompaction> {};

TEST_P(BadCompactions, AreRefusedBeforeAnythingIsWritten) {
  Compaction c;
  GetParam().spoil(c);
  EXPECT_TRUE(IsError(c.Run(), GetParam().code, GetParam().field));
  for (const std::vector<int64_t>* output : {&c.kept_indices, &c.kept_offsets, &c.kept_positions}) {
    EXPECT_EQ(*output, std::vector<int64_t>(output->size(), -9));
  }
  EXPECT_EQ(c.count, -9);
}

INSTANTIATE_TEST_SUITE_P(Table, BadCompactions, ::testing::ValuesIn(kBad),
                         [](const auto& info) { return info.param.name; });

TEST(CompactIndices, RefusesNullAndOverlap) {
  Compaction c;
  const IndexView indices(c.indices);
  const IndexView offsets(c.offsets);
  EXPECT_TRUE(
      IsError(CompactIndices(indices, offsets, c.map, c.kept_indices, c.kept_offsets, {}, nullptr),
              kInvalid, "count"));
  EXPECT_TRUE(
      IsError(CompactIndices(indices, offsets, c.map, c.indices, c.kept_offsets, {}, &c.count),
              kInvalid, "kept_indices"));
  EXPECT_TRUE(
      IsError(CompactIndices(indices, offsets, c.map, c.kept_indices, c.offsets, {}, &c.count),
              kInvalid, "kept_offsets"));
  EXPECT_TRUE(IsError(CompactIndices(indices, offsets, c.map, c.kept_indices, c.kept_offsets,
                                     c.kept_indices, &c.count),
                      kInvalid, "kept_indices"));
}

}  // namespace
}  // namespace qforge::test
