// Calls of EmbeddingBag that must be refused: with field and text, and nothing written.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "embedding/bag_case.h"
#include "qforge/embedding_bag.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
constexpr StatusCode kRange = StatusCode::kOutOfRange;
constexpr StatusCode kUnsupported = StatusCode::kUnsupported;
constexpr int64_t kHuge = std::numeric_limits<int64_t>::max();

::testing::AssertionResult Says(const Status& status, const std::string& part) {
  if (std::string(status.message()).find(part) != std::string::npos) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "\"" << status.message() << "\" lacks \"" << part << "\"";
}

// --- Run -----------------------------------------------------------------------------------------

// What a case is spoilt in. Bags of 3, 0, 1, 7 and 2 positions: offsets 0, 3, 3, 4, 11, 13.
struct Call {
  BagData& data;
  BagInput input;
  OutputMatrix output;
};

enum class Kind { kOffsets, kOffsets32, kNoLast, kLengths, kLengths32, kGather, kByBag, kMapped };

BagCase CaseOf(Kind kind) {
  BagCase c;
  c.layout = LayoutOf(RowFormat::kU4, 20);
  c.rows = 1000;
  c.weights = BagWeights::kPerPosition;
  switch (kind) {
    case Kind::kOffsets:
      break;
    case Kind::kOffsets32:
      c.bounds_bytes = c.index_bytes = 4;
      break;
    case Kind::kNoLast:
      c.bounds = BagBounds::kOffsetsNoLast;
      break;
    case Kind::kLengths:
      c.bounds = BagBounds::kLengths;
      break;
    case Kind::kLengths32:
      c.bounds = BagBounds::kLengths;
      c.bounds_bytes = c.index_bytes = 4;
      break;
    case Kind::kGather:
      c.pooling = Pooling::kNone;
      break;
    case Kind::kByBag:
      c.weights = BagWeights::kPerBagPosition;
      break;
    case Kind::kMapped:
      c.weights = BagWeights::kNone;
      c.mapped = true;
      break;
  }
  return c;
}

template <class T>
T* Moved(T* pointer, int64_t bytes) {
  return reinterpret_cast<T*>(reinterpret_cast<uintptr_t>(pointer) + static_cast<uintptr_t>(bytes));
}

struct BadCall {
  const char* name;
  Kind kind;
  void (*spoil)(Call&);
  StatusCode code;
  const char* field;
  const char* text;
  friend std::ostream& operator<<(std::ostream& out, const BadCall& x) { return out << x.name; }
};

