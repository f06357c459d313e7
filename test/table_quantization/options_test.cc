// Bad options, progress and cancellation.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <functional>
#include <limits>
#include <string>
#include <thread>
#include <vector>

#include "support/status_matchers.h"
#include "support/thread_pools.h"
#include "table_case.h"

namespace qforge::test {
namespace {

Status StatusOf(const InputMatrix& rows, const TableQuantizationOptions& options) {
  return EmbeddingTable::Quantize(BestContext(), rows, options).status();
}

Status StatusOf(const std::function<void(TableQuantizationOptions*)>& change) {
  static const float kValues[6] = {1, 2, 3, 4, 5, 6};
  TableQuantizationOptions options;
  change(&options);
  return StatusOf(InputMatrix(kValues, 2, 3), options);
}

bool Says(const Status& status, const char* text) {
  return std::string(status.message()).find(text) != std::string::npos;
}

TEST(BadRows, AreRefused) {
  float values[6] = {};
  int8_t bytes[6] = {};
  const TableQuantizationOptions options;
  const auto invalid = StatusCode::kInvalidArgument;
  EXPECT_TRUE(IsError(StatusOf(InputMatrix(bytes, 2, 3), options), invalid, "rows"));
  EXPECT_TRUE(IsError(StatusOf(InputMatrix(), options), invalid, "rows"));
  EXPECT_TRUE(IsError(StatusOf(InputMatrix(values, 2, 3, 2), options), invalid, "rows"));
  EXPECT_TRUE(
      IsError(StatusOf(InputMatrix(static_cast<float*>(nullptr), 2, 3), options), invalid, "rows"));
  EXPECT_TRUE(
      IsError(StatusOf(InputMatrix(values, -1, 3), options), StatusCode::kOutOfRange, "rows"));
  for (const int64_t dimension : {int64_t{0}, (int64_t{1} << 20) + 1}) {
    const Status status = StatusOf(InputMatrix(values, 0, dimension), options);
    EXPECT_TRUE(IsError(status, StatusCode::kOutOfRange, "options.dimension"));
    EXPECT_TRUE(Says(status, std::to_string(dimension).c_str()));
  }
}

TEST(BadOptions, AreRefusedWithFieldAndValue) {
  struct Bad {
    const char* field;
    const char* value;
    StatusCode code;
    std::function<void(TableQuantizationOptions*)> change;
  };
  using Options = TableQuantizationOptions;
  const auto invalid = StatusCode::kInvalidArgument;
  const auto out_of_range = StatusCode::kOutOfRange;
  const Bad kBad[] = {
      {"options.format", "10", invalid, [](Options* o) { o->format = RowFormat(10); }},
      {"options.method", "5", invalid, [](Options* o) { o->method = RangeSearch(5); }},
      {"options.method", "kmeans", invalid, [](Options* o) { o->method = RangeSearch::kKMeans; }},
      {"options.method", "greedy", invalid,
       [](Options* o) {
         o->format = RowFormat::kF16;
         o->method = RangeSearch::kGreedy;
       }},
      {"options.method", "histogram", invalid,
       [](Options* o) {
         o->format = RowFormat::kCodebook4;
         o->method = RangeSearch::kHistogram;
       }},
      {"options.parameters", "bf16", invalid, [](Options* o) { o->parameters = DataType::kBF16; }},
      {"options.parameters", "f32", invalid,
       [](Options* o) {
         o->format = RowFormat::kU4;
         o->parameters = DataType::kF32;
       }},
      {"options.place", "2", invalid, [](Options* o) { o->place = ParameterPlace(2); }},
      {"options.stride", "10", out_of_range, [](Options* o) { o->stride = 10; }},
      {"options.exponent_bias", "7", out_of_range, [](Options* o) { o->exponent_bias = 7; }},
      {"options.exponent_bias", "32", out_of_range,
       [](Options* o) {
         o->format = RowFormat::kE4M3;
         o->exponent_bias = 32;
       }},
      {"options.bins", "1", out_of_range, [](Options* o) { o->bins = 1; }},
      {"options.bins", "10001", out_of_range, [](Options* o) { o->bins = 10001; }},
      {"options.shrink", "1", out_of_range, [](Options* o) { o->shrink = 1.0f; }},
      {"options.shrink", "-0.5", out_of_range, [](Options* o) { o->shrink = -0.5f; }},
      {"options.shrink", "nan", out_of_range, [](Options* o) { o->shrink = std::nanf(""); }},
      {"options.iterations", "0", out_of_range, [](Options* o) { o->iterations = 0; }},
      {"options.iterations", "1001", out_of_range, [](Options* o) { o->iterations = 1001; }},
      {"options.clusters", "0", out_of_range, [](Options* o) { o->clusters = 0; }},
      {"options.clusters", "65537", out_of_range, [](Options* o) { o->clusters = 65537; }},
  };
  for (const Bad& bad : kBad) {
    const Status status = StatusOf(bad.change);
    EXPECT_TRUE(IsError(status, bad.code, bad.field));
    EXPECT_TRUE(Says(status, bad.value)) << status.message();
  }
  EXPECT_TRUE(StatusOf([](Options*) {}).ok());
}

TEST(BadSizes, AreRefused) {
  const float value = 0.0f;
  TableQuantizationOptions options;
  options.stride = int64_t{1} << 40;
  EXPECT_TRUE(IsError(StatusOf(InputMatrix(&value, int64_t{1} << 30, 1), options),
                      StatusCode::kOutOfRange, "rows"));
  options.stride = int64_t{1} << 31;
  EXPECT_TRUE(IsError(StatusOf(InputMatrix(&value, int64_t{1} << 30, 1), options),
                      StatusCode::kResourceExhausted, "rows"));
}

TEST(BadOriginals, AreRefused) {
  const float values[6] = {1, 2, 3, 4, 5, 6};
  const int8_t bytes[6] = {};
  const EmbeddingTable table = Quantize(BestContext(), InputMatrix(values, 2, 3), {});
  for (const InputMatrix& original :
       {InputMatrix(values, 3, 2), InputMatrix(values, 1, 3), InputMatrix(bytes, 2, 3),
        InputMatrix(static_cast<const float*>(nullptr), 2, 3)}) {
    EXPECT_TRUE(IsError(table.Loss(BestContext(), original).status(), StatusCode::kInvalidArgument,
                        "original"));
  }
}

// What a progress callback was told, and when it stops.
struct Calls {
  std::vector<int64_t> done;
  int64_t rows = -1;
  int64_t stop_at = std::numeric_limits<int64_t>::max();
  std::atomic<int> inside{0};
  bool overlapped = false;

