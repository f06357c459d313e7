// RunTiles: the accumulators reach a callback, each exactly once.
#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <vector>

#include "gemm/linear_case.h"
#include "support/thread_pools.h"

namespace qforge::test {
namespace {

LinearCase IntegerCase(int64_t rows, int64_t outputs, int64_t inputs, int64_t groups) {
  LinearCase c;
  c.rows = rows;
  c.outputs = outputs;
  c.inputs = inputs;
  c.groups = groups;
  c.bias = DataType::kS32;
  c.zero_points = Granularity::kPerChannel;
  c.output = DataType::kS32;
  c.gap = 3;
  c.seed = static_cast<uint64_t>(rows * 10007 + outputs * 101 + inputs);
  return c;
}

const LinearCase kCases[] = {
    IntegerCase(1, 1, 1, 1),    IntegerCase(7, 33, 9, 1),    IntegerCase(40, 70, 12, 3),
    IntegerCase(3, 300, 65, 1), IntegerCase(200, 17, 36, 1), IntegerCase(5, 19, 0, 2),
    IntegerCase(0, 5, 4, 1),    IntegerCase(6, 0, 4, 1),     IntegerCase(3000, 7, 200, 2)};

using Tiles = EveryIsaTest;

TEST_F(Tiles, CoverTheResultOnce) {
  BackwardPool backward(3);
  FixedPool fixed(2);
  for (ThreadPool* pool : {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&backward),
                           static_cast<ThreadPool*>(&fixed)}) {
    ContextOptions options;
    options.pool = pool;
    const Context context = Context::Create(options).value();
    for (const LinearCase& c : kCases) {
      LinearData data(c);
      const TestMatrix expected = ReferenceResult(data);
      data.Seal();
      for (const Isa isa : SupportedIsas()) {
        const Result<PackedWeights> weights = data.Pack(isa);
        ASSERT_TRUE(weights.ok()) << weights.status().message();
        const Result<Linear> linear =
            Linear::Create(context, *weights, data.epilogue(), data.linear_options());
        ASSERT_TRUE(linear.ok()) << linear.status().message();

        const TestMatrix result = data.MakeOutput(Guard::kBehind);
        std::mutex mutex;
        std::vector<int> visits(static_cast<size_t>(c.rows * result.cols()), 0);
        bool inside = true;
        const Status status = linear->RunTiles(
            data.input.input(), data.quantization(), [&](const AccumulatorTile& tile) {
              const std::lock_guard lock(mutex);
              inside = inside && tile.row >= 0 && tile.column >= 0 && tile.rows >= 0 &&
                       tile.columns >= 0 && tile.row + tile.rows <= c.rows &&
                       tile.column + tile.columns <= result.cols() && tile.stride >= tile.columns;
              if (!inside) return;
              for (int64_t i = 0; i < tile.rows; ++i) {
                for (int64_t j = 0; j < tile.columns; ++j) {
                  ++visits[static_cast<size_t>((tile.row + i) * result.cols() + tile.column + j)];
                  result.at<int32_t>(tile.row + i, tile.column + j) =
                      tile.data[i * tile.stride + j];
                }
              }
            });
        ASSERT_TRUE(status.ok()) << status.message();
        ASSERT_TRUE(inside) << "a tile reaches beyond the result: " << IsaName(isa) << ", " << c;
        for (size_t i = 0; i < visits.size(); ++i) {
          ASSERT_EQ(visits[i], 1) << "element " << i << ", " << IsaName(isa) << ": " << c;
        }
        ASSERT_TRUE(SameBits(expected, result)) << "  " << IsaName(isa) << ": " << c;
        RecordChecked(weights->isa());
      }
    }
  }
}

// The callback is called where it stands: it may hold what cannot be copied, and it may be const.
TEST_F(Tiles, CallTheObjectItself) {
  struct Counter {
    std::atomic<int64_t> elements{0};
    void operator()(const AccumulatorTile& tile) { elements += tile.rows * tile.columns; }
  };
  LinearData data(kCases[1]);
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const PackedWeights weights = data.Pack(isa).value();
    const Linear linear =
        Linear::Create(context, weights, data.epilogue(), data.linear_options()).value();
    Counter counter;
    ASSERT_TRUE(linear.RunTiles(data.input.input(), data.quantization(), counter).ok());
    EXPECT_EQ(counter.elements, data.c.rows * data.c.outputs);

    std::atomic<int64_t> elements{0};
    const auto constant = [&](const AccumulatorTile& tile) {
      elements += tile.rows * tile.columns;
    };
    ASSERT_TRUE(linear.RunTiles(data.input.input(), data.quantization(), constant).ok());
    EXPECT_EQ(elements, counter.elements);
    RecordChecked(weights.isa());
  }
}

// f32 activations are quantised for tiles, too.
TEST_F(Tiles, FromFloatInput) {
  LinearCase c = kCases[2];
  c.input = DataType::kF32;
  c.scaling = InputScaling::kDynamicPerRow;
  LinearData data(c);
  const TestMatrix expected = ReferenceResult(data);
  const Context context = Context::Create().value();
  for (const Isa isa : SupportedIsas()) {
    const PackedWeights weights = data.Pack(isa).value();
    const Linear linear =
        Linear::Create(context, weights, data.epilogue(), data.linear_options()).value();
    const TestMatrix result = data.MakeOutput(Guard::kBehind);
    const Status status =
        linear.RunTiles(data.input.input(), data.quantization(), [&](const AccumulatorTile& tile) {
          for (int64_t i = 0; i < tile.rows; ++i) {
            for (int64_t j = 0; j < tile.columns; ++j) {
              result.at<int32_t>(tile.row + i, tile.column + j) = tile.data[i * tile.stride + j];
            }
          }
        });
    ASSERT_TRUE(status.ok()) << status.message();
    ASSERT_TRUE(SameBits(expected, result)) << "  " << IsaName(isa) << ": " << c;
    RecordChecked(weights.isa());
  }
}

}  // namespace
}  // namespace qforge::test