const BadCall kBadCalls[] = {
    // Indices.
    {"index_too_large", Kind::kOffsets, [](Call& c) { c.data.indices_64[9] = 1000; }, kRange,
     "input.indices", "bag 3, position 9: index 1000 is not in [0, 1000)"},
    {"index_negative", Kind::kOffsets, [](Call& c) { c.data.indices_64[0] = -1; }, kRange,
     "input.indices", "bag 0, position 0: index -1 is not in [0, 1000)"},
    {"index_behind_an_empty_bag", Kind::kOffsets, [](Call& c) { c.data.indices_64[3] = kHuge; },
     kRange, "input.indices", "bag 2, position 3: index 9223372036854775807"},
    {"index_whose_lower_half_is_fine", Kind::kOffsets,
     [](Call& c) { c.data.indices_64[12] = int64_t{1} << 32; }, kRange, "input.indices",
     "bag 4, position 12: index 4294967296"},
    {"index_lowest", Kind::kOffsets,
     [](Call& c) { c.data.indices_64[12] = std::numeric_limits<int64_t>::min(); }, kRange,
     "input.indices", "bag 4, position 12: index -9223372036854775808"},
    {"first_of_several", Kind::kOffsets,
     [](Call& c) { c.data.indices_64[5] = c.data.indices_64[11] = c.data.indices_64[4] = 2000; },
     kRange, "input.indices", "bag 3, position 4: index 2000"},
    {"index_32_too_large", Kind::kOffsets32, [](Call& c) { c.data.indices_32[12] = 1000; }, kRange,
     "input.indices", "bag 4, position 12: index 1000 is not in [0, 1000)"},
    {"index_32_negative", Kind::kOffsets32, [](Call& c) { c.data.indices_32[2] = INT32_MIN; },
     kRange, "input.indices", "bag 0, position 2: index -2147483648"},
    {"index_without_bags", Kind::kGather, [](Call& c) { c.data.indices_64[6] = 1000; }, kRange,
     "input.indices", "input.indices: position 6: index 1000 is not in [0, 1000)"},
    {"index_beyond_the_map", Kind::kMapped, [](Call& c) { c.data.indices_64[4] = 2000; }, kRange,
     "input.indices", "bag 3, position 4: index 2000 is not in [0, 2000)"},
    {"indices_null", Kind::kOffsets,
     [](Call& c) { c.input.indices = IndexView(static_cast<int64_t*>(nullptr), 13); }, kInvalid,
     "input.indices", "is null"},
    {"indices_misaligned", Kind::kOffsets,
     [](Call& c) { c.input.indices = IndexView(Moved(c.data.indices_64.data(), 4), 13); }, kInvalid,
     "input.indices", "aligned to the 8 bytes"},
    {"indices_32_misaligned", Kind::kOffsets32,
     [](Call& c) { c.input.indices = IndexView(Moved(c.data.indices_32.data(), 2), 13); }, kInvalid,
     "input.indices", "aligned to the 4 bytes"},
    {"indices_of_negative_size", Kind::kGather,
     [](Call& c) { c.input.indices = IndexView(c.data.indices_64.data(), -1); }, kRange,
     "input.indices", "-1 values"},
    {"indices_of_impossible_size", Kind::kGather,
     [](Call& c) { c.input.indices = IndexView(c.data.indices_64.data(), kHuge); }, kRange,
     "input.indices", "9223372036854775807 values"},

    // Bounds.
    {"offsets_decrease", Kind::kOffsets, [](Call& c) { c.data.bounds_64[2] = 2; }, kRange,
     "input.bounds", "bag 1: it ends at offset 2, before it begins, at 3"},
    {"offset_negative", Kind::kOffsets, [](Call& c) { c.data.bounds_64[0] = -1; }, kRange,
     "input.bounds", "offset 0 is -1, which is negative"},
    {"offset_lowest", Kind::kOffsets,
     [](Call& c) { c.data.bounds_64[3] = std::numeric_limits<int64_t>::min(); }, kRange,
     "input.bounds", "offset 3 is -9223372036854775808, which is negative"},
    {"offset_beyond_the_end", Kind::kOffsets, [](Call& c) { c.data.bounds_64[5] = 14; }, kRange,
     "input.bounds", "offset 5 is 14, beyond the 13 indices"},
    {"offset_highest", Kind::kOffsets, [](Call& c) { c.data.bounds_64[5] = kHuge; }, kRange,
     "input.bounds", "offset 5 is 9223372036854775807, beyond the 13 indices"},
    {"offsets_32_decrease", Kind::kOffsets32, [](Call& c) { c.data.bounds_32[4] = 3; }, kRange,
     "input.bounds", "bag 3: it ends at offset 3, before it begins, at 4"},
    {"offset_32_beyond_the_end", Kind::kOffsets32, [](Call& c) { c.data.bounds_32[4] = 100; },
     kRange, "input.bounds", "offset 4 is 100, beyond the 13 indices"},
    {"last_start_beyond_the_end", Kind::kNoLast, [](Call& c) { c.data.bounds_64[4] = 14; }, kRange,
     "input.bounds", "offset 4 is 14, beyond the 13 indices"},
    {"starts_decrease", Kind::kNoLast, [](Call& c) { c.data.bounds_64[3] = 1; }, kRange,
     "input.bounds", "bag 2: it ends at offset 1, before it begins, at 3"},
    {"length_negative", Kind::kLengths, [](Call& c) { c.data.bounds_64[1] = -1; }, kRange,
     "input.bounds", "bag 1: its length -1 is negative"},
    {"lengths_too_short", Kind::kLengths, [](Call& c) { c.data.bounds_64[3] = 6; }, kRange,
     "input.bounds", "the lengths add up to 12; there are 13 indices"},
    {"lengths_too_long", Kind::kLengths, [](Call& c) { c.data.bounds_64[3] = 10; }, kRange,
     "input.bounds", "bag 3: 10 positions from 4 on run past the 13 indices"},
    {"lengths_that_wrap_around", Kind::kLengths,
     [](Call& c) { c.data.bounds_64[0] = c.data.bounds_64[1] = kHuge; }, kRange, "input.bounds",
     "bag 0: 9223372036854775807 positions"},
    {"length_32_negative", Kind::kLengths32, [](Call& c) { c.data.bounds_32[4] = -2; }, kRange,
     "input.bounds", "bag 4: its length -2 is negative"},
    {"lengths_32_too_long", Kind::kLengths32, [](Call& c) { c.data.bounds_32[4] = 3; }, kRange,
     "input.bounds", "bag 4: 3 positions from 11 on run past the 13 indices"},
    {"bounds_null", Kind::kOffsets,
     [](Call& c) { c.input.bounds = IndexView(static_cast<int32_t*>(nullptr), 6); }, kInvalid,
     "input.bounds", "is null"},
    {"bounds_misaligned", Kind::kOffsets,
     [](Call& c) { c.input.bounds = IndexView(Moved(c.data.bounds_64.data(), 1), 6); }, kInvalid,
     "input.bounds", "is not aligned"},
    {"bounds_empty", Kind::kOffsets, [](Call& c) { c.input.bounds = IndexView(); }, kInvalid,
     "input.bounds", "no values"},
    {"bounds_without_pooling", Kind::kGather,
     [](Call& c) { c.input.bounds = IndexView(c.data.indices_64.data(), 6); }, kInvalid,
     "input.bounds", "Pooling::kNone"},
    {"bounds_missing", Kind::kOffsets,
     [](Call& c) { c.input.bounds = IndexView(c.data.bounds_64.data(), 5); }, kInvalid, "output",
     "is 5 x 20; 4 x 20 is needed"},

    // Weights.
    {"weights_missing", Kind::kOffsets, [](Call& c) { c.input.weights = {}; }, kInvalid,
     "input.weights", "0 values for 13 indices"},
    {"weights_too_few", Kind::kGather,
     [](Call& c) {
       c.input.weights = {c.data.weights.data(), 12};
     },
     kInvalid, "input.weights", "12 values for 13 indices"},
    {"weights_null", Kind::kOffsets,
     [](Call& c) {
       c.input.weights = {nullptr, 13};
     },
     kInvalid, "input.weights", "is null"},
    {"weights_misaligned", Kind::kOffsets,
     [](Call& c) {
       c.input.weights = {Moved(c.data.weights.data(), 2), 13};
     },
     kInvalid, "input.weights", "is not aligned"},
    {"weights_of_negative_size", Kind::kByBag,
     [](Call& c) {
       c.input.weights = {c.data.weights.data(), -7};
     },
     kInvalid, "input.weights", "-7 values"},
    {"weights_of_impossible_size", Kind::kByBag,
     [](Call& c) {
       c.input.weights = {c.data.weights.data(), kHuge};
     },
     kRange, "input.weights", "9223372036854775807 values"},
    {"weights_fewer_than_the_longest_bag", Kind::kByBag,
     [](Call& c) {
       c.input.weights = {c.data.weights.data(), 6};
     },
     kInvalid, "input.weights", "6 values; bag 3 has 7 positions"},
    {"weights_not_asked_for", Kind::kMapped,
     [](Call& c) {
       static const float weights[13] = {};
       c.input.weights = weights;
     },
     kInvalid, "input.weights", "BagWeights::kNone"},

    // Output.
    {"output_null", Kind::kOffsets, [](Call& c) { c.output.data = nullptr; }, kInvalid, "output",
     "is null"},
    {"output_of_other_type", Kind::kOffsets, [](Call& c) { c.output.type = DataType::kF16; },
     kInvalid, "output", "is of type f16; f32 is needed"},
    {"output_misaligned", Kind::kOffsets,
     [](Call& c) { c.output.data = Moved(static_cast<float*>(c.output.data), 2); }, kInvalid,
     "output", "is not aligned"},
    {"output_rows_missing", Kind::kOffsets, [](Call& c) { --c.output.rows; }, kInvalid, "output",
     "is 4 x 20; 5 x 20 is needed"},
    {"output_too_wide", Kind::kGather, [](Call& c) { c.output.cols = c.output.stride = 21; },
     kInvalid, "output", "is 13 x 21; 13 x 20 is needed"},
    {"output_stride_too_small", Kind::kOffsets, [](Call& c) { c.output.stride = 19; }, kInvalid,
     "output", "the stride 19"},
    {"output_stride_overflows", Kind::kOffsets, [](Call& c) { c.output.stride = kHuge / 4; },
     kRange, "output", "exceed 2^63"},
    {"output_rows_negative", Kind::kOffsets, [](Call& c) { c.output.rows = -1; }, kRange, "output",
     "negative"},
    {"output_is_the_table", Kind::kOffsets,
     [](Call& c) { c.output.data = Moved(c.data.table.bytes.data(), 1000 * 14 - 4); }, kInvalid,
     "output", "overlaps the table"},
    {"output_is_the_indices", Kind::kOffsets,
     [](Call& c) { c.output.data = c.data.indices_64.data() + 12; }, kInvalid, "output",
     "overlaps input.indices"},
    {"output_is_the_bounds", Kind::kOffsets,
     [](Call& c) { c.output.data = c.data.bounds_64.data(); }, kInvalid, "output",
     "overlaps input.bounds"},
    {"output_is_the_weights", Kind::kOffsets,
     [](Call& c) { c.output.data = c.data.weights.data() + 12; }, kInvalid, "output",
     "overlaps input.weights"},
    {"output_is_the_map", Kind::kMapped, [](Call& c) { c.output.data = c.data.row_map.data(); },
     kInvalid, "output", "overlaps options.row_map"},
};

