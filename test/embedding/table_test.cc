// EmbeddingTable: layouts, ownership, decoding, and what is refused.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "embedding/bag_case.h"
#include "qforge/embedding_table.h"
#include "support/status_matchers.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;
constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

// --- Layouts -------------------------------------------------------------------------------------

TEST(RowBytes, AreThoseOfTheDefinition) {
  const struct {
    RowFormat format;
    const char* name;
    int64_t of_1, of_5, of_64;
  } expected[] = {{RowFormat::kF32, "f32", 4, 20, 256},
                  {RowFormat::kF16, "f16", 2, 10, 128},
                  {RowFormat::kBF16, "bf16", 2, 10, 128},
                  {RowFormat::kU8, "u8", 9, 13, 72},
                  {RowFormat::kU4, "u4", 5, 7, 36},
                  {RowFormat::kU2, "u2", 5, 6, 20},
                  {RowFormat::kCodebook4, "codebook4", 33, 35, 64},
                  {RowFormat::kTwoTier4, "twotier4", 3, 5, 34},
                  {RowFormat::kE4M3, "e4m3", 1, 5, 64},
                  {RowFormat::kE5M2, "e5m2", 1, 5, 64}};
  static_assert(sizeof(expected) / sizeof(*expected) == kRowFormatCount);
  for (const auto& row : expected) {
    EXPECT_EQ(RowBytes(LayoutOf(row.format, 1)), row.of_1) << row.name;
    EXPECT_EQ(RowBytes(LayoutOf(row.format, 5)), row.of_5) << row.name;
    EXPECT_EQ(RowBytes(LayoutOf(row.format, 64)), row.of_64) << row.name;
    EXPECT_STREQ(RowFormatName(row.format), row.name);
  }
  EXPECT_STREQ(RowFormatName(static_cast<RowFormat>(200)), "unknown");
  RowLayout layout = LayoutOf(RowFormat::kU8, 64);
  layout.parameters = DataType::kF16;
  EXPECT_EQ(RowBytes(layout), 68);
  layout.stride = 100;
  EXPECT_EQ(RowBytes(layout), 68);
}

struct BadLayout {
  const char* name;
  RowFormat format;
  void (*spoil)(RowLayout&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadLayout& x) { return out << x.name; }
};

const BadLayout kBadLayouts[] = {
    {"format", RowFormat::kU8, [](auto& l) { l.format = static_cast<RowFormat>(10); }, kInvalid,
     "layout.format"},
    {"dimension_zero", RowFormat::kU8, [](auto& l) { l.dimension = 0; }, kRange,
     "layout.dimension"},
    {"dimension_negative", RowFormat::kF32, [](auto& l) { l.dimension = -4; }, kRange,
     "layout.dimension"},
    {"dimension_too_large", RowFormat::kU2, [](auto& l) { l.dimension = (1 << 20) + 1; }, kRange,
     "layout.dimension"},
    {"parameters_of_u8", RowFormat::kU8, [](auto& l) { l.parameters = DataType::kBF16; }, kInvalid,
     "layout.parameters"},
    {"parameters_of_u4", RowFormat::kU4, [](auto& l) { l.parameters = DataType::kF32; }, kInvalid,
     "layout.parameters"},
    {"parameters_of_f32", RowFormat::kF32, [](auto& l) { l.parameters = DataType::kF32; }, kInvalid,
     "layout.parameters"},
    {"place", RowFormat::kU8, [](auto& l) { l.place = static_cast<ParameterPlace>(2); }, kInvalid,
     "layout.place"},
    {"stride_too_small", RowFormat::kU8, [](auto& l) { l.stride = 15; }, kRange, "layout.stride"},
    {"stride_negative", RowFormat::kU8, [](auto& l) { l.stride = -16; }, kRange, "layout.stride"},
    {"bias_of_u8", RowFormat::kU8, [](auto& l) { l.exponent_bias = 7; }, kRange,
     "layout.exponent_bias"},
    {"bias_too_large", RowFormat::kE4M3, [](auto& l) { l.exponent_bias = 32; }, kRange,
     "layout.exponent_bias"},
    {"bias_negative", RowFormat::kE5M2, [](auto& l) { l.exponent_bias = -1; }, kRange,
     "layout.exponent_bias"},
};

class BadLayouts : public ::testing::TestWithParam<BadLayout> {};

