// UpdateRow: stochastic rounding.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <set>
#include <vector>

#include "embedding/bag_case.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;

struct Updatable {
  RowFormat format;
  DataType parameters;
  ParameterPlace place;
};

const Updatable kUpdatable[] = {
    {RowFormat::kU8, DataType::kF32, ParameterPlace::kLast},
    {RowFormat::kU8, DataType::kF16, ParameterPlace::kFirst},
    {RowFormat::kU4, DataType::kNone, ParameterPlace::kLast},
    {RowFormat::kU4, DataType::kNone, ParameterPlace::kFirst},
    {RowFormat::kU2, DataType::kNone, ParameterPlace::kLast},
    {RowFormat::kF16, DataType::kNone, ParameterPlace::kLast},
    {RowFormat::kBF16, DataType::kNone, ParameterPlace::kLast},
};

RowLayout LayoutFor(const Updatable& updatable, int64_t dimension) {
  RowLayout layout = LayoutOf(updatable.format, dimension);
  layout.parameters = updatable.parameters;
  layout.place = updatable.place;
  return layout;
}

EmbeddingTable Zeros(const RowLayout& layout, int64_t rows) {
  const std::vector<std::byte> zeros(static_cast<size_t>(rows * RowBytes(layout)));
  return EmbeddingTable::Copy(zeros.data(), rows, layout).value();
}

std::vector<float> RowOf(const EmbeddingTable& table, int64_t index) {
  return DecodeByDefinition(table.layout(), static_cast<const std::byte*>(table.row(index)),
                            nullptr);
}

std::vector<float> Values(int64_t dimension, uint64_t seed) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(dimension));
  for (float& value : values) value = random.Real(-0.7f, 1.9f);
  return values;
}

// Each value comes back as one of the two numbers around it that the row can hold, in the mean over
// many seeds as itself.
TEST(UpdateRow, MeanIsTheValue) {
  for (const Updatable& updatable : kUpdatable) {
    constexpr int64_t kDimension = 19;
    constexpr int kSeeds = 4000;
    EmbeddingTable table = Zeros(LayoutFor(updatable, kDimension), 3);
    const std::vector<float> values = Values(kDimension, 9);
    std::vector<double> sums(kDimension);
    std::vector<std::set<float>> seen(kDimension);
    for (int seed = 0; seed < kSeeds; ++seed) {
      ASSERT_TRUE(table.UpdateRow(1, values, static_cast<uint64_t>(seed)).ok());
      const std::vector<float> row = RowOf(table, 1);
      for (size_t j = 0; j < kDimension; ++j) {
        sums[j] += static_cast<double>(row[j]);
        seen[j].insert(row[j]);
      }
    }
    // From one number to the next: the same for all columns of a quantised row.
    const bool quantised =
        updatable.format != RowFormat::kF16 && updatable.format != RowFormat::kBF16;
    float largest_step = 0.0f;
    for (const std::set<float>& two : seen) {
      largest_step = std::max(largest_step, *two.rbegin() - *two.begin());
    }
    for (size_t j = 0; j < kDimension; ++j) {
      SCOPED_TRACE(testing::Message() << RowFormatName(updatable.format) << ", column " << j);
      const float low = *seen[j].begin();
      const float high = *seen[j].rbegin();
      const double step = static_cast<double>(quantised ? largest_step : high - low);
      const double value = static_cast<double>(values[j]);
      ASSERT_LE(seen[j].size(), 2u);
      // Decoding rounds once more, to within a few units of 2^-24. A number so near that the other
      // one never came may lie on either side.
      const double near = seen[j].size() == 2 ? 1e-6 : 0.01 * step + 1e-6;
      EXPECT_LE(static_cast<double>(low), value + near);
      EXPECT_GE(static_cast<double>(high), value - near);
      // Five standard deviations of a coin's mean.
      EXPECT_NEAR(sums[j] / kSeeds, value, 5 * 0.5 * step / std::sqrt(kSeeds) + 1e-6);
    }
  }
}

TEST(UpdateRow, IsReproducibleAndTouchesNothingElse) {
  for (const Updatable& updatable : kUpdatable) {
    for (const int64_t dimension : {1, 3, 4, 7, 64}) {
      RowLayout layout = LayoutFor(updatable, dimension);
      layout.stride = RowBytes(layout) + 2;
      const TableData data(layout, 5, 4);
      EmbeddingTable a = EmbeddingTable::Copy(data.bytes.data(), 5, layout).value();
      EmbeddingTable b = EmbeddingTable::Copy(data.bytes.data(), 5, layout).value();
      const std::vector<float> values = Values(dimension, 2);
      ASSERT_TRUE(a.UpdateRow(2, values, 77).ok());
      ASSERT_TRUE(b.UpdateRow(2, Values(dimension, 3), 5).ok());  // what was there is no matter
      ASSERT_TRUE(b.UpdateRow(2, values, 77).ok());
      const size_t bytes = static_cast<size_t>(RowBytes(layout));
      for (int64_t row = 0; row < 5; ++row) {
        EXPECT_EQ(std::memcmp(a.row(row), b.row(row), bytes), 0);
        EXPECT_EQ(std::memcmp(a.row(row), data.row(row), bytes) == 0, row != 2);
      }
    }
  }
}

