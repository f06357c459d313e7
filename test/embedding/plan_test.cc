#include <gtest/gtest.h>

#include <algorithm>
#include <cstdint>
#include <vector>

#include "plan/embedding.h"
#include "support/random.h"

namespace qforge::plan {
namespace {

LookupShape ShapeOf(const std::vector<int64_t>& starts, int64_t position_lines) {
  LookupShape shape;
  shape.output_rows = static_cast<int64_t>(starts.size()) - 1;
  shape.positions = starts.back() - starts.front();
  shape.position_lines = position_lines;
  shape.output_row_lines = 2;
  shape.starts = starts.data();
  return shape;
}

// Parts take all output rows, in order, once each, and no part has more than its share and one bag.
TEST(LookupParts, CoverEverythingEvenly) {
  test::Random random(3);
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> starts = {random.Integer<int64_t>(0, 5)};
    const int64_t bags = random.Integer<int64_t>(0, 60);
    int64_t longest = 0;
    for (int64_t bag = 0; bag < bags; ++bag) {
      const int64_t length = random.Integer(0, 9) == 0 ? random.Integer<int64_t>(0, 500)
                                                       : random.Integer<int64_t>(0, 9);
      longest = std::max(longest, length);
      starts.push_back(starts.back() + length);
    }
    const LookupShape shape = ShapeOf(starts, random.Integer<int64_t>(1, 20));
    const int64_t parts = random.Integer<int64_t>(1, 9);
    int64_t next = 0;
    for (int64_t part = 0; part < parts; ++part) {
      const Range rows = OutputRowsOf(shape, PartOf(shape.work(), 1, parts, part));
      ASSERT_EQ(rows.begin, next);
      ASSERT_GE(rows.end, rows.begin);
      next = rows.end;
      const int64_t positions =
          starts[static_cast<size_t>(rows.end)] - starts[static_cast<size_t>(rows.begin)];
      const int64_t work = positions * shape.position_lines + (rows.end - rows.begin) * 2;
      ASSERT_LE(work, shape.work() / parts + 1 + longest * shape.position_lines + 2);
    }
    ASSERT_EQ(next, shape.output_rows);
  }
}

TEST(LookupParts, WithoutBags) {
  LookupShape shape;
  shape.output_rows = shape.positions = 100;
  shape.position_lines = 3;
  shape.output_row_lines = 2;
  EXPECT_EQ(OutputRowsOf(shape, {0, 250}).end, 50);
  EXPECT_EQ(OutputRowsOf(shape, {250, 500}).begin, 50);
  EXPECT_EQ(OutputRowsOf(shape, {250, 500}).end, 100);
  EXPECT_EQ(OutputRowsOf(shape, {251, 260}).begin, 51);
  // Beyond the ends, as for the other tables of a call.
  EXPECT_EQ(OutputRowsOf(shape, {-70, 900}).begin, 0);
  EXPECT_EQ(OutputRowsOf(shape, {-70, 900}).end, 100);
}

TEST(LookupParts, SmallCallsStayOnTheirThread) {
  EXPECT_EQ(LookupParts(1000, 8), 1);
  EXPECT_EQ(LookupParts(int64_t{1} << 40, 1), 1);
  EXPECT_EQ(LookupParts(int64_t{1} << 40, 8), 32);
  EXPECT_EQ(LookupParts(0, 8), 1);
}

TEST(PrefetchDistance, FallsWithTheRowAndRisesWithTheTable) {
  constexpr int64_t kNear = 256 << 10;
  constexpr int64_t kL3 = 32 << 20;
  int last_cached = 1000;
  int last = 1000;
  for (int64_t bytes = 4; bytes <= 1024; bytes *= 2) {
    EXPECT_EQ(PrefetchDistance(bytes, kNear, kNear, kL3), 0);  // near enough
    const int cached = PrefetchDistance(bytes, kL3 / 2, kNear, kL3);
    const int distance = PrefetchDistance(bytes, int64_t{1} << 40, kNear, kL3);
    EXPECT_GT(cached, 0);
    EXPECT_LT(cached, distance);
    EXPECT_LE(cached, last_cached);
    EXPECT_LE(distance, last);
    last_cached = cached;
    last = distance;
  }
  EXPECT_EQ(PrefetchDistance(4096, int64_t{1} << 40, kNear, kL3), 0);
}

TEST(NearTableBytes, DenseRowsNeedANearerTable) {
  EXPECT_EQ(NearTableBytes(64, 36, 48 << 10, 1 << 20), 48 << 10);       // u4
  EXPECT_EQ(NearTableBytes(64, 72, 48 << 10, 1 << 20), (1 << 20) / 5);  // u8
}

TEST(ComesFromMemory, WhatLeavesNoRoomInTheThirdLevel) {
  EXPECT_FALSE(ComesFromMemory(16 << 20, 32 << 20));
  EXPECT_TRUE(ComesFromMemory((16 << 20) + 1, 32 << 20));
}

TEST(SecondPrefetchDistance, RowsOfSeveralLinesAtLongDistances) {
  EXPECT_EQ(SecondPrefetchDistance(32, 64, 96), 0);    // a line
  EXPECT_EQ(SecondPrefetchDistance(256, 132, 64), 0);  // u4
  EXPECT_GT(SecondPrefetchDistance(256, 256, 48), 0);  // e4m3
  EXPECT_EQ(SecondPrefetchDistance(256, 512, 15), 0);
  EXPECT_EQ(SecondPrefetchDistance(256, 512, 0), 0);
  for (int distance = 16; distance <= 1024; ++distance) {
    EXPECT_GT(SecondPrefetchDistance(57, 65, distance), 0);
    EXPECT_LT(SecondPrefetchDistance(57, 65, distance), distance);
  }
  EXPECT_EQ(SecondPrefetchDistance(256, 512, 24), 10);
}

}  // namespace
}  // namespace qforge::plan