TEST_P(BadLayouts, AreRefused) {
  RowLayout layout = LayoutOf(GetParam().format, 8);
  const std::vector<char> bytes(1000);
  EXPECT_TRUE(EmbeddingTable::Borrow(bytes.data(), 4, layout).ok());
  EXPECT_GT(RowBytes(layout), 0);
  GetParam().spoil(layout);
  EXPECT_TRUE(IsError(EmbeddingTable::Borrow(bytes.data(), 4, layout).status(), GetParam().code,
                      GetParam().field));
  EXPECT_TRUE(IsError(EmbeddingTable::Copy(bytes.data(), 4, layout).status(), GetParam().code,
                      GetParam().field));
  EXPECT_EQ(RowBytes(layout), 0);
}

INSTANTIATE_TEST_SUITE_P(Table, BadLayouts, ::testing::ValuesIn(kBadLayouts),
                         [](const auto& info) { return info.param.name; });

TEST(BadTables, AreRefused) {
  const std::vector<char> bytes(1000);
  const std::vector<Half> halves(64);
  const auto make = [](const void* data, int64_t rows, const RowLayout& layout,
                       ArrayView<const Half> codebooks = {}) {
    const Status borrowed = EmbeddingTable::Borrow(data, rows, layout, codebooks).status();
    EXPECT_STREQ(borrowed.message(),
                 EmbeddingTable::Copy(data, rows, layout, codebooks).status().message());
    return borrowed;
  };
  const RowLayout plain = LayoutOf(RowFormat::kU8, 8);
  RowLayout wide = plain;
  wide.stride = kHuge / 4;
  const RowLayout two_tier = LayoutOf(RowFormat::kTwoTier4, 8);
  EXPECT_TRUE(IsError(make(nullptr, 4, plain), kInvalid, "data"));
  EXPECT_TRUE(IsError(make(bytes.data(), -1, plain), kRange, "rows"));
  EXPECT_TRUE(IsError(make(bytes.data(), 5, wide), kRange, "rows"));
  EXPECT_TRUE(IsError(make(bytes.data(), 4, plain, halves), kInvalid, "codebooks"));
  EXPECT_TRUE(IsError(make(bytes.data(), 4, two_tier), kInvalid, "codebooks"));
  EXPECT_TRUE(IsError(make(bytes.data(), 4, two_tier, ArrayView<const Half>(halves.data(), 31)),
                      kInvalid, "codebooks"));
  EXPECT_TRUE(IsError(make(bytes.data(), 4, two_tier, ArrayView<const Half>(nullptr, 32)), kInvalid,
                      "codebooks"));
  EXPECT_TRUE(IsError(
      make(bytes.data(), 4, two_tier, ArrayView<const Half>(halves.data(), int64_t{65537} * 16)),
      kInvalid, "codebooks"));
}

// --- Ownership -----------------------------------------------------------------------------------

TEST(Tables, BorrowOrCopy) {
  for (const RowFormat format : kAllFormats) {
    RowLayout layout = LayoutOf(format, 13);
    layout.stride = RowBytes(layout) + 3;
    TableData data(layout, 6, 3);
    const ArrayView<const Half> codebooks(data.codebooks.data(), data.codebooks.size());
    const EmbeddingTable borrowed =
        EmbeddingTable::Borrow(data.bytes.data(), 6, layout, codebooks).value();
    const EmbeddingTable copied =
        EmbeddingTable::Copy(data.bytes.data(), 6, layout, codebooks).value();
    EXPECT_EQ(borrowed.row(2), data.row(2));
    EXPECT_NE(copied.row(2), data.row(2));
    for (const EmbeddingTable* table : {&borrowed, &copied}) {
      EXPECT_EQ(table->rows(), 6);
      EXPECT_EQ(table->dimension(), 13);
      EXPECT_EQ(table->layout().stride, layout.stride);
      EXPECT_EQ(table->layout().parameters, data.layout.parameters);
      EXPECT_EQ(table->layout().exponent_bias, data.layout.exponent_bias);
      EXPECT_EQ(table->bytes(), static_cast<int64_t>(data.bytes.size()) + codebooks.size() * 2);
      EXPECT_EQ(table->codebooks().size(), codebooks.size());
      EXPECT_NE(table->Describe().find(RowFormatName(format)), std::string::npos);
    }
    EXPECT_NE(borrowed.Describe().find("borrowed"), std::string::npos);
    EXPECT_NE(copied.Describe().find("owned"), std::string::npos);
    const std::vector<float> before = data.Row(5);
    std::memset(data.row(5), 0x11, static_cast<size_t>(RowBytes(layout)));
    float decoded[13];
    ASSERT_TRUE(copied.Dequantize(Context::Create().value(), 5, OutputMatrix(decoded, 1, 13)).ok());
    EXPECT_EQ(std::vector<float>(decoded, decoded + 13), before) << RowFormatName(format);
    ASSERT_TRUE(
        borrowed.Dequantize(Context::Create().value(), 5, OutputMatrix(decoded, 1, 13)).ok() ||
        format == RowFormat::kTwoTier4);  // codebook 0x1111 is not there
    if (format != RowFormat::kTwoTier4) {
      EXPECT_EQ(std::vector<float>(decoded, decoded + 13), data.Row(5)) << RowFormatName(format);
    }
  }
}