class BadLookUps : public EveryIsaTest, public ::testing::WithParamInterface<BadCall> {};

TEST_P(BadLookUps, AreRefusedBeforeAnythingIsWritten) {
  const BadCall& bad = GetParam();
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    BagData data(CaseOf(bad.kind));
    const EmbeddingBag bag =
        EmbeddingBag::Create(context, data.table.Borrow(), data.options()).value();
    const TestMatrix result = data.MakeOutput();
    const TestMatrix untouched = result.Clone(Guard::kBehind);
    Call call{data, data.input(), result.output()};
    ASSERT_TRUE(bag.Run(call.input, call.output).ok());
    result.CopyFrom(untouched);

    bad.spoil(call);
    Status status = bag.Run(call.input, call.output);
    EXPECT_TRUE(IsError(status, bad.code, bad.field)) << IsaName(isa);
    EXPECT_TRUE(Says(status, bad.text)) << IsaName(isa);
    EXPECT_TRUE(SameBits(untouched, result)) << IsaName(isa);

    // The same as the second of two.
    BagData other(CaseOf(bad.kind));
    const TestMatrix other_result = other.MakeOutput();
    const EmbeddingBag bags[] = {
        EmbeddingBag::Create(context, other.table.Borrow(), other.options()).value(), bag};
    const BagInput inputs[] = {other.input(), call.input};
    const OutputMatrix outputs[] = {other_result.output(), call.output};
    status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
    EXPECT_TRUE(IsError(status, bad.code, (std::string("bags[1].") + bad.field).c_str()))
        << IsaName(isa);
    EXPECT_TRUE(SameBits(untouched, other_result)) << IsaName(isa);
    EXPECT_TRUE(SameBits(untouched, result)) << IsaName(isa);
    RecordChecked(context.isa());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadLookUps, ::testing::ValuesIn(kBadCalls),
                         [](const auto& info) { return info.param.name; });

