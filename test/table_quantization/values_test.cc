// What the stored values are, byte by byte, against the definition of each format.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <utility>
#include <vector>

#include "support/isas.h"
#include "table_case.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();

std::vector<uint8_t> RowOf(const std::vector<float>& values,
                           const TableQuantizationOptions& options) {
  const EmbeddingTable table = Quantize(
      BestContext(), InputMatrix(values.data(), 1, static_cast<int64_t>(values.size())), options);
  const auto* const row = static_cast<const uint8_t*>(table.row(0));
  return std::vector<uint8_t>(row, row + RowBytes(table.layout()));
}

using Row = std::vector<uint8_t>;

TEST(StoredRows, U8) {
  // 0 to 255: scale 1, bias 0.
  EXPECT_EQ(RowOf({0, 255, 3, 2.5f, 3.5f}, Options(RowFormat::kU8)),
            (Row{0, 255, 3, 2, 4, 0, 0, 0x80, 0x3F, 0, 0, 0, 0}));
  TableQuantizationOptions first = Options(RowFormat::kU8, RangeSearch::kMinMax, DataType::kF16);
  first.place = ParameterPlace::kFirst;
  EXPECT_EQ(RowOf({-2, 253, 1}, first), (Row{0x00, 0x3C, 0x00, 0xC0, 0, 255, 3}));
}

TEST(StoredRows, U4AndU2) {
  // Scale 0.5, bias -1; the first code in the lowest bits, the last byte filled up with zeros.
  EXPECT_EQ(RowOf({-1, 6.5f, 0, 0.74f, 2}, Options(RowFormat::kU4)),
            (Row{0xF0, 0x32, 0x06, 0x00, 0x38, 0x00, 0xBC}));
  EXPECT_EQ(RowOf({1, 4, 3, 2, 4}, Options(RowFormat::kU2)),
            (Row{0b01101100, 0b11, 0x00, 0x3C, 0x00, 0x3C}));
}

TEST(StoredRows, Symmetric) {
  // [-7.5, 7.5].
  EXPECT_EQ(RowOf({7.5f, 0.4f, -1}, Options(RowFormat::kU4, RangeSearch::kSymmetric)),
            (Row{0x8F, 0x06, 0x00, 0x3C, 0x80, 0xC7}));
}

TEST(StoredRows, Codebook) {
  std::vector<float> values;
  Row expected;
  for (int i = 0; i < 16; ++i) values.push_back(static_cast<float>(15 - i));
  for (int i = 0; i < 8; ++i)
    expected.push_back(static_cast<uint8_t>((15 - 2 * i) | (14 - 2 * i) << 4));
  for (int i = 0; i < 16; ++i) {
    const Half centre = ToHalf(static_cast<float>(i));
    expected.push_back(static_cast<uint8_t>(centre.bits & 0xFF));
    expected.push_back(static_cast<uint8_t>(centre.bits >> 8));
  }
  EXPECT_EQ(RowOf(values, Options(RowFormat::kCodebook4)), expected);
}

TEST(StoredRows, Floats) {
  EXPECT_EQ(RowOf({1.0f, -2.0f}, Options(RowFormat::kF32)), (Row{0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0}));
  EXPECT_EQ(RowOf({1.0f, -2.0f, 65520.0f}, Options(RowFormat::kF16)),
            (Row{0, 0x3C, 0, 0xC0, 0xFF, 0x7B}));
  EXPECT_EQ(RowOf({1.0f, -2.0f, kInfinity}, Options(RowFormat::kBF16)),
            (Row{0x80, 0x3F, 0, 0xC0, 0x7F, 0x7F}));
  EXPECT_EQ(RowOf({0.0f, 1.0f, -1.125f, 480.0f, 1e9f, -1e9f}, Options(RowFormat::kE4M3)),
            (Row{0x00, 0x38, 0xB9, 0x7F, 0x7F, 0xFF}));
  EXPECT_EQ(RowOf({0.0f, 1.0f, -1.25f, 57344.0f, 1e9f, -1e9f}, Options(RowFormat::kE5M2)),
            (Row{0x00, 0x3C, 0xBD, 0x7B, 0x7B, 0xFB}));
}

// As ToHalf() and ToBFloat16() round, but within the finite range.
TEST(StoredRows, FloatsOf16BitsRoundToNearestEven) {
  const auto check = [](RowFormat format, int first_not_finite, auto value_of, auto round) {
    std::vector<float> values;
    for (int code = 0; code < first_not_finite; ++code) {
      // A value, and around the middle between it and the next.
      const double a = static_cast<double>(value_of(code));
      const double b = code + 1 == first_not_finite ? a : static_cast<double>(value_of(code + 1));
      const float middle = static_cast<float>(a + (b - a) / 2);
      for (const float x : {static_cast<float>(a), std::nextafter(middle, 0.0f), middle,
                            std::nextafter(middle, kInfinity)}) {
        values.push_back(x);
        values.push_back(-x);
      }
    }
    const Row row = RowOf(values, Options(format));
    ASSERT_EQ(row.size(), 2 * values.size());
    for (size_t i = 0; i < values.size(); ++i) {
      ASSERT_EQ(row[2 * i] | row[2 * i + 1] << 8, round(values[i])) << values[i];
    }
  };
  check(
      RowFormat::kF16, 0x7C00, [](int code) { return ToFloat(Half{static_cast<uint16_t>(code)}); },
      [](float x) { return ToHalf(x).bits; });
  check(
      RowFormat::kBF16, 0x7F80,
      [](int code) { return ToFloat(BFloat16{static_cast<uint16_t>(code)}); },
      [](float x) { return ToBFloat16(x).bits; });
}