TEST(Tables, WithoutRows) {
  for (const RowFormat format : kAllFormats) {
    const EmbeddingTable table = EmbeddingTable::Copy(nullptr, 0, LayoutOf(format, 4)).value();
    EXPECT_EQ(table.rows(), 0);
    EXPECT_EQ(table.bytes(), 0);
    EXPECT_TRUE(table
                    .Dequantize(Context::Create().value(), 0,
                                OutputMatrix(static_cast<float*>(nullptr), 0, 4))
                    .ok());
    EXPECT_NE(table.Describe().find("owned"), std::string::npos);
  }
}

// --- Dequantize ----------------------------------------------------------------------------------

using Dequantize = EveryIsaTest;

TEST_F(Dequantize, GivesTheDefinition) {
  FixedPool pool(2);
  for (const RowFormat format : kAllFormats) {
    for (const ParameterPlace place : {ParameterPlace::kLast, ParameterPlace::kFirst}) {
      for (const int64_t dimension : {1, 2, 3, 5, 64, 101}) {
        // More rows than one call of a kernel decodes, and than one thread.
        const int64_t rows = dimension == 1 ? 20000 : 300;
        RowLayout layout = LayoutOf(format, dimension);
        layout.place = place;
        TableData data(layout, rows + 4, 7, Guard::kInFront, true);
        TestMatrix expected(DataType::kF32, rows, dimension, 2);
        for (int64_t i = 0; i < rows; ++i) {
          const std::vector<float> row = data.Row(3 + i);
          std::copy(row.begin(), row.end(), expected.data<float>() + i * expected.stride());
        }
        data.Seal();
        for (const Isa isa : SupportedIsas()) {
          const Context context = ContextFor(isa, &pool);
          const TestMatrix result(DataType::kF32, rows, dimension, 2);
          ASSERT_TRUE(data.Borrow().Dequantize(context, 3, result.output()).ok());
          EXPECT_TRUE(SameBits(expected, result)) << RowFormatName(format) << " " << dimension;
          RecordChecked(context.isa());
        }
      }
    }
  }
}

// Rows are decoded on all threads.
TEST_F(Dequantize, SharesRows) {
  const TableData data(LayoutOf(RowFormat::kU4, 64), 1000, 1);
  const TestMatrix result(DataType::kF32, 1000, 64);
  for (const Isa isa : SupportedIsas()) {
    CountingPool pool;
    const Context context = ContextFor(isa, &pool);
    ASSERT_TRUE(data.Borrow().Dequantize(context, 0, result.output()).ok());
    EXPECT_EQ(pool.tasks, 2);
    RecordChecked(context.isa());
  }
}

TEST(BadDequantize, IsRefused) {
  const Context context = Context::Create().value();
  TableData data(LayoutOf(RowFormat::kTwoTier4, 4), 9, 7);
  const EmbeddingTable table = data.Borrow();
  float out[36] = {};
  EXPECT_TRUE(table.Dequantize(context, 0, OutputMatrix(out, 9, 4)).ok());
  EXPECT_TRUE(IsError(table.Dequantize(context, -1, OutputMatrix(out, 1, 4)), kRange, "first"));
  EXPECT_TRUE(IsError(table.Dequantize(context, 1, OutputMatrix(out, 9, 4)), kRange, "first"));
  EXPECT_TRUE(IsError(table.Dequantize(context, kHuge, OutputMatrix(out, 1, 4)), kRange, "first"));
  EXPECT_TRUE(IsError(table.Dequantize(context, 0, OutputMatrix(out, 9, 3)), kInvalid, "output"));
  EXPECT_TRUE(
      IsError(table.Dequantize(context, 0, OutputMatrix(static_cast<float*>(nullptr), 9, 4)),
              kInvalid, "output"));
  EXPECT_TRUE(
      IsError(table.Dequantize(context, 0,
                               OutputMatrix(reinterpret_cast<float*>(data.codebooks.data()), 1, 4)),
              kInvalid, "output"));
  data.row(8)[2] = std::byte{5};
  data.row(8)[3] = std::byte{0};
  EXPECT_TRUE(table.Dequantize(context, 0, OutputMatrix(out, 8, 4)).ok());
  out[0] = 77.0f;
  EXPECT_TRUE(IsError(table.Dequantize(context, 0, OutputMatrix(out, 9, 4)), kRange, "table"));
  EXPECT_EQ(out[0], 77.0f);
}

