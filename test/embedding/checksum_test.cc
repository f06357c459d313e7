// Checksums of rows: what they are, that look-ups see every bit that flips and nothing else, and
// that tables keep them.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "embedding/bag_case.h"
#include "pack/embedding_table_data.h"
#include "support/isas.h"
#include "support/random.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kCorrupted = StatusCode::kDataCorrupted;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;

// By the definition in qforge/row_layout.h.
int64_t SumOf(const std::byte* row, int64_t bytes, const std::byte* checksum,
              int64_t checksum_bytes) {
  int64_t sum = 0;
  for (int64_t i = 0; i < bytes; ++i) sum += static_cast<int8_t>(row[i]);
  for (int64_t i = 0; i < checksum_bytes; ++i) {
    sum += (i == 0 ? 1 : 127) * static_cast<int8_t>(checksum[i]);
  }
  return sum;
}

enum class Place { kInRow, kBeside };
constexpr Place kPlaces[] = {Place::kInRow, Place::kBeside};

// A table in the test's memory, with checksums.
struct CheckedTable {
  CheckedTable(RowFormat format, int64_t dimension, Place place, uint64_t seed = 1,
               ParameterPlace parameters = ParameterPlace::kLast)
      : data(Layout(format, dimension, place, parameters), 5, seed), table(data.Borrow()) {
    if (place == Place::kBeside) {
      EXPECT_TRUE(table.AddChecksums(BestContext()).ok());
    }
  }

  static RowLayout Layout(RowFormat format, int64_t dimension, Place place,
                          ParameterPlace parameters) {
    RowLayout layout = LayoutOf(format, dimension);
    layout.checksum = place == Place::kInRow;
    layout.place = parameters;
    return layout;
  }

  int64_t content_bytes() const { return PayloadBytes(data.layout) + ParameterBytes(data.layout); }
  std::byte* checksum(int64_t row) const {
    if (data.layout.checksum) return data.row(row) + content_bytes();
    return const_cast<std::byte*>(table.table().checksums) + row * ChecksumBytes(data.layout);
  }
  std::byte* codebook_checksum(int64_t number) const {
    return const_cast<std::byte*>(table.table().codebook_checksums) + 2 * number;
  }

  TableData data;
  EmbeddingTable table;
};

EmbeddingBag MakeBag(const Context& context, const EmbeddingTable& table,
                     const EmbeddingBagOptions& options = {}) {
  return EmbeddingBag::Create(context, table, options).value();
}

// Looks the rows 3, 1, 4, 1 up in one bag, between two of others.
Status LookUpThree(const EmbeddingBag& bag, int64_t dimension) {
  static const std::vector<int64_t> kIndices = {0, 2, 3, 1, 4, 1, 0, 0};
  static const std::vector<int64_t> kOffsets = {0, 2, 6, 8};
  const TestMatrix output(DataType::kF32, 3, dimension);
  return bag.Run({kIndices, kOffsets, {}}, output.output());
}

TEST(RowChecksums, AreWhatTheLayoutSays) {
  const struct {
    RowFormat format;
    int64_t dimension;
    int64_t bytes;  // of payload and parameters
    int64_t checksum;
  } rows[] = {{RowFormat::kU4, 16, 12, 2},   {RowFormat::kU4, 242, 125, 2},
              {RowFormat::kU4, 243, 126, 3}, {RowFormat::kF32, 64, 256, 4},
              {RowFormat::kE4M3, 1, 1, 2},   {RowFormat::kF32, 1 << 20, 1 << 22, 33556}};
  for (const auto& row : rows) {
    RowLayout layout = LayoutOf(row.format, row.dimension);
    EXPECT_EQ(RowBytes(layout), row.bytes);
    layout.checksum = true;
    EXPECT_EQ(RowBytes(layout), row.bytes + row.checksum);
  }
}