TEST(UpdateRow, DependsOnSeedAndRow) {
  for (const Updatable& updatable : kUpdatable) {
    const RowLayout layout = LayoutFor(updatable, 64);
    EmbeddingTable table = Zeros(layout, 3);
    const std::vector<float> values = Values(64, 2);
    ASSERT_TRUE(table.UpdateRow(0, values, 1).ok());
    ASSERT_TRUE(table.UpdateRow(1, values, 1).ok());
    ASSERT_TRUE(table.UpdateRow(2, values, 2).ok());
    const size_t bytes = static_cast<size_t>(RowBytes(layout));
    EXPECT_NE(std::memcmp(table.row(0), table.row(1), bytes), 0);
    EXPECT_NE(std::memcmp(table.row(0), table.row(2), bytes), 0);
    EXPECT_NE(std::memcmp(table.row(1), table.row(2), bytes), 0);
  }
}

// Ranges of width zero, subnormal widths, and the largest numbers there are.
TEST(UpdateRow, Extremes) {
  for (const Updatable& updatable : kUpdatable) {
    const RowLayout layout = LayoutFor(updatable, 4);
    const bool half = updatable.format == RowFormat::kF16 || updatable.format == RowFormat::kU4 ||
                      updatable.format == RowFormat::kU2 || updatable.parameters == DataType::kF16;
    const float largest = half                                 ? 65504.0f
                          : updatable.format == RowFormat::kU8 ? 3.4028234e38f
                                                               : 3.3895313e38f;
    EmbeddingTable table = Zeros(layout, 1);
    const std::vector<float> rows[] = {{0.0f, 0.0f, 0.0f, 0.0f},
                                       {-1.5f, -1.5f, -1.5f, -1.5f},
                                       {0.0f, -0.0f, 1e-7f, 0.0f},
                                       {largest, largest, largest, largest},
                                       {-largest, largest, -largest, largest}};
    for (const std::vector<float>& values : rows) {
      const Status status = table.UpdateRow(0, values, 3);
      ASSERT_TRUE(status.ok()) << status.message();
      const std::vector<float> back = RowOf(table, 0);
      for (size_t j = 0; j < 4; ++j) {
        // The ends of a range are met exactly but for the rounding of scale and bias.
        EXPECT_NEAR(static_cast<double>(back[j]), static_cast<double>(values[j]),
                    static_cast<double>(std::fabs(values[j])) * 2e-3 + 2e-7)
            << RowFormatName(updatable.format) << " " << values[0] << " " << j;
      }
    }
    for (const float bad : {INFINITY, -INFINITY, std::nanf("")}) {
      EXPECT_TRUE(IsError(table.UpdateRow(0, std::vector<float>{1.0f, bad, 2.0f, 3.0f}, 3), kRange,
                          "values"));
    }
    if (half) {
      EXPECT_TRUE(IsError(table.UpdateRow(0, std::vector<float>{1.0f, 65505.0f, 2.0f, 3.0f}, 3),
                          kRange, "values"));
    }
  }
}

// Whatever the seed.
TEST(UpdateRow, CopiesF32) {
  const RowLayout layout = LayoutOf(RowFormat::kF32, 5);
  EmbeddingTable table = Zeros(layout, 3);
  const std::vector<float> values = {0.1f, -0.0f, 3.4028234e38f, 1e-40f, -7.0f};
  for (const uint64_t seed : {1, 2}) {
    const Status status = table.UpdateRow(1, values, seed);
    ASSERT_TRUE(status.ok()) << status.message();
    EXPECT_EQ(std::memcmp(table.row(1), values.data(), 20), 0);
    EXPECT_EQ(RowOf(table, 0), std::vector<float>(5));
    EXPECT_EQ(RowOf(table, 2), std::vector<float>(5));
  }
  EXPECT_TRUE(
      IsError(table.UpdateRow(1, std::vector<float>{1, 2, INFINITY, 4, 5}, 1), kRange, "values"));
}

TEST(UpdateRow, RefusesWhatItMust) {
  const std::vector<float> values(8, 1.0f);
  for (const RowFormat format :
       {RowFormat::kCodebook4, RowFormat::kTwoTier4, RowFormat::kE4M3, RowFormat::kE5M2}) {
    TableData data(LayoutOf(format, 8), 2, 1);
    EmbeddingTable table =
        EmbeddingTable::Copy(data.bytes.data(), 2, data.layout,
                             ArrayView<const Half>(data.codebooks.data(), data.codebooks.size()))
            .value();
    EXPECT_TRUE(IsError(table.UpdateRow(0, values, 1), kUnsupported, "table"));
  }
  TableData data(LayoutOf(RowFormat::kU4, 8), 2, 1);
  EmbeddingTable borrowed = data.Borrow();
  EXPECT_TRUE(IsError(borrowed.UpdateRow(0, values, 1), kUnsupported, "table"));
  EmbeddingTable table = EmbeddingTable::Copy(data.bytes.data(), 2, data.layout).value();
  EXPECT_TRUE(IsError(table.UpdateRow(-1, values, 1), kRange, "index"));
  EXPECT_TRUE(IsError(table.UpdateRow(2, values, 1), kRange, "index"));
  EXPECT_TRUE(IsError(table.UpdateRow(0, std::vector<float>(7), 1), kInvalid, "values"));
  EXPECT_TRUE(
      IsError(table.UpdateRow(0, ArrayView<const float>(nullptr, 8), 1), kInvalid, "values"));
}

}  // namespace
}  // namespace qforge::test