  static bool Call(void* argument, int64_t done, int64_t rows) noexcept {
    Calls& calls = *static_cast<Calls*>(argument);
    if (calls.inside.fetch_add(1) != 0) calls.overlapped = true;
    calls.done.push_back(done);
    calls.rows = rows;
    calls.inside.fetch_sub(1);
    return done < calls.stop_at;
  }
};

TEST(Progress, GrowsUpToTheNumberOfRows) {
  const TestMatrix rows = NormalRows(3000, 8, 1);
  FixedPool pool(2);
  for (ThreadPool* const used :
       {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&pool)}) {
    const Context context = MakeContext(Isa::kAvx512Vnni, used);
    for (TableQuantizationOptions options : AllOptions()) {
      Calls calls;
      options.progress = Calls::Call;
      options.progress_argument = &calls;
      Quantize(context, rows.input(), options);
      ASSERT_FALSE(calls.done.empty());
      EXPECT_TRUE(std::is_sorted(calls.done.begin(), calls.done.end())) << Describe(options);
      EXPECT_EQ(calls.done.back(), 3000);
      EXPECT_EQ(calls.rows, 3000);
      EXPECT_FALSE(calls.overlapped);
      EXPECT_GE(calls.done.size(), 3u);
    }
  }
}

// So many that not every one is reported.
TEST(Progress, EndsAtTheNumberOfManyRows) {
  constexpr int64_t kRows = 2501, kLongRow = 8193;
  const std::vector<Half> values(static_cast<size_t>(kRows * kLongRow), Half{0x3C00});
  Calls calls;
  TableQuantizationOptions options = Options(RowFormat::kU2);
  options.progress = Calls::Call;
  options.progress_argument = &calls;
  Quantize(BestContext(), InputMatrix(values.data(), kRows, kLongRow), options);
  EXPECT_EQ(calls.done.back(), kRows);
  EXPECT_GE(calls.done.size(), 1000u);
  EXPECT_LT(calls.done.size(), 1500u);
}

// The other thread is waiting to report when the first call says stop.
TEST(Progress, IsNotAskedAgainByAnotherThread) {
  const TestMatrix rows = NormalRows(3000, 8, 2);
  FixedPool pool(2);
  int calls = 0;
  TableQuantizationOptions options = Options(RowFormat::kU4);
  options.progress_argument = &calls;
  options.progress = [](void* argument, int64_t, int64_t) noexcept {
    ++*static_cast<int*>(argument);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return false;
  };
  const Context context = MakeContext(Isa::kAvx512Vnni, &pool);
  EXPECT_TRUE(IsError(EmbeddingTable::Quantize(context, rows.input(), options).status(),
                      StatusCode::kCancelled, "options.progress"));
  EXPECT_EQ(calls, 1);
}

TEST(Progress, CancelsWhereItSaysSo) {
  const TestMatrix rows = NormalRows(3000, 8, 2);
  FixedPool pool(2);
  for (ThreadPool* const used :
       {static_cast<ThreadPool*>(nullptr), static_cast<ThreadPool*>(&pool)}) {
    const Context context = MakeContext(Isa::kAvx512Vnni, used);
    for (const int64_t stop_at : {0, 1, 1500, 3000}) {
      for (TableQuantizationOptions options : AllOptions()) {
        Calls calls;
        calls.stop_at = stop_at;
        options.progress = Calls::Call;
        options.progress_argument = &calls;
        const Status status = EmbeddingTable::Quantize(context, rows.input(), options).status();
        EXPECT_TRUE(IsError(status, StatusCode::kCancelled, "options.progress"));
        // It is not asked again.
        for (size_t i = 0; i + 1 < calls.done.size(); ++i) EXPECT_LT(calls.done[i], stop_at);
      }
    }
  }
}

TEST(Seeds, ChooseOtherCodebooks) {
  const TestMatrix rows = NormalRows(500, 12, 3);
  TableQuantizationOptions options = Options(RowFormat::kTwoTier4, RangeSearch::kKMeans);
  options.clusters = 8;
  const auto bytes = [&](uint64_t seed) {
    options.seed = seed;
    return Bytes(Quantize(BestContext(), rows.input(), options));
  };
  EXPECT_EQ(bytes(1), bytes(1));
  EXPECT_NE(bytes(1), bytes(2));
}

TEST(TwoTierTables, HaveNoMoreCodebooksThanRows) {
  const TestMatrix rows = NormalRows(3, 40, 4);
  const EmbeddingTable table = Quantize(BestContext(), rows.input(), Options(RowFormat::kTwoTier4));
  EXPECT_EQ(table.codebooks().size(), 3 * 16);
}

}  // namespace
}  // namespace qforge::test