using BadIndexAnywhere = EveryIsaTest;

// At each position of runs of many lengths, through the vectors and the ends of the check.
TEST_F(BadIndexAnywhere, IsFound) {
  const TableData table(LayoutOf(RowFormat::kU8, 4), 50, 1);
  const EmbeddingTable borrowed = table.Borrow();
  EmbeddingBagOptions options;
  options.pooling = Pooling::kNone;
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    const EmbeddingBag bag = EmbeddingBag::Create(context, borrowed, options).value();
    for (const int64_t size : {1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 130}) {
      const GuardedBuffer<int64_t> wide(size, Guard::kBehind);
      const GuardedBuffer<int32_t> narrow(size, Guard::kBehind);
      for (int64_t p = 0; p < size; ++p) wide[p] = narrow[p] = static_cast<int32_t>(p % 50);
      const TestMatrix result(DataType::kF32, size, 4);
      for (int64_t p = 0; p < size; ++p) {
        const std::string text = "position " + std::to_string(p) + ": index ";
        for (const int64_t index : {int64_t{50}, int64_t{-1}}) {
          BagInput input;
          const int64_t good = wide[p];
          wide[p] = index;
          input.indices = IndexView(wide.data(), size);
          const Status of_wide = bag.Run(input, result.output());
          wide[p] = good;
          narrow[p] = static_cast<int32_t>(index);
          input.indices = IndexView(narrow.data(), size);
          const Status of_narrow = bag.Run(input, result.output());
          narrow[p] = static_cast<int32_t>(good);
          for (const Status& status : {of_wide, of_narrow}) {
            ASSERT_TRUE(IsError(status, kRange, "input.indices")) << IsaName(isa) << " " << size;
            ASSERT_TRUE(Says(status, text + std::to_string(index))) << IsaName(isa) << " " << size;
          }
        }
      }
      BagInput input;
      input.indices = IndexView(wide.data(), size);
      ASSERT_TRUE(bag.Run(input, result.output()).ok());
    }
    RecordChecked(context.isa());
  }
}