// Tables that are made with checksums have the rows of those without, and checksums behind them:
// the same as this test makes.
TEST(RowChecksums, AreMadeWithTheTable) {
  Random random(1);
  for (const RowFormat format : kAllFormats) {
    for (const int64_t dimension : {1, 16, 31, 300}) {
      std::vector<float> values(static_cast<size_t>(20 * dimension));
      for (float& value : values) value = random.Real(-2.0f, 2.0f);
      const InputMatrix rows(values.data(), 20, dimension);
      TableQuantizationOptions options;
      options.format = format;
      const EmbeddingTable plain = EmbeddingTable::Quantize(BestContext(), rows, options).value();
      options.row_checksum = true;
      options.stride = RowBytes(plain.layout()) + 20;
      const EmbeddingTable checked = EmbeddingTable::Quantize(BestContext(), rows, options).value();
      EXPECT_TRUE(checked.layout().checksum);
      EXPECT_NE(checked.Describe().find("checksums in the rows"), std::string::npos);
      const int64_t bytes = RowBytes(plain.layout());
      for (int64_t i = 0; i < 20; ++i) {
        const auto* const row = static_cast<const std::byte*>(checked.row(i));
        EXPECT_EQ(std::memcmp(row, plain.row(i), static_cast<size_t>(bytes)), 0);
        EXPECT_EQ(SumOf(row, bytes, row + bytes, RowBytes(checked.layout()) - bytes), 0);
      }
      EXPECT_TRUE(checked.Scrub(BestContext(), 0, 20).ok());
      EXPECT_EQ(checked.Loss(BestContext(), rows).value(), plain.Loss(BestContext(), rows).value());
    }
  }
}

// The most extreme sums: all bytes alike.
TEST(RowChecksums, HoldTheLargestSums) {
  for (const int64_t dimension : {1, 2, 63, 124, 125, 126, 250, 251, 1000, 4096, 100000}) {
    for (const int value : {0x80, 0x7F, 0xFF, 0x00}) {
      const std::vector<uint8_t> rows(static_cast<size_t>(2 * dimension),
                                      static_cast<uint8_t>(value));
      RowLayout layout = LayoutOf(RowFormat::kE4M3, dimension);
      EmbeddingTable table = EmbeddingTable::Borrow(rows.data(), 2, layout).value();
      for (const Isa isa : SupportedIsas()) {
        const Context context = ContextFor(isa);
        ASSERT_TRUE(table.AddChecksums(context).ok());
        EXPECT_TRUE(table.Scrub(context, 0, 2).ok()) << dimension << ", " << value;
      }
      const auto* const row = reinterpret_cast<const std::byte*>(rows.data());
      EXPECT_EQ(SumOf(row, dimension, table.table().checksums, 1 + (dimension + 124) / 125), 0);
    }
  }
}

class CheckedLookUps : public EveryIsaTest {};