// --- The rows of FBGEMM and PyTorch
// ----------------------------------------------------------------

std::vector<float> Decoded(RowFormat format, const std::vector<uint8_t>& row, int64_t dimension) {
  EXPECT_EQ(RowBytes(LayoutOf(format, dimension)), static_cast<int64_t>(row.size()));
  std::vector<float> values(static_cast<size_t>(dimension));
  EXPECT_TRUE(
      EmbeddingTable::Borrow(row.data(), 1, LayoutOf(format, dimension))
          .value()
          .Dequantize(Context::Create().value(), 0, OutputMatrix(values.data(), 1, dimension))
          .ok());
  return values;
}

// A fused 8-bit row: bytes, scale as f32, bias as f32. Here 0.5 and -3.
TEST(GoldenBytes, Fused8Bit) {
  EXPECT_EQ(
      Decoded(RowFormat::kU8, {0, 1, 6, 255, 0x00, 0x00, 0x00, 0x3F, 0x00, 0x00, 0x40, 0xC0}, 4),
      (std::vector<float>{-3.0f, -2.5f, 0.0f, 124.5f}));
}

// 4-bit "SBHalf": two values per byte, the first in the lower half; scale and bias as f16. Here
// 0.25 and 1.
TEST(GoldenBytes, SbHalf4Bit) {
  EXPECT_EQ(Decoded(RowFormat::kU4, {0xF0, 0x21, 0x08, 0x00, 0x34, 0x00, 0x3C}, 5),
            (std::vector<float>{1.0f, 4.75f, 1.25f, 1.5f, 3.0f}));
}

// 2-bit "SBHalf": four values per byte, the first in the lowest bits. Here 2 and -1.5.
TEST(GoldenBytes, SbHalf2Bit) {
  EXPECT_EQ(Decoded(RowFormat::kU2, {0xE4, 0x01, 0x00, 0x40, 0x00, 0xBE}, 5),
            (std::vector<float>{-1.5f, 0.5f, 2.5f, 4.5f, 0.5f}));
}

// Unused bits of the last byte do not matter.
TEST(GoldenBytes, UnusedBitsAreIgnored) {
  EXPECT_EQ(Decoded(RowFormat::kU4, {0xF0, 0x21, 0xF8, 0x00, 0x34, 0x00, 0x3C}, 5),
            (std::vector<float>{1.0f, 4.75f, 1.25f, 1.5f, 3.0f}));
  EXPECT_EQ(Decoded(RowFormat::kU2, {0xE4, 0xFD, 0x00, 0x40, 0x00, 0xBE}, 5),
            (std::vector<float>{-1.5f, 0.5f, 2.5f, 4.5f, 0.5f}));
}

TEST(GoldenBytes, SmallFloats) {
  // 0, smallest subnormal, 1, largest, and their negatives.
  EXPECT_EQ(Decoded(RowFormat::kE4M3, {0x00, 0x01, 0x38, 0x7F, 0x81, 0xB8, 0xFF}, 7),
            (std::vector<float>{0.0f, 0x1p-9f, 1.0f, 480.0f, -0x1p-9f, -1.0f, -480.0f}));
  const std::vector<float> e5m2 =
      Decoded(RowFormat::kE5M2, {0x00, 0x01, 0x3C, 0x7B, 0x7C, 0xFC, 0x7D}, 7);
  EXPECT_EQ(std::vector<float>(e5m2.begin(), e5m2.end() - 1),
            (std::vector<float>{0.0f, 0x1p-16f, 1.0f, 57344.0f, INFINITY, -INFINITY}));
  EXPECT_TRUE(std::isnan(e5m2[6]));
}

}  // namespace
}  // namespace qforge::test