// Positions outside of all bags are never read.
TEST(UnusedIndices, MayBeAnything) {
  const TableData table(LayoutOf(RowFormat::kF32, 4), 10, 1);
  const EmbeddingTable borrowed = table.Borrow();
  const int64_t indices[] = {-5, 3, 4, 77};
  const int64_t offsets[] = {1, 2, 3};
  for (const Isa isa : SupportedIsas()) {
    float output[8] = {};
    EXPECT_TRUE(
        EmbeddingBag::Create(ContextFor(isa), borrowed)
            .value()
            .Run({IndexView(indices, 4), IndexView(offsets, 3), {}}, OutputMatrix(output, 2, 4))
            .ok());
    EXPECT_EQ(output[0], table.Row(3)[0]);
    EXPECT_EQ(output[7], table.Row(4)[3]);
  }
}

// A caller who vouches for the contents is believed; sizes and addresses are checked all the same.
TEST(Trusted, SizesAreCheckedStill) {
  for (const Kind kind : {Kind::kOffsets, Kind::kOffsets32, Kind::kNoLast, Kind::kLengths,
                          Kind::kLengths32, Kind::kGather, Kind::kByBag, Kind::kMapped}) {
    BagCase c = CaseOf(kind);
    c.trusted = true;
    ASSERT_NO_FATAL_FAILURE(CheckOnEveryIsa(c));
    BagData data(c);
    const EmbeddingBag bag =
        EmbeddingBag::Create(Context::Create().value(), data.table.Borrow(), data.options())
            .value();
    const TestMatrix result = data.MakeOutput();
    OutputMatrix output = result.output();
    output.data = nullptr;
    EXPECT_TRUE(IsError(bag.Run(data.input(), output), kInvalid, "output"));
    BagInput input = data.input();
    input.indices = IndexView(static_cast<const int64_t*>(nullptr), 13);
    EXPECT_TRUE(IsError(bag.Run(input, result.output()), kInvalid, "input.indices"));
  }
}

// --- RunAll --------------------------------------------------------------------------------------

