// Outputs beside, on and between the arrays that look-ups read: to the byte where a call is refused
// and where it is not. All arrays lie in one block, so that their order is known.
#include <gtest/gtest.h>

#include <cstdlib>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "embedding/bag_case.h"
#include "qforge/embedding_bag.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr int64_t kRows = 10;
constexpr int64_t kColumns = 20;
constexpr int64_t kGap = 8;  // elements between the two rows of an output
constexpr int64_t kOutputBytes = (kColumns + kGap + kColumns) * 4;

struct Block {
  static constexpr int64_t kPart = 4096;
  struct Array {
    const char* name;
    int64_t bytes;
  };
  static constexpr int kArrays = 6;

  Block() : bytes(static_cast<std::byte*>(std::aligned_alloc(kPart, kPart * (kArrays + 2)))) {
    layout.format = RowFormat::kTwoTier4;
    layout.dimension = kColumns;
    arrays[0] = {"the table", kRows * RowBytes(layout)};
    std::memset(bytes.get(), 0, kPart * (kArrays + 2));
    const int64_t positions[] = {1, 0, 9};
    const int64_t offsets[] = {0, 2, 3};
    std::memcpy(at(3), positions, sizeof(positions));
    std::memcpy(at(4), offsets, sizeof(offsets));
  }

  // The arrays have a part each, with a free one in front and behind.
  std::byte* at(int array) const { return bytes.get() + kPart * (array + 1); }
  std::byte* front() const { return at(-1); }
  std::byte* back() const { return at(kArrays) + kPart - kOutputBytes; }

  EmbeddingBag MakeBag(const Context& context) const {
    const EmbeddingTable table =
        EmbeddingTable::Borrow(at(0), kRows, layout,
                               {reinterpret_cast<const Half*>(at(1)), arrays[1].bytes / 2})
            .value();
    EmbeddingBagOptions options;
    options.row_map = {reinterpret_cast<const int32_t*>(at(2)), kRows};
    options.weights = BagWeights::kPerPosition;
    return EmbeddingBag::Create(context, table, options).value();
  }
  BagInput input() const {
    return {IndexView(reinterpret_cast<const int64_t*>(at(3)), 3),
            IndexView(reinterpret_cast<const int64_t*>(at(4)), 3),
            {reinterpret_cast<const float*>(at(5)), 3}};
  }

  struct Free {
    void operator()(std::byte* pointer) const { std::free(pointer); }
  };
  RowLayout layout;
  std::unique_ptr<std::byte, Free> bytes;
  Array arrays[kArrays] = {{},
                           {"the codebooks", 32},
                           {"options.row_map", kRows * 4},
                           {"input.indices", 24},
                           {"input.bounds", 24},
                           {"input.weights", 12}};
};

OutputMatrix OutputAt(std::byte* address) {
  return OutputMatrix(reinterpret_cast<float*>(address), 2, kColumns, kColumns + kGap);
}

struct Place {
  int64_t offset;  // of the output from the array
  bool meets;
};
// Gaps between rows count as bytes of the output.
std::vector<Place> PlacesAround(int64_t bytes) {
  return {{-kOutputBytes, false},      {-kOutputBytes + 4, true},
          {-kColumns * 4, true},       {0, true},
          {(bytes - 1) / 4 * 4, true}, {(bytes + 3) / 4 * 4, false}};
}

TEST(OutputOfRun, MayTouchWhatIsReadButNotMeetIt) {
  for (const Isa isa : SupportedIsas()) {
    const Block block;
    const EmbeddingBag bag = block.MakeBag(ContextFor(isa));
    for (int array = 0; array < Block::kArrays; ++array) {
      for (const Place& place : PlacesAround(block.arrays[array].bytes)) {
        SCOPED_TRACE(std::string(block.arrays[array].name) + " " + std::to_string(place.offset));
        const Status status = bag.Run(block.input(), OutputAt(block.at(array) + place.offset));
        EXPECT_EQ(status.ok(), !place.meets) << status.message();
        if (!place.meets) continue;
        EXPECT_TRUE(IsError(status, StatusCode::kInvalidArgument, "output"));
        EXPECT_EQ(status.message(),
                  std::string("INVALID_ARGUMENT: output: overlaps ") + block.arrays[array].name);
      }
    }
  }
}

