// The bytes of a table do not depend on where it was made: every ISA and number of threads gives
// those of the scalar truth, from rows of any stride, and touches nothing beyond them.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <cstdint>
#include <vector>

#include "support/isas.h"
#include "support/thread_pools.h"
#include "table_case.h"

namespace qforge::test {
namespace {

class TableBytes : public EveryIsaTest {};

std::vector<int64_t> Dimensions() {
  std::vector<int64_t> dimensions;
  for (int64_t dimension = 1; dimension <= 70; ++dimension) dimensions.push_back(dimension);
  for (const int64_t dimension : {100, 128, 300}) dimensions.push_back(dimension);
  return dimensions;
}

void ExpectSameOnEveryIsa(const InputMatrix& rows, const TableQuantizationOptions& options) {
  const std::vector<std::byte> expected = Bytes(Quantize(MakeContext(Isa::kScalar), rows, options));
  for (const Isa isa : SupportedIsas()) {
    const Context context = MakeContext(isa);
    ASSERT_EQ(Bytes(Quantize(context, rows, options)), expected)
        << IsaName(isa) << ", " << Describe(options) << ", dimension " << rows.cols;
    RecordChecked(context.isa());
  }
}

TEST_F(TableBytes, AreTheSameOnEveryIsaForEveryDimension) {
  Random random(1);
  for (const int64_t dimension : Dimensions()) {
    const Guard guard = dimension % 2 == 0 ? Guard::kBehind : Guard::kInFront;
    for (const DataType type : {DataType::kF32, DataType::kF16}) {
      TestMatrix rows(type, 3, dimension, /*gap=*/dimension % 3, guard);
      rows.Set([&](int64_t, int64_t) { return Normal(random); });
      rows.Seal();
      for (TableQuantizationOptions options : AllOptions()) {
        // What the two types have in common is seen once.
        if (type == DataType::kF16 && options.method != RangeSearch::kMinMax) continue;
        if (dimension > 70) options.bins = 20;
        ExpectSameOnEveryIsa(rows.input(), options);
        if (HasFatalFailure()) return;
      }
    }
  }
}

TEST_F(TableBytes, AreTheSameOnEveryIsaForDifficultRows) {
  for (const int64_t dimension : {1, 7, 33}) {
    const TestMatrix rows = DifficultRows(dimension, 2);
    for (const TableQuantizationOptions& options : AllOptions()) {
      ExpectSameOnEveryIsa(rows.input(), options);
      if (HasFatalFailure()) return;
    }
  }
}

TEST(TableThreads, DoNotChangeTheBytes) {
  // More rows than are done at a time.
  const TestMatrix rows = NormalRows(700, 40, 3);
  FixedPool two(2);
  BackwardPool backward(3);
  for (const TableQuantizationOptions& options : AllOptions()) {
    const EmbeddingTable alone = Quantize(BestContext(), rows.input(), options);
    const Result<double> loss = alone.Loss(BestContext(), rows.input());
    ASSERT_TRUE(loss.ok()) << loss.status().message();
    for (ThreadPool* pool : {static_cast<ThreadPool*>(&two), static_cast<ThreadPool*>(&backward)}) {
      const Context context = MakeContext(Isa::kAvx512Vnni, pool);
      EXPECT_EQ(Bytes(Quantize(context, rows.input(), options)), Bytes(alone)) << Describe(options);
      const Result<double> other = alone.Loss(context, rows.input());
      ASSERT_TRUE(other.ok()) << other.status().message();
      EXPECT_EQ(*other, *loss) << Describe(options);
    }
  }
}

TEST(TableFloatEnvironment, OfTheHostDoesNotMatter) {
  const TestMatrix rows = DifficultRows(33, 6);
  for (const Isa isa : {Isa::kScalar, Isa::kAvx512Vnni}) {
    const Context context = MakeContext(isa);
    for (const TableQuantizationOptions& options : AllOptions()) {
      const EmbeddingTable expected = Quantize(context, rows.input(), options);
      const Result<double> expected_loss = expected.Loss(context, rows.input());
      const unsigned found = _mm_getcsr();
      // Up, flush to zero, denormals are zero.
      _mm_setcsr((found & ~0x6000u) | 0x4000u | 0x8040u);
      const EmbeddingTable table = Quantize(context, rows.input(), options);
      const Result<double> loss = table.Loss(context, rows.input());
      _mm_setcsr(found);
      EXPECT_EQ(Bytes(table), Bytes(expected)) << Describe(options) << ", " << IsaName(isa);
      EXPECT_EQ(*loss, *expected_loss) << Describe(options) << ", " << IsaName(isa);
    }
  }
}

// Payload and parameters change places, and the gap that a stride leaves is zeros.
TEST(TablePlaces, HoldTheSamePayloadAndParameters) {
  const TestMatrix rows = NormalRows(5, 21, 4);
  for (TableQuantizationOptions options : AllOptions()) {
    const EmbeddingTable plain = Quantize(BestContext(), rows.input(), options);
    const int64_t row_bytes = RowBytes(plain.layout());
    options.place = ParameterPlace::kFirst;
    options.stride = row_bytes + 13;
    const EmbeddingTable other = Quantize(BestContext(), rows.input(), options);
    EXPECT_EQ(other.layout().stride, row_bytes + 13);
    RowLayout bare = plain.layout();
    const int64_t payload_bytes = bare.format == RowFormat::kU8   ? 21
                                  : bare.format == RowFormat::kU2 ? 6
                                  : bare.format == RowFormat::kU4 ||
                                          bare.format == RowFormat::kCodebook4 ||
                                          bare.format == RowFormat::kTwoTier4
                                      ? 11
                                      : row_bytes;
    for (int64_t i = 0; i < 5; ++i) {
      const auto* const last = static_cast<const std::byte*>(plain.row(i));
      const auto* const first = static_cast<const std::byte*>(other.row(i));
      std::vector<std::byte> expected(last + payload_bytes, last + row_bytes);
      expected.insert(expected.end(), last, last + payload_bytes);
      expected.resize(static_cast<size_t>(row_bytes + 13), std::byte{0});
      EXPECT_EQ(std::vector<std::byte>(first, first + row_bytes + 13), expected)
          << Describe(options) << ", row " << i;
    }
  }
}

TEST(TableOfNoRows, IsMade) {
  for (const TableQuantizationOptions& options : AllOptions()) {
    const float nothing = 0.0f;
    const EmbeddingTable table = Quantize(BestContext(), InputMatrix(&nothing, 0, 9), options);
    EXPECT_EQ(table.rows(), 0);
    EXPECT_EQ(table.dimension(), 9);
    const Result<double> loss = table.Loss(BestContext(), InputMatrix(&nothing, 0, 9));
    ASSERT_TRUE(loss.ok()) << loss.status().message();
    EXPECT_EQ(*loss, 0.0);
  }
}

TEST(TableOfLongRows, IsMade) {
  const TestMatrix rows = NormalRows(2, 5000, 5);
  for (TableQuantizationOptions options : AllOptions()) {
    options.bins = 10;
    const EmbeddingTable table = Quantize(BestContext(), rows.input(), options);
    const double limit = options.format == RowFormat::kU2 ? 0.8 : 0.2;
    EXPECT_LT(NormalisedLoss(table, rows), limit) << Describe(options);
  }
}

}  // namespace
}  // namespace qforge::test