TEST(BadRunAll, CountsMustAgree) {
  BagData data(CaseOf(Kind::kOffsets));
  const Context context = Context::Create().value();
  const EmbeddingBag bags[] = {
      EmbeddingBag::Create(context, data.table.Borrow(), data.options()).value()};
  const BagInput inputs[] = {data.input(), data.input()};
  const TestMatrix result = data.MakeOutput();
  const OutputMatrix outputs[] = {result.output(), result.output()};
  using Bags = ArrayView<const EmbeddingBag>;
  using Inputs = ArrayView<const BagInput>;
  using Outputs = ArrayView<const OutputMatrix>;
  const Bags one(bags, 1);
  EXPECT_TRUE(EmbeddingBag::RunAll(context, one, Inputs(inputs, 1), Outputs(outputs, 1)).ok());
  EXPECT_TRUE(EmbeddingBag::RunAll(context, Bags(), Inputs(), Outputs()).ok());
  EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, one, Inputs(inputs, 2), Outputs(outputs, 1)),
                      kInvalid, "inputs"));
  EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, one, Inputs(inputs, 1), Outputs(outputs, 2)),
                      kInvalid, "outputs"));
  EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, one, Inputs(nullptr, 1), Outputs(outputs, 1)),
                      kInvalid, "inputs"));
  EXPECT_TRUE(IsError(
      EmbeddingBag::RunAll(context, Bags(nullptr, 1), Inputs(inputs, 1), Outputs(outputs, 1)),
      kInvalid, "bags"));
  EXPECT_TRUE(IsError(
      EmbeddingBag::RunAll(context, Bags(bags, -1), Inputs(inputs, -1), Outputs(outputs, -1)),
      kInvalid, "bags"));
}

// The first error in order, whatever kind it is of.
TEST(BadRunAll, TheFirstErrorComesBack) {
  BagData first(CaseOf(Kind::kOffsets));
  BagData second(CaseOf(Kind::kLengths));
  const Context context = Context::Create().value();
  const EmbeddingBag bags[] = {
      EmbeddingBag::Create(context, first.table.Borrow(), first.options()).value(),
      EmbeddingBag::Create(context, second.table.Borrow(), second.options()).value()};
  const TestMatrix first_result = first.MakeOutput();
  const TestMatrix second_result = second.MakeOutput();
  first.indices_64[7] = -3;
  const BagInput inputs[] = {first.input(), second.input()};
  OutputMatrix outputs[] = {first_result.output(), second_result.output()};
  outputs[1].data = nullptr;
  EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, bags, inputs, outputs), kRange,
                      "bags[0].input.indices"));
  first.indices_64[7] = 3;
  EXPECT_TRUE(
      IsError(EmbeddingBag::RunAll(context, bags, inputs, outputs), kInvalid, "bags[1].output"));
  // Bounds are looked at in front of indices, but not of those of an earlier look-up.
  outputs[1].data = second_result.output().data;
  second.bounds_64[1] = -1;
  EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, bags, inputs, outputs), kRange,
                      "bags[1].input.bounds"));
  first.indices_64[7] = -3;
  EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, bags, inputs, outputs), kRange,
                      "bags[0].input.indices"));
}

TEST(BadRunAll, OutputsLieApartFromAllInputs) {
  BagData first(CaseOf(Kind::kOffsets));
  BagData second(CaseOf(Kind::kLengths));
  const Context context = Context::Create().value();
  const EmbeddingBag bags[] = {
      EmbeddingBag::Create(context, first.table.Borrow(), first.options()).value(),
      EmbeddingBag::Create(context, second.table.Borrow(), second.options()).value()};
  const TestMatrix result = second.MakeOutput();
  const BagInput inputs[] = {first.input(), second.input()};
  OutputMatrix outputs[] = {result.output(), result.output()};
  outputs[0].data = second.table.bytes.data();
  const Status status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
  EXPECT_TRUE(IsError(status, kInvalid, "bags[0].output"));
  EXPECT_TRUE(Says(status, "overlaps the table of bags[1]"));
}

