// Results of look-ups, on every ISA, against their definition.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "embedding/bag_case.h"

namespace qforge::test {
namespace {

std::string NameOf(const ::testing::TestParamInfo<RowFormat>& info) {
  return RowFormatName(info.param);
}

class LookUp : public EveryIsaTest, public ::testing::WithParamInterface<RowFormat> {};
INSTANTIATE_TEST_SUITE_P(Formats, LookUp, ::testing::ValuesIn(kAllFormats), NameOf);

constexpr Pooling kPoolings[] = {Pooling::kSum, Pooling::kMean, Pooling::kNone};
constexpr BagWeights kWeights[] = {BagWeights::kNone, BagWeights::kPerPosition,
                                   BagWeights::kPerBagPosition};
constexpr BagBounds kBounds[] = {BagBounds::kOffsets, BagBounds::kOffsetsNoLast,
                                 BagBounds::kLengths};
constexpr DataType kOutputs[] = {DataType::kF32, DataType::kF16, DataType::kBF16};

// Everything a caller can choose, each with each.
TEST_P(LookUp, EveryCombination) {
  BagCase c;
  for (const Pooling pooling : kPoolings) {
    for (const BagWeights weights : kWeights) {
      if (pooling == Pooling::kNone && weights == BagWeights::kPerBagPosition) continue;
      for (const DataType output : kOutputs) {
        ++c.seed;
        c.layout = LayoutOf(GetParam(), 21);
        c.pooling = pooling;
        c.weights = weights;
        c.output = output;
        for (const int index_bytes : {4, 8}) {
          c.index_bytes = index_bytes;
          for (const BagBounds bounds : kBounds) {
            c.bounds = bounds;
            for (const int bounds_bytes : {4, 8}) {
              c.bounds_bytes = bounds_bytes;
              ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
              if (pooling == Pooling::kNone) break;  // no bounds
            }
            if (pooling == Pooling::kNone) break;
          }
        }
      }
    }
  }
}

// Every pooling, kind of weights, output and size of indices, at every dimension; guards behind and
// in front in turn, so that both sizes of indices meet both with some of the outputs.
TEST_P(LookUp, EveryDimension) {
  std::vector<int64_t> dimensions = {24, 32, 48, 64, 72, 96, 100, 128, 192, 256, 300, 512, 1024};
  for (int64_t dimension = 1; dimension <= 17; ++dimension) dimensions.push_back(dimension);
  BagCase c;
  c.rows = 7;
  c.lengths = {2, 0, 3};
  for (const int64_t dimension : dimensions) {
    c.layout = LayoutOf(GetParam(), dimension);
    c.output_gap = dimension % 3;
    c.prefetch_distance = static_cast<int>(dimension % 4);
    for (const Pooling pooling : kPoolings) {
      c.pooling = pooling;
      for (const BagWeights weights : kWeights) {
        if (pooling == Pooling::kNone && weights == BagWeights::kPerBagPosition) continue;
        c.weights = weights;
        for (const DataType output : kOutputs) {
          c.output = output;
          for (const int index_bytes : {4, 8}) {
            c.index_bytes = index_bytes;
            const bool in_front = (index_bytes == 4) == (output == DataType::kF16);
            c.guard = in_front ? Guard::kInFront : Guard::kBehind;
            ++c.seed;
            ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
          }
        }
      }
    }
  }
}

TEST_P(LookUp, EveryLayout) {
  for (const int64_t dimension : {7, 32, 65}) {
    BagCase c;
    c.layout = LayoutOf(GetParam(), dimension);
    for (const ParameterPlace place : {ParameterPlace::kLast, ParameterPlace::kFirst}) {
      c.layout.place = place;
      for (const bool half : {false, true}) {
        if (half && GetParam() != RowFormat::kU8) continue;
        c.layout.parameters = half ? DataType::kF16 : DataType::kNone;
        for (const int64_t gap : {0, 1, 61}) {
          c.layout.stride = 0;
          if (gap != 0) c.layout.stride = RowBytes(c.layout) + gap;
          for (const BagWeights weights : kWeights) {
            c.weights = weights;
            ++c.seed;
            ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
          }
        }
      }
    }
  }
}

TEST_P(LookUp, PrunedRows) {
  for (const Pooling pooling : kPoolings) {
    for (const BagWeights weights : kWeights) {
      if (pooling == Pooling::kNone && weights == BagWeights::kPerBagPosition) continue;
      for (const int index_bytes : {4, 8}) {
        BagCase c;
        c.layout = LayoutOf(GetParam(), 40);
        c.pooling = pooling;
        c.weights = weights;
        c.index_bytes = index_bytes;
        c.mapped = true;
        c.lengths = {3, 0, 1, 1, 1, 1, 30, 2};
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
        c.prefetch_distance = 4;
        c.guard = Guard::kInFront;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
  }
}

// No index is read beyond the last one, and no result depends on it.
TEST_P(LookUp, PrefetchDistances) {
  for (const int distance : {0, 1, 3, 16, 1024}) {
    for (const Pooling pooling : {Pooling::kMean, Pooling::kNone}) {
      BagCase c;
      c.layout = LayoutOf(GetParam(), 50);
      c.pooling = pooling;
      c.index_bytes = 4;
      c.prefetch_distance = distance;
      c.lengths = {1, 0, 20, 3, 0};
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

TEST_P(LookUp, SpecialValues) {
  for (const Pooling pooling : kPoolings) {
    for (const BagWeights weights : {BagWeights::kNone, BagWeights::kPerPosition}) {
      for (const DataType output : kOutputs) {
        BagCase c;
        c.layout = LayoutOf(GetParam(), 67);
        c.rows = 60;
        c.pooling = pooling;
        c.weights = weights;
        c.output = output;
        c.specials = true;
        c.lengths = {1, 1, 1, 2, 2, 3, 1, 1, 1, 1, 1, 2, 5};
        for (c.seed = 1; c.seed <= 3; ++c.seed) ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
  }
}

// All that covers the output kU8.
TEST_P(LookUp, StoredRows) {
  for (const bool mapped : {false, true}) {
    for (const int64_t gap : {0, 5}) {
      for (const int distance : {-1, 0, 1, 3, 1024}) {
        BagCase c;
        c.layout = LayoutOf(GetParam(), 19);
        c.layout.stride = gap == 0 ? 0 : RowBytes(c.layout) + gap;
        c.pooling = Pooling::kNone;
        c.output = DataType::kU8;
        c.mapped = mapped;
        c.output_gap = gap;
        c.index_bytes = mapped ? 4 : 8;
        c.prefetch_distance = distance;
        ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      }
    }
  }
}

TEST_P(LookUp, Nothing) {
  for (const Pooling pooling : kPoolings) {
    for (const BagBounds bounds : kBounds) {
      BagCase c;
      c.layout = LayoutOf(GetParam(), 9);
      c.pooling = pooling;
      c.bounds = bounds;
      c.lengths = {0, 0, 0};
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      c.rows = 0;
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
      c.lengths = {};
      ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    }
  }
}

using SmallFloats = EveryIsaTest;

// All 256 bytes with each exponent bias.
TEST_F(SmallFloats, EveryByteAndBias) {
  for (const RowFormat format : {RowFormat::kE4M3, RowFormat::kE5M2}) {
    for (int bias = 1; bias <= 31; ++bias) {
      RowLayout layout = LayoutOf(format, 256);
      layout.exponent_bias = bias;
      TableData data(layout, 1, 1);
      for (int i = 0; i < 256; ++i) data.row(0)[i] = static_cast<std::byte>(i);
      TestMatrix expected(DataType::kF32, 1, 256);
      const std::vector<float> values = data.Row(0);
      expected.Set([&](int64_t, int64_t j) { return values[static_cast<size_t>(j)]; });
      const EmbeddingTable table = data.Borrow();
      EmbeddingBagOptions options;
      options.pooling = Pooling::kNone;
      for (const Isa isa : SupportedIsas()) {
        const Context context = ContextFor(isa);
        const EmbeddingBag bag = EmbeddingBag::Create(context, table, options).value();
        const TestMatrix result(DataType::kF32, 1, 256);
        const int32_t index[1] = {0};
        BagInput input;
        input.indices = IndexView(index, 1);
        ASSERT_TRUE(bag.Run(input, result.output()).ok());
        EXPECT_TRUE(SameBits(expected, result))
            << IsaName(isa) << " " << RowFormatName(format) << " bias " << bias;
        RecordChecked(context.isa());
      }
    }
  }
}

// Whatever does not prefetch says so: nothing else shows it.
TEST(LookUpPrefetching, IsDescribed) {
  const TableData data(LayoutOf(RowFormat::kU8, 64), 100, 1);
  EmbeddingBagOptions options;
  options.pooling = Pooling::kNone;
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const DataType output : {DataType::kF32, DataType::kU8}) {
      options.output = output;
      for (const int distance : {0, 7}) {
        options.prefetch_distance = distance;
        const std::string text =
            EmbeddingBag::Create(context, data.Borrow(), options).value().Describe();
        const bool prefetches = distance != 0 && (isa != Isa::kScalar || output == DataType::kU8);
        EXPECT_NE(text.find(prefetches ? "prefetch: 7 positions ahead" : "no prefetch"),
                  std::string::npos)
            << text;
      }
    }
  }
}

using EmptyRowMap = EveryIsaTest;

// Wherever it lies, it is none.
TEST_F(EmptyRowMap, IsNoMap) {
  const float rows[] = {1.0f, 2.0f};
  const EmbeddingTable table =
      EmbeddingTable::Borrow(rows, 2, LayoutOf(RowFormat::kF32, 1)).value();
  const int32_t nowhere[] = {-1};
  const int64_t indices[] = {1, 0};
  EmbeddingBagOptions options;
  options.pooling = Pooling::kNone;
  options.row_map = ArrayView<const int32_t>(nowhere, 0);
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    float output[2] = {};
    const BagInput input{IndexView(indices, 2), {}, {}};
    ASSERT_TRUE(EmbeddingBag::Create(context, table, options)
                    .value()
                    .Run(input, OutputMatrix(output, 2, 1))
                    .ok());
    EXPECT_EQ(output[0], 2.0f) << IsaName(isa);
    EXPECT_EQ(output[1], 1.0f) << IsaName(isa);
    RecordChecked(context.isa());
  }
}

using WorkedExample = EveryIsaTest;

// Computed by hand.
TEST_F(WorkedExample, OfFourBits) {
  // Two rows of 3 values; scale 0.5 and bias -1, scale 2 and bias 0.25.
  const uint8_t rows[] = {0x21, 0x0F, 0x00, 0x38, 0x00, 0xBC,   // 1, 2, 15
                          0x30, 0x04, 0x00, 0x40, 0x00, 0x34};  // 0, 3, 4
  const EmbeddingTable table = EmbeddingTable::Borrow(rows, 2, LayoutOf(RowFormat::kU4, 3)).value();
  const int64_t indices[] = {0, 1, 1, 0};
  const int64_t offsets[] = {0, 2, 2, 4};
  const float weights[] = {1.0f, -2.0f, 0.5f, 4.0f};
  // Row 0 is -0.5, 0, 6.5; row 1 is 0.25, 6.25, 8.25.
  const float sum[9] = {-0.25f, 6.25f, 14.75f, 0.0f, 0.0f, 0.0f, -0.25f, 6.25f, 14.75f};
  const float weighted[9] = {-1.0f, -12.5f, -10.0f, 0.0f, 0.0f, 0.0f, -1.875f, 3.125f, 30.125f};
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    for (const bool with_weights : {false, true}) {
      EmbeddingBagOptions options;
      if (with_weights) options.weights = BagWeights::kPerPosition;
      const EmbeddingBag bag = EmbeddingBag::Create(context, table, options).value();
      BagInput input{IndexView(indices, 4), IndexView(offsets, 4), {}};
      if (with_weights) input.weights = weights;
      float output[9];
      ASSERT_TRUE(bag.Run(input, OutputMatrix(output, 3, 3)).ok());
      for (int i = 0; i < 9; ++i) {
        EXPECT_EQ(output[i], with_weights ? weighted[i] : sum[i]) << IsaName(isa) << " " << i;
        EXPECT_FALSE(output[i] == 0.0f && std::signbit(output[i]));
      }
    }
    EXPECT_NE(EmbeddingBag::Create(context, table).value().Describe().find(IsaName(context.isa())),
              std::string::npos);
    RecordChecked(context.isa());
  }
}

using SignedZeros = EveryIsaTest;

// A sum begins with +0; a row alone is as it is stored.
TEST_F(SignedZeros, AsDefined) {
  const float rows[] = {-0.0f};
  const EmbeddingTable table =
      EmbeddingTable::Borrow(rows, 1, LayoutOf(RowFormat::kF32, 1)).value();
  const int32_t index[] = {0};
  const int32_t lengths[] = {1};
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    EmbeddingBagOptions options;
    options.bounds = BagBounds::kLengths;
    float output = 1.0f;
    BagInput input{IndexView(index, 1), IndexView(lengths, 1), {}};
    ASSERT_TRUE(EmbeddingBag::Create(context, table, options)
                    .value()
                    .Run(input, OutputMatrix(&output, 1, 1))
                    .ok());
    EXPECT_FALSE(std::signbit(output)) << IsaName(isa);
    options.pooling = Pooling::kNone;
    input.bounds = IndexView();
    ASSERT_TRUE(EmbeddingBag::Create(context, table, options)
                    .value()
                    .Run(input, OutputMatrix(&output, 1, 1))
                    .ok());
    EXPECT_TRUE(output == 0.0f && std::signbit(output)) << IsaName(isa);
    RecordChecked(context.isa());
  }
}

}  // namespace
}  // namespace qforge::test