// Results are those without a check, and nothing is read beyond tables, indices or weights.
TEST_F(CheckedLookUps, GiveTheSameBits) {
  uint64_t seed = 0;
  for (const RowFormat format : kAllFormats) {
    for (int choice = 0; choice < 48; ++choice) {
      constexpr int64_t kDimensions[] = {1, 3, 16, 29, 64, 100, 256, 500};
      constexpr DataType kOutputs[] = {DataType::kF32, DataType::kF16, DataType::kBF16};
      Random random(++seed);
      BagCase c;
      c.layout = LayoutOf(format, kDimensions[seed % 8]);
      c.layout.checksum = choice % 2 == 0;
      c.checksums_beside = !c.layout.checksum;
      c.layout.place = random.Integer(0, 1) == 0 ? ParameterPlace::kLast : ParameterPlace::kFirst;
      if (random.Integer(0, 1) == 0) c.layout.stride = RowBytes(c.layout) + random.Integer(0, 5);
      c.pooling = static_cast<Pooling>(choice / 2 % 3);
      c.weights = static_cast<BagWeights>(choice / 6 % (c.pooling == Pooling::kNone ? 2 : 3));
      c.bounds = static_cast<BagBounds>(random.Integer(0, 2));
      c.output = kOutputs[random.Integer(0, 2)];
      c.index_bytes = random.Integer(0, 1) == 0 ? 4 : 8;
      c.mapped = choice / 18 % 2 != 0;
      c.prefetch_distance = random.Integer(0, 1) == 0 ? 0 : 4;
      c.guard = random.Integer(0, 1) == 0 ? Guard::kBehind : Guard::kInFront;
      c.seed = seed;
      if (c.pooling == Pooling::kNone && c.weights == BagWeights::kNone &&
          random.Integer(0, 2) == 0) {
        c.output = DataType::kU8;
      }
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

// Every bit of a row, of its checksum and of its codebook.
TEST_F(CheckedLookUps, SeeEveryBit) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    uint64_t seed = 0;
    for (const RowFormat format : kAllFormats) {
      // Kernel tests see every dimension on every ISA.
      constexpr int64_t kDimensions[3][2] = {{33, 64}, {1, 16}, {8, 130}};
      for (const int64_t dimension : kDimensions[static_cast<size_t>(isa) % 3]) {
        for (const Place place : kPlaces) {
          ++seed;
          CheckedTable checked(format, dimension, place, seed,
                               seed % 2 == 0 ? ParameterPlace::kLast : ParameterPlace::kFirst);
          const EmbeddingBag bag = MakeBag(context, checked.table);
          ASSERT_TRUE(LookUpThree(bag, dimension).ok());
          const auto flip_all = [&](std::byte* bytes, int64_t count, const char* what) {
            for (int64_t bit = 0; bit < 8 * count; ++bit) {
              bytes[bit / 8] ^= std::byte{1} << bit % 8;
              const Status status = LookUpThree(bag, dimension);
              bytes[bit / 8] ^= std::byte{1} << bit % 8;
              ASSERT_TRUE(IsError(status, kCorrupted, "table"))
                  << RowFormatName(format) << ", d " << dimension << ", " << what << ", bit " << bit
                  << ", " << IsaName(context.isa());
              ASSERT_NE(std::string(status.message()).find("bag 1 "), std::string::npos);
            }
          };
          flip_all(checked.data.row(1), checked.content_bytes(), "row");
          flip_all(checked.checksum(1), ChecksumBytes(checked.data.layout), "checksum");
          if (format != RowFormat::kTwoTier4) continue;
          // Nobody else may name the codebook, or another bag fails first.
          const bool first = checked.data.layout.place == ParameterPlace::kFirst;
          const std::byte* const at =
              checked.data.row(1) + (first ? 0 : PayloadBytes(checked.data.layout));
          uint16_t number;
          std::memcpy(&number, at, sizeof(number));
          const auto flip_codebook = [&](std::byte* bytes, int64_t count) {
            for (int64_t bit = 0; bit < 8 * count; ++bit) {
              bytes[bit / 8] ^= std::byte{1} << bit % 8;
              ASSERT_TRUE(IsError(LookUpThree(bag, dimension), kCorrupted, "table")) << bit;
              bytes[bit / 8] ^= std::byte{1} << bit % 8;
            }
          };
          flip_codebook(reinterpret_cast<std::byte*>(checked.data.codebooks.data() + 16 * number),
                        32);
          flip_codebook(checked.codebook_checksum(number), 2);
        }
      }
    }
    RecordChecked(context.isa());
  }
}

// In calls of more rows than there are codebooks, which look at all of these first, in calls of
// fewer, and where not every bag is checked: the first bag that names the codebook is found.
TEST_F(CheckedLookUps, SeeCodebooksInCallsOfAnySize) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const Place place : kPlaces) {
      const CheckedTable checked(RowFormat::kTwoTier4, 16, place);
      const auto number = [&](int64_t row) {
        uint16_t value;
        std::memcpy(&value, checked.data.row(row) + 8, sizeof(value));
        return value;
      };
      for (const int64_t bag_rows : {0, 1, 100}) {
        for (const int64_t interval : {1, 3}) {
          EmbeddingBagOptions options;
          options.soft_errors.sample_interval = interval;
          const EmbeddingBag bag = MakeBag(context, checked.table, options);
          std::vector<int64_t> indices, offsets = {0};
          for (int64_t row = 0; row < 5; ++row) {
            indices.insert(indices.end(), static_cast<size_t>(bag_rows), row);
            offsets.push_back(std::ssize(indices));
          }
          const TestMatrix output(DataType::kF32, 5, 16);
          for (int64_t row = 0; row < 5; ++row) {
            std::byte& byte = reinterpret_cast<std::byte*>(
                const_cast<Half*>(checked.data.codebooks.data()) + 16 * number(row))[31];
            byte ^= std::byte{0x80};
            int64_t first = 0;
            while (number(first) != number(row)) ++first;
            int errors = 0;  // calls, which check other bags each
            for (int64_t call = 0; call < interval; ++call) {
              const Status status = bag.Run({indices, offsets, {}}, output.output());
              if (status.ok()) continue;
              ++errors;
              EXPECT_TRUE(IsError(status, kCorrupted, "table")) << row;
              if (interval != 1) continue;
              const std::string name = "bag " + std::to_string(first) + " ";
              EXPECT_NE(std::string(status.message()).find(name), std::string::npos);
            }
            EXPECT_EQ(errors != 0, bag_rows != 0) << row;
            byte ^= std::byte{0x80};
            EXPECT_TRUE(bag.Run({indices, offsets, {}}, output.output()).ok());
          }
        }
      }
    }
    RecordChecked(context.isa());
  }
}