// No value becomes infinite, and so no loss.
TEST(StoredRows, OfFloatsStayFinite) {
  const std::vector<float> values = {1e6f, -1e6f, 65520.0f, -kLargest, kInfinity, 1.0f};
  const InputMatrix rows(values.data(), 1, 6);
  for (const auto& [format, largest] :
       {std::pair(RowFormat::kF16, 65504.0f), std::pair(RowFormat::kBF16, 0x1.FEp127f),
        std::pair(RowFormat::kE4M3, 480.0f), std::pair(RowFormat::kE5M2, 57344.0f)}) {
    const EmbeddingTable table = Quantize(BestContext(), rows, Options(format));
    float decoded[6];
    ASSERT_TRUE(table.Dequantize(BestContext(), 0, OutputMatrix(decoded, 1, 6)).ok());
    EXPECT_EQ(decoded[3], -largest) << RowFormatName(format);
    EXPECT_EQ(decoded[4], largest) << RowFormatName(format);
    EXPECT_EQ(decoded[5], 1.0f) << RowFormatName(format);
    const Result<double> loss = table.Loss(BestContext(), rows);
    EXPECT_TRUE(loss.ok() && *loss <= 1.0) << RowFormatName(format);
  }
}

TEST(StoredRows, ConstantsComeBack) {
  for (const float value : {0.0f, 1.0f, -3.5f, 0.1f, 1e-3f, 65504.0f}) {
    const std::vector<float> row(11, value);
    for (const TableQuantizationOptions& options : AllOptions()) {
      if (options.format == RowFormat::kE4M3 || options.format == RowFormat::kE5M2) continue;
      if (options.method == RangeSearch::kSymmetric) continue;
      const EmbeddingTable table = Quantize(BestContext(), InputMatrix(row.data(), 1, 11), options);
      std::vector<float> decoded(11);
      ASSERT_TRUE(table.Dequantize(BestContext(), 0, OutputMatrix(decoded.data(), 1, 11)).ok());
      for (const float x : decoded) {
        EXPECT_NEAR(x, value, 0.005f * std::abs(value)) << Describe(options);
      }
    }
  }
}

TEST(StoredRows, ValuesThatAreNotFinite) {
  for (const TableQuantizationOptions& options : AllOptions()) {
    EXPECT_EQ(RowOf({1, kNan, -2, kInfinity, 3, -kInfinity}, options),
              RowOf({1, 0, -2, kLargest, 3, -kLargest}, options))
        << Describe(options);
    // From f16, the largest finite f16.
    const Half odd[4] = {{0x3C00}, {0x7E01}, {0x7C00}, {0xFC00}};
    const Half plain[4] = {{0x3C00}, {0x0000}, {0x7BFF}, {0xFBFF}};
    EXPECT_EQ(Bytes(Quantize(BestContext(), InputMatrix(odd, 1, 4), options)),
              Bytes(Quantize(BestContext(), InputMatrix(plain, 1, 4), options)))
        << Describe(options);
  }
}

// Every value goes to the nearest of all bytes, ties to the even one, whatever the exponent bias.
class Float8 : public EveryIsaTest {
 protected:
  void Check(RowFormat format, int exponent_bias) {
    RowLayout layout;
    layout.format = format;
    layout.dimension = 256;
    layout.exponent_bias = exponent_bias;
    uint8_t all[256];
    for (int i = 0; i < 256; ++i) all[i] = static_cast<uint8_t>(i);
    const Result<EmbeddingTable> table = EmbeddingTable::Borrow(all, 1, layout);
    ASSERT_TRUE(table.ok()) << table.status().message();
    std::vector<float> decoded(256);
    ASSERT_TRUE(table->Dequantize(BestContext(), 0, OutputMatrix(decoded.data(), 1, 256)).ok());
    std::vector<float> values, expected;
    const auto add = [&](float value, float nearest) {
      for (const float sign : {1.0f, -1.0f}) {
        values.push_back(sign * value);
        expected.push_back(sign * nearest);
      }
    };
    int last = 0;
    while (last < 127 && std::isfinite(decoded[static_cast<size_t>(last + 1)])) ++last;
    for (int i = 0; i < last; ++i) {
      const float a = decoded[static_cast<size_t>(i)], b = decoded[static_cast<size_t>(i + 1)];
      const float middle = a + (b - a) / 2;
      add(a, a);
      add(std::nextafter(middle, 0.0f), a);
      add(middle, i % 2 == 0 ? a : b);
      add(std::nextafter(middle, kInfinity), b);
    }
    const float largest = decoded[static_cast<size_t>(last)];
    add(largest, largest);
    add(largest * 1.5f, largest);
    add(kInfinity, largest);

    TableQuantizationOptions options = Options(format);
    options.exponent_bias = exponent_bias;
    const auto columns = static_cast<int64_t>(values.size());
    for (const Isa isa : SupportedIsas()) {
      const Context context = MakeContext(isa);
      const EmbeddingTable rounded =
          Quantize(context, InputMatrix(values.data(), 1, columns), options);
      std::vector<float> actual(values.size());
      ASSERT_TRUE(rounded.Dequantize(context, 0, OutputMatrix(actual.data(), 1, columns)).ok());
      for (size_t i = 0; i < values.size(); ++i) {
        ASSERT_EQ(actual[i], expected[i])
            << RowFormatName(format) << ", bias " << exponent_bias << ", " << values[i];
      }
      RecordChecked(context.isa());
    }
  }
};

TEST_F(Float8, RoundsToNearestEven) {
  for (int bias = 1; bias <= 31; ++bias) {
    Check(RowFormat::kE4M3, bias);
    Check(RowFormat::kE5M2, bias);
    if (HasFatalFailure()) return;
  }
}

}  // namespace
}  // namespace qforge::test