// The output that is placed belongs to another look-up than the arrays do, which comes before or
// after it; the latter's own output lies elsewhere, or such that arrays lie between the two.
TEST(OutputOfRunAll, MayTouchWhatOthersReadButNotMeetIt) {
  const Context context = Context::Create().value();
  const Block block;
  const Block other;
  for (const int reader : {0, 1}) {
    const std::string placed = std::to_string(1 - reader);
    const EmbeddingBag bags[] = {(reader == 0 ? block : other).MakeBag(context),
                                 (reader == 1 ? block : other).MakeBag(context)};
    const BagInput inputs[] = {(reader == 0 ? block : other).input(),
                               (reader == 1 ? block : other).input()};
    for (std::byte* const elsewhere : {other.front(), block.front(), block.back()}) {
      for (int array = 0; array < Block::kArrays; ++array) {
        for (const Place& place : PlacesAround(block.arrays[array].bytes)) {
          SCOPED_TRACE(std::string(block.arrays[array].name) + " " + std::to_string(place.offset));
          OutputMatrix outputs[2];
          outputs[reader] = OutputAt(elsewhere);
          outputs[1 - reader] = OutputAt(block.at(array) + place.offset);
          const Status status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
          EXPECT_EQ(status.ok(), !place.meets) << status.message();
          if (!place.meets) continue;
          EXPECT_EQ(status.message(), "INVALID_ARGUMENT: bags[" + placed + "].output: overlaps " +
                                          block.arrays[array].name + " of bags[" +
                                          std::to_string(reader) + "]");
        }
      }
    }
  }
}

// An output without rows is nowhere, and an array without elements meets nothing.
TEST(OutputOfRunAll, OfNothingMeetsNothing) {
  const Context context = Context::Create().value();
  const Block block;
  const TableData table(LayoutOf(RowFormat::kF32, 4), 10, 1);
  const EmbeddingTable borrowed = table.Borrow();
  const EmbeddingBag bag = EmbeddingBag::Create(context, borrowed).value();
  const EmbeddingBag bags[] = {bag, bag, bag};
  const int64_t zeros[] = {0, 0};
  const int64_t ends[] = {0, 1};
  const int64_t index[] = {7};
  float output[8];
  const IndexView inside(reinterpret_cast<int64_t*>(output), 0);
  // No bags, a bag of nothing with its no indices where the output is, a bag of one.
  const BagInput inputs[] = {{{}, IndexView(zeros, 1), {}},
                             {inside, IndexView(zeros, 2), {}},
                             {IndexView(index, 1), IndexView(ends, 2), {}}};
  for (float* const nowhere :
       {static_cast<float*>(nullptr), output + 1, reinterpret_cast<float*>(table.row(0))}) {
    std::memset(output, 0xFF, sizeof(output));
    const OutputMatrix outputs[] = {OutputMatrix(nowhere, 0, 4), OutputMatrix(output, 1, 4),
                                    OutputMatrix(output + 4, 1, 4)};
    const Status status = EmbeddingBag::RunAll(context, bags, inputs, outputs);
    ASSERT_TRUE(status.ok()) << status.message();
    for (int i = 0; i < 4; ++i) {
      EXPECT_EQ(output[i], 0.0f);
      EXPECT_EQ(output[4 + i], table.Row(7)[static_cast<size_t>(i)]);
    }
  }
}

// From one look-up to more than there is room for on the stack, with starts to be made.
TEST(RunAllOfMany, IsRunOfEach) {
  const Context context = Context::Create().value();
  BagCase c;
  c.layout = LayoutOf(RowFormat::kU8, 16);
  c.lengths = {1};
  c.bounds = BagBounds::kLengths;
  c.bounds_bytes = 4;
  std::vector<std::unique_ptr<BagData>> all;
  std::vector<EmbeddingBag> bags;
  std::vector<BagInput> inputs;
  std::vector<TestMatrix> results;
  std::vector<OutputMatrix> outputs;
  for (const size_t count : {1, 2, 5, 26, 31, 32, 33, 41, 42, 43, 100}) {
    while (all.size() < count) {
      c.seed = all.size() + 1;
      all.push_back(std::make_unique<BagData>(c));
      BagData& data = *all.back();
      bags.push_back(EmbeddingBag::Create(context, data.table.Borrow(), data.options()).value());
      inputs.push_back(data.input());
      results.push_back(data.MakeOutput());
      outputs.push_back(results.back().output());
    }
    ASSERT_TRUE(EmbeddingBag::RunAll(context, bags, inputs, outputs).ok());
    for (size_t i = 0; i < count; ++i) {
      EXPECT_TRUE(SameBits(all[i]->Expected(), results[i])) << i << " of " << count;
    }
    // The last one's index is checked as the first one's.
    int64_t& index = all.back()->indices_64[0];
    const int64_t good = index;
    index = c.rows;
    EXPECT_TRUE(IsError(EmbeddingBag::RunAll(context, bags, inputs, outputs),
                        StatusCode::kOutOfRange,
                        "bags[" + std::to_string(count - 1) + "].input.indices"));
    index = good;
  }
}

}  // namespace
}  // namespace qforge::test