TEST_F(CheckedLookUps, SeeItWithoutPooling) {
  const std::vector<int32_t> indices = {4, 2, 0, 2, 1};
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const RowFormat format : kAllFormats) {
      for (const Place place : kPlaces) {
        for (const DataType output : {DataType::kF32, DataType::kU8}) {
          CheckedTable checked(format, 20, place);
          EmbeddingBagOptions options;
          options.pooling = Pooling::kNone;
          options.output = output;
          const EmbeddingBag bag = MakeBag(context, checked.table, options);
          const TestMatrix result(output, 5,
                                  output == DataType::kU8 ? RowBytes(checked.data.layout) : 20);
          EXPECT_TRUE(bag.Run({indices, {}, {}}, result.output()).ok());
          checked.data.row(2)[1] ^= std::byte{0x10};
          const Status status = bag.Run({indices, {}, {}}, result.output());
          EXPECT_TRUE(IsError(status, kCorrupted, "table"));
          EXPECT_NE(std::string(status.message()).find("position 1 "), std::string::npos);
          EXPECT_NE(std::string(status.message()).find("row 2 "), std::string::npos);
        }
      }
    }
    RecordChecked(context.isa());
  }
}

// A map leads to rows, and pruned ones have nothing to check.
TEST_F(CheckedLookUps, SeeItThroughAMap) {
  const std::vector<int32_t> map = {-1, 3, -1, 0};
  const std::vector<int64_t> indices = {0, 1, 2, 2, 3};
  const std::vector<int64_t> offsets = {0, 3, 4, 5};
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const Place place : kPlaces) {
      CheckedTable checked(RowFormat::kU8, 20, place);
      EmbeddingBagOptions options;
      options.row_map = map;
      const EmbeddingBag bag = MakeBag(context, checked.table, options);
      const TestMatrix result(DataType::kF32, 3, 20);
      EXPECT_TRUE(bag.Run({indices, offsets, {}}, result.output()).ok());
      checked.data.row(1)[1] ^= std::byte{1};  // nobody reads it
      EXPECT_TRUE(bag.Run({indices, offsets, {}}, result.output()).ok());
      checked.data.row(0)[1] ^= std::byte{1};
      const Status status = bag.Run({indices, offsets, {}}, result.output());
      EXPECT_TRUE(IsError(status, kCorrupted, "table"));
      EXPECT_NE(std::string(status.message()).find("bag 2 "), std::string::npos);
    }
    RecordChecked(context.isa());
  }
}

// What is not checked has the code of a table without checksums.
TEST(Checksums, CostNothingWhereTheyAreOff) {
  const auto kernels = [](const EmbeddingBag& bag) {
    const std::string text = bag.Describe();
    const size_t begin = text.find("kernels: ");
    return begin == std::string::npos ? std::string() : text.substr(begin, text.find('\n', begin));
  };
  for (const RowFormat format : kAllFormats) {
    const TableData plain(LayoutOf(format, 64), 5, 1);
    EmbeddingBagOptions off;
    off.soft_errors.policy = SoftErrorPolicy::kOff;
    for (const Place place : kPlaces) {
      CheckedTable checked(format, 64, place);
      const EmbeddingBag bag = MakeBag(BestContext(), checked.table, off);
      EXPECT_EQ(kernels(bag), kernels(MakeBag(BestContext(), plain.Borrow())));
      EXPECT_EQ(bag.Describe().find("rows are checked"), std::string::npos);
      checked.data.row(1)[0] ^= std::byte{1};
      EXPECT_TRUE(LookUpThree(bag, 64).ok());
      EXPECT_NE(MakeBag(BestContext(), checked.table).Describe().find("rows are checked"),
                std::string::npos);
    }
  }
}

// No row of 66 bytes lies in more lines than it must, but the 64 that are read without a check do,
// and both of their lines are to be prefetched.
TEST(Checksums, DoNotCountAmongLinesWhereTheyAreOff) {
  const CheckedTable checked(RowFormat::kE4M3, 64, Place::kInRow);
  EmbeddingBagOptions options;
  options.prefetch_distance = 4;
  options.soft_errors.policy = SoftErrorPolicy::kOff;
  EXPECT_EQ(MakeBag(BestContext(), checked.table, options).Describe().find("fewest"),
            std::string::npos);
}