// --- Create --------------------------------------------------------------------------------------

struct BadOptions {
  const char* name;
  void (*spoil)(EmbeddingBagOptions&);
  StatusCode code;
  const char* field;
  friend std::ostream& operator<<(std::ostream& out, const BadOptions& x) { return out << x.name; }
};

const BadOptions kBadOptions[] = {
    {"pooling", [](auto& o) { o.pooling = static_cast<Pooling>(3); }, kInvalid, "options.pooling"},
    {"weights", [](auto& o) { o.weights = static_cast<BagWeights>(3); }, kInvalid,
     "options.weights"},
    {"bounds", [](auto& o) { o.bounds = static_cast<BagBounds>(3); }, kInvalid, "options.bounds"},
    {"bag_positions_without_bags",
     [](auto& o) {
       o.pooling = Pooling::kNone;
       o.weights = BagWeights::kPerBagPosition;
     },
     kUnsupported, "options.weights"},
    {"output", [](auto& o) { o.output = DataType::kS32; }, kInvalid, "options.output"},
    {"output_none", [](auto& o) { o.output = DataType::kNone; }, kInvalid, "options.output"},
    {"pooled_bytes", [](auto& o) { o.output = DataType::kU8; }, kUnsupported, "options.output"},
    {"weighted_bytes",
     [](auto& o) {
       o.output = DataType::kU8;
       o.pooling = Pooling::kNone;
       o.weights = BagWeights::kPerPosition;
     },
     kUnsupported, "options.output"},
    {"prefetch_negative", [](auto& o) { o.prefetch_distance = -2; }, kRange,
     "options.prefetch_distance"},
    {"prefetch_too_far", [](auto& o) { o.prefetch_distance = 1025; }, kRange,
     "options.prefetch_distance"},
    {"map_beyond_the_table",
     [](auto& o) {
       static const int32_t map[] = {0, -1, 10};
       o.row_map = map;
     },
     kRange, "options.row_map"},
    {"map_below_minus_one",
     [](auto& o) {
       static const int32_t map[] = {-2, -1, 9};
       o.row_map = map;
     },
     kRange, "options.row_map"},
    {"map_null",
     [](auto& o) {
       o.row_map = {nullptr, 3};
     },
     kInvalid, "options.row_map"},
    {"map_of_negative_size",
     [](auto& o) {
       static const int32_t map[] = {0};
       o.row_map = {map, -1};
     },
     kInvalid, "options.row_map"},
};

class BadBagOptions : public EveryIsaTest, public ::testing::WithParamInterface<BadOptions> {};

TEST_P(BadBagOptions, AreRefused) {
  const TableData table(LayoutOf(RowFormat::kF16, 6), 10, 1);
  for (const Isa isa : SupportedIsas()) {
    const Context context = ContextFor(isa);
    EmbeddingBagOptions options;
    ASSERT_TRUE(EmbeddingBag::Create(context, table.Borrow(), options).ok());
    GetParam().spoil(options);
    EXPECT_TRUE(IsError(EmbeddingBag::Create(context, table.Borrow(), options).status(),
                        GetParam().code, GetParam().field))
        << IsaName(isa);
    RecordChecked(context.isa());
  }
}

INSTANTIATE_TEST_SUITE_P(Table, BadBagOptions, ::testing::ValuesIn(kBadOptions),
                         [](const auto& info) { return info.param.name; });

// A row of a two-tier table that names a codebook which is not there.
TEST(BadCodebookNumber, IsFoundAtCreation) {
  TableData table(LayoutOf(RowFormat::kTwoTier4, 6), 10, 1);
  const uint16_t number = 5;
  std::memcpy(table.row(7) + 3, &number, sizeof(number));
  for (const Isa isa : SupportedIsas()) {
    const Status status = EmbeddingBag::Create(ContextFor(isa), table.Borrow()).status();
    EXPECT_TRUE(IsError(status, kRange, "table"));
    EXPECT_TRUE(Says(status, "row 7 names codebook 5, which is not in [0, 5)"));
  }
}

}  // namespace
}  // namespace qforge::test