TEST(Checksums, AreKeptByUpdates) {
  const std::vector<float> values(20, 1.5f);
  for (const RowFormat format : {RowFormat::kU8, RowFormat::kU4, RowFormat::kU2, RowFormat::kF32,
                                 RowFormat::kF16, RowFormat::kBF16}) {
    for (const Place place : kPlaces) {
      const CheckedTable source(format, 20, place);
      EmbeddingTable table =
          EmbeddingTable::Copy(source.data.bytes.data(), 5, source.data.layout).value();
      if (place == Place::kBeside) {
        ASSERT_TRUE(table.AddChecksums(BestContext()).ok());
      }
      ASSERT_TRUE(table.UpdateRow(3, values, 7).ok());
      EXPECT_TRUE(table.Scrub(BestContext(), 0, 5).ok());
      EXPECT_TRUE(LookUpThree(MakeBag(BestContext(), table), 20).ok());
    }
  }
}

TEST(Checksums, AreMadeAgain) {
  CheckedTable checked(RowFormat::kU8, 20, Place::kBeside);
  checked.data.row(1)[3] ^= std::byte{4};
  EXPECT_TRUE(IsError(checked.table.Scrub(BestContext(), 0, 5), kCorrupted, "table"));
  EXPECT_TRUE(checked.table.AddChecksums(BestContext()).ok());
  EXPECT_TRUE(checked.table.Scrub(BestContext(), 0, 5).ok());
  CheckedTable in_row(RowFormat::kU8, 20, Place::kInRow);
  EXPECT_TRUE(IsError(in_row.table.AddChecksums(BestContext()), kUnsupported, "table"));
  const EmbeddingTable plain = TableData(LayoutOf(RowFormat::kU8, 20), 0, 1).Borrow();
  EXPECT_TRUE(IsError(plain.Scrub(BestContext(), 0, 0), kUnsupported, "table"));
}

class Scrubs : public EveryIsaTest {};

TEST_F(Scrubs, NameTheFirstBadRow) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const RowFormat format : kAllFormats) {
      for (const Place place : kPlaces) {
        const auto layout = CheckedTable::Layout(format, 33, place, ParameterPlace::kLast);
        TableData data(layout, 1000, 3);
        EmbeddingTable table = data.Borrow();
        if (place == Place::kBeside) {
          ASSERT_TRUE(table.AddChecksums(context).ok());
        }
        EXPECT_TRUE(table.Scrub(context, 0, 1000).ok());
        for (const int64_t bad : {999, 500, 0}) {
          data.row(bad)[0] ^= std::byte{0x40};
          const Status status = table.Scrub(context, 0, 1000);
          EXPECT_TRUE(IsError(status, kCorrupted, "table"));
          const std::string name = "row " + std::to_string(bad) + " ";
          EXPECT_NE(std::string(status.message()).find(name), std::string::npos);
        }
        EXPECT_TRUE(table.Scrub(context, 1, 499).ok());
        EXPECT_TRUE(IsError(table.Scrub(context, 1, 500), kCorrupted, "table"));
        EXPECT_TRUE(table.Scrub(context, 501, 498).ok());
        EXPECT_TRUE(IsError(table.Scrub(context, 501, 499), kCorrupted, "table"));
        EXPECT_TRUE(table.Scrub(context, 1000, 0).ok());
        EXPECT_TRUE(IsError(table.Scrub(context, 501, 500), StatusCode::kOutOfRange, "first"));
        EXPECT_TRUE(IsError(table.Scrub(context, -1, 1), StatusCode::kOutOfRange, "first"));
      }
    }
    RecordChecked(context.isa());
  }
}

// Slices that cover the rows cover the codebooks.
TEST_F(Scrubs, SeeEveryCodebook) {
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    CheckedTable checked(RowFormat::kTwoTier4, 16, Place::kInRow);
    for (int64_t centre = 0; centre < checked.data.codebooks.size(); ++centre) {
      checked.data.codebooks[centre].bits ^= 0x100;
      int errors = 0;
      for (int64_t row = 0; row < 5; ++row) {
        const Status status = checked.table.Scrub(context, row, 1);
        if (status.ok()) continue;
        ++errors;
        const std::string name = "codebook " + std::to_string(centre / 16) + " ";
        EXPECT_NE(std::string(status.message()).find(name), std::string::npos);
      }
      EXPECT_GE(errors, 1) << centre;
      EXPECT_TRUE(IsError(checked.table.Scrub(context, 0, 5), kCorrupted, "table"));
      checked.data.codebooks[centre].bits ^= 0x100;
    }
    RecordChecked(context.isa());
  }
}

}  // namespace
}  // namespace qforge::test
