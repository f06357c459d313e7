// Histogram: counts against a plain definition, independence of order, and the kernel against the
// reference.
#include "qforge/histogram.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <vector>

#include "accuracy/samples.h"
#include "ops/array_functions.h"
#include "quantization/array_case.h"
#include "ref/histogram.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();
constexpr float kLargest = std::numeric_limits<float>::max();

Histogram Make(int64_t max_bins = 2048) { return std::move(Histogram::Create({max_bins})).value(); }

Histogram Of(const std::vector<float>& values, int64_t max_bins = 2048) {
  Histogram histogram = Make(max_bins);
  EXPECT_TRUE(histogram.Observe(values).ok());
  return histogram;
}

// Everything that can be seen of both is the same.
::testing::AssertionResult Same(const Histogram& a, const Histogram& b) {
  const HistogramData x = a.data();
  const HistogramData y = b.data();
  const auto difference = [](const char* field) {
    return ::testing::AssertionFailure() << field << " differs";
  };
  if (x.max_bins != y.max_bins) return difference("max_bins");
  if (x.bin_exponent != y.bin_exponent) return difference("bin_exponent");
  if (x.first_bin != y.first_bin) return difference("first_bin");
  if (x.counts.size() != y.counts.size()) return difference("counts.size()");
  for (int64_t i = 0; i < x.counts.size(); ++i) {
    if (x.counts[i] != y.counts[i]) return difference("counts") << " at " << i;
  }
  if (!SameBits(&x.min, &y.min, 1)) return difference("min");
  if (!SameBits(&x.max, &y.max, 1)) return difference("max");
  if (x.zeros != y.zeros) return difference("zeros");
  if (x.nans != y.nans) return difference("nans");
  if (x.positive_infinities != y.positive_infinities) return difference("positive_infinities");
  if (x.negative_infinities != y.negative_infinities) return difference("negative_infinities");
  if (a.finite_count() != b.finite_count()) return difference("finite_count");
  return ::testing::AssertionSuccess();
}

// Each value counted by comparing it with the edges.
void ExpectCounts(const Histogram& histogram, const std::vector<float>& values) {
  const int64_t bins = histogram.counts().size();
  std::vector<uint64_t> expected(static_cast<size_t>(bins), 0);
  uint64_t zeros = 0, nans = 0, infinities = 0, finite = 0;
  float min = kInfinity, max = -kInfinity;
  for (const float value : values) {
    if (std::isnan(value) || std::isinf(value)) {
      std::isnan(value) ? ++nans : ++infinities;
      continue;
    }
    ++finite;
    min = std::min(min, value);
    max = std::max(max, value);
    if (value == 0.0f) {
      ++zeros;
      continue;
    }
    const double x = static_cast<double>(value);
    const double from_first = (x - histogram.Edge(0)) / histogram.bin_width();
    const int64_t bin = static_cast<int64_t>(x < 0 ? std::ceil(from_first) - 1 : from_first);
    ASSERT_GE(bin, 0) << value;
    ASSERT_LT(bin, bins) << value;
    ++expected[static_cast<size_t>(bin)];
  }
  for (int64_t i = 0; i < bins; ++i) ASSERT_EQ(histogram.counts()[i], expected[i]) << "bin " << i;
  EXPECT_EQ(histogram.zeros(), zeros);
  EXPECT_EQ(histogram.nans(), nans);
  EXPECT_EQ(histogram.infinities(), infinities);
  EXPECT_EQ(histogram.finite_count(), finite);
  if (finite == 0) return;
  EXPECT_EQ(histogram.min(), min);
  EXPECT_EQ(histogram.max(), max);
}

TEST(Histogram, CountsEveryValueOnce) {
  for (int shape = 0; shape < kShapeCount; ++shape) {
    for (const int64_t max_bins : {16, 100, 2048}) {
      SCOPED_TRACE(Name(static_cast<Shape>(shape)) + ", bins " + std::to_string(max_bins));
      const std::vector<float> values = Sample(static_cast<Shape>(shape), 10'001, 1);
      const Histogram histogram = Of(values, max_bins);
      EXPECT_LE(histogram.counts().size(), max_bins);
      ExpectCounts(histogram, values);
      if (::testing::Test::HasFatalFailure()) return;
    }
  }
}

// Values of all kinds at once: from subnormal to the largest, NaN and infinities among them.
TEST(Histogram, CountsSpecialValuesApart) {
  Random random(2);
  std::vector<float> values(5000);
  for (float& value : values) value = AnyFloat(random);
  ExpectCounts(Of(values), values);
  ExpectCounts(Of(values, 16), values);
  const Histogram histogram =
      Of({1.0f, kNan, -kNan, kInfinity, kInfinity, -kInfinity, -0.0f, 0.0f});
  EXPECT_EQ(histogram.data().positive_infinities, 2u);
  EXPECT_EQ(histogram.data().negative_infinities, 1u);
  EXPECT_EQ(histogram.nans(), 2u);
  EXPECT_EQ(histogram.zeros(), 2u);
  EXPECT_EQ(histogram.finite_count(), 3u);
  EXPECT_EQ(histogram.min(), 0.0f);
  EXPECT_EQ(histogram.max(), 1.0f);
}

// The range is resolved by half of the bins at least, wherever it lies.
TEST(Histogram, UsesItsBins) {
  for (const Shape shape : {Shape::kNormal, Shape::kOneSided, Shape::kRelu, Shape::kFarFromZero,
                            Shape::kNegative, Shape::kHuge}) {
    const Histogram histogram = Of(Sample(shape, 10'000, 3));
    EXPECT_GE(histogram.counts().size(), 1024) << Name(shape);
    const double min = static_cast<double>(histogram.min());
    const double max = static_cast<double>(histogram.max());
    EXPECT_LE(histogram.Edge(0), min);
    EXPECT_GT(histogram.Edge(1), min);
    EXPECT_LE(histogram.Edge(histogram.counts().size() - 1), max);
    EXPECT_GE(histogram.Edge(histogram.counts().size()), max);
  }
}

// One by one, in any order, in pieces of any size: no trace of it is left.
TEST(Histogram, DoesNotDependOnTheOrderOfObservation) {
  for (int shape = 0; shape < kShapeCount; ++shape) {
    SCOPED_TRACE(Name(static_cast<Shape>(shape)));
    std::vector<float> values = Sample(static_cast<Shape>(shape), 3000, 4);
    values.push_back(kNan);
    values.push_back(-kInfinity);
    const Histogram expected = Of(values, 256);
    Random random(5);
    const auto shuffle = [&] {
      for (size_t i = values.size() - 1; i > 0; --i) {
        std::swap(values[i], values[random.Integer<size_t>(0, i)]);
      }
    };
    for (int repetition = 0; repetition < 5; ++repetition) {
      shuffle();
      Histogram in_pieces = Make(256);
      const int64_t size = static_cast<int64_t>(values.size());
      for (int64_t i = 0; i < size;) {
        const int64_t piece = std::min(random.Integer<int64_t>(0, 400), size - i);
        ASSERT_TRUE(in_pieces.Observe(ArrayView<const float>(values.data() + i, piece)).ok());
        i += piece;
      }
      ASSERT_TRUE(Same(in_pieces, expected));
    }
    // The range grows all the time, from the smallest magnitude to the largest.
    std::sort(values.begin(), values.end(),
              [](float a, float b) { return std::abs(a) < std::abs(b); });
    Histogram growing = Make(256);
    for (const float value : values) ASSERT_TRUE(growing.Observe({&value, 1}).ok());
    ASSERT_TRUE(Same(growing, expected));
  }
}

// However parts are put together, brackets and order: it is the histogram of all values.
TEST(Histogram, MergesExactlyInAnyOrder) {
  std::vector<std::vector<float>> parts;
  std::vector<float> all;
  for (int shape = 0; shape < kShapeCount; ++shape) {
    parts.push_back(Sample(static_cast<Shape>(shape), 700, 6));
    parts.back().push_back(shape % 2 == 0 ? kInfinity : kNan);
  }
  parts.push_back({});
  parts.push_back({kNan});
  parts.push_back({0.0f, -0.0f});
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  const Histogram expected = Of(all, 1000);

  Random random(7);
  for (int repetition = 0; repetition < 20; ++repetition) {
    std::vector<Histogram> histograms;
    for (const auto& part : parts) histograms.push_back(Of(part, 1000));
    while (histograms.size() > 1) {
      const size_t to = random.Integer<size_t>(0, histograms.size() - 1);
      const size_t from = random.Integer<size_t>(0, histograms.size() - 1);
      if (to == from) continue;
      ASSERT_TRUE(histograms[to].Merge(histograms[from]).ok());
      std::swap(histograms[from], histograms.back());
      histograms.pop_back();
    }
    ASSERT_TRUE(Same(histograms.front(), expected));
  }
}

TEST(Histogram, MergesWithItself) {
  const std::vector<float> values = Sample(Shape::kNormal, 1000, 8);
  std::vector<float> twice = values;
  twice.insert(twice.end(), values.begin(), values.end());
  Histogram histogram = Of(values);
  ASSERT_TRUE(histogram.Merge(histogram).ok());
  EXPECT_TRUE(Same(histogram, Of(twice)));
}

// Where the range outgrows the bins, each pair of them becomes one.
TEST(Histogram, ByHand) {
  Histogram histogram = Make(16);
  ASSERT_TRUE(histogram.Observe(std::vector<float>{-8, -6.5f, -1, -0.25f, 0, 0.25f, 1, 5.9f}).ok());
  // -8 lies in (-9, -8]: bins -9 to 5, in the order of counts().
  EXPECT_EQ(histogram.bin_width(), 1.0);
  EXPECT_EQ(histogram.Edge(0), -9.0);
  EXPECT_EQ(std::vector<uint64_t>(histogram.counts().data(), histogram.counts().data() + 15),
            (std::vector<uint64_t>{1, 0, 1, 0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 1}));
  EXPECT_EQ(histogram.counts().size(), 15);

  ASSERT_TRUE(histogram.Observe(std::vector<float>{9}).ok());
  EXPECT_EQ(histogram.bin_width(), 2.0);
  EXPECT_EQ(histogram.Edge(0), -10.0);
  EXPECT_EQ(std::vector<uint64_t>(histogram.counts().data(), histogram.counts().data() + 10),
            (std::vector<uint64_t>{1, 1, 0, 0, 2, 2, 0, 1, 0, 1}));
  EXPECT_EQ(histogram.counts().size(), 10);
}

TEST(Histogram, DegenerateInputs) {
  Histogram histogram = Make();
  EXPECT_EQ(histogram.finite_count(), 0u);
  EXPECT_TRUE(histogram.counts().empty());
  EXPECT_TRUE(histogram.Observe(ArrayView<const float>()).ok());
  EXPECT_TRUE(Same(histogram, Make()));

  const Histogram zeros = Of({0.0f, -0.0f, 0.0f});
  EXPECT_EQ(zeros.zeros(), 3u);
  EXPECT_EQ(zeros.counts().size(), 1);
  EXPECT_EQ(zeros.counts()[0], 0u);
  EXPECT_FALSE(std::signbit(zeros.min()) || std::signbit(zeros.max()));

  const Histogram constant = Of(std::vector<float>(100, -3.5f));
  EXPECT_EQ(constant.counts().size(), 1);
  EXPECT_EQ(constant.counts()[0], 100u);
  EXPECT_EQ(constant.min(), -3.5f);
  EXPECT_EQ(constant.max(), -3.5f);

  for (const float value : {0x1p-149f, 0x1p-126f, kLargest, -kLargest}) {
    const Histogram one = Of({value});
    EXPECT_EQ(one.counts().size(), 1) << value;
    EXPECT_EQ(one.min(), value);
  }
  const Histogram widest = Of({-kLargest, -0x1p-149f, 0x1p-149f, kLargest}, 16);
  ExpectCounts(widest, {-kLargest, -0x1p-149f, 0x1p-149f, kLargest});
  EXPECT_TRUE(Same(Of({kNan}), Of({-kNan})));
  EXPECT_TRUE(Of({kNan, kInfinity}).counts().empty());
}

TEST(Histogram, RowsOfAMatrix) {
  const std::vector<float> values = {1, 2, 99, 3, 4, 99, 5, 6, 99};
  Histogram histogram = Make();
  ASSERT_TRUE(histogram.Observe(MatrixView<const float>(values.data(), 3, 2, 3)).ok());
  EXPECT_TRUE(Same(histogram, Of({1, 2, 3, 4, 5, 6})));
}

TEST(Histogram, IsMadeAnewFromItsData) {
  for (int shape = 0; shape < kShapeCount; ++shape) {
    std::vector<float> values = Sample(static_cast<Shape>(shape), 500, 9);
    values.push_back(kNan);
    const Histogram histogram = Of(values, 300);
    const Result<Histogram> again = Histogram::FromData(histogram.data());
    ASSERT_TRUE(again.ok()) << again.status().message();
    EXPECT_TRUE(Same(*again, histogram));
  }
  const Result<Histogram> empty = Histogram::FromData(HistogramData());
  ASSERT_TRUE(empty.ok());
  EXPECT_TRUE(Same(*empty, Make()));
}

TEST(Histogram, RefusesWhatCannotBe) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  for (const int64_t max_bins : {int64_t{-1}, int64_t{15}, int64_t{1048577}}) {
    EXPECT_TRUE(IsError(Histogram::Create({max_bins}).status(), StatusCode::kOutOfRange,
                        "options.max_bins"));
  }
  Histogram histogram = Of({-1.0f, 0.5f, 2.0f});
  EXPECT_TRUE(IsError(histogram.Merge(Make(100)), kInvalid, "other"));
  EXPECT_TRUE(IsError(histogram.Observe(ArrayView<const float>(nullptr, 3)), kInvalid, "values"));
  const float value = 1.0f;
  EXPECT_TRUE(IsError(histogram.Observe({&value, -1}), StatusCode::kOutOfRange, "values"));
  EXPECT_TRUE(Same(histogram, Of({-1.0f, 0.5f, 2.0f})));

  const auto with = [&](auto change) {
    HistogramData data = histogram.data();
    change(data);
    return Histogram::FromData(data).status();
  };
  EXPECT_TRUE(with([](auto&) {}).ok());
  EXPECT_TRUE(
      IsError(with([](auto& d) { d.max_bins = 3; }), StatusCode::kOutOfRange, "data.max_bins"));
  EXPECT_TRUE(IsError(with([](auto& d) { ++d.bin_exponent; }), kInvalid, "data.bin_exponent"));
  EXPECT_TRUE(IsError(with([](auto& d) { --d.first_bin; }), kInvalid, "data.first_bin"));
  EXPECT_TRUE(IsError(with([](auto& d) { d.min = kNan; }), kInvalid, "data.min"));
  EXPECT_TRUE(IsError(with([](auto& d) { d.min = 5.0f; }), kInvalid, "data.min"));
  EXPECT_TRUE(IsError(with([](auto& d) { d.max = kInfinity; }), kInvalid, "data.max"));
  EXPECT_TRUE(IsError(with([](auto& d) { d.counts = {}; }), kInvalid, "data.counts"));
  EXPECT_TRUE(IsError(with([](auto& d) {
                        d.counts = {d.counts.data(), d.counts.size() - 1};
                      }),
                      kInvalid, "data.counts"));
  EXPECT_TRUE(IsError(with([](auto& d) {
                        d.counts = {nullptr, d.counts.size()};
                      }),
                      kInvalid, "data.counts"));
  EXPECT_TRUE(IsError(with([](auto& d) { d.zeros = ~uint64_t{0}; }), kInvalid, "data.counts"));

  // The ends of the range are values: they were counted, in their bins or as zeros.
  const auto with_counts = [](const Histogram& from, auto change) {
    HistogramData data = from.data();
    std::vector<uint64_t> counts(data.counts.data(), data.counts.data() + data.counts.size());
    data.counts = {counts.data(), data.counts.size()};
    EXPECT_TRUE(Histogram::FromData(data).ok());
    change(data, counts);
    return Histogram::FromData(data).status();
  };
  const auto no_first = [](auto&, auto& counts) { counts.front() = 0; };
  const auto no_last = [](auto&, auto& counts) { counts.back() = 0; };
  const auto more_last = [](auto&, auto& counts) { ++counts.back(); };
  const auto no_zeros = [](auto& data, auto&) { data.zeros = 0; };
  const auto more_zeros = [](auto& data, auto&) { ++data.zeros; };
  EXPECT_TRUE(IsError(with_counts(histogram, no_first), kInvalid, "data.min"));
  EXPECT_TRUE(IsError(with_counts(histogram, no_last), kInvalid, "data.max"));
  EXPECT_TRUE(with_counts(histogram, more_zeros).ok());
  EXPECT_TRUE(IsError(with_counts(Of({0.0f, 1.0f}), no_zeros), kInvalid, "data.min"));
  EXPECT_TRUE(IsError(with_counts(Of({-1.0f, 0.0f}), no_zeros), kInvalid, "data.max"));
  EXPECT_TRUE(IsError(with_counts(Of({-1.0f, 0.0f}), more_last), kInvalid, "data.max"));
  EXPECT_TRUE(IsError(with_counts(Of({1.0f, 2.0f}), more_zeros), kInvalid, "data.zeros"));
  EXPECT_TRUE(IsError(with_counts(Of({-2.0f, -1.0f}), more_zeros), kInvalid, "data.zeros"));
  // Two values of one bin.
  const Histogram subnormal = Of({0x1p-130f, 0x1p-129f});
  ASSERT_EQ(subnormal.counts().size(), 1);
  EXPECT_TRUE(IsError(with_counts(subnormal, [](auto&, auto& counts) { counts[0] = 1; }), kInvalid,
                      "data.counts"));
}

TEST(Histogram, CountsDoNotWrapAround) {
  const Histogram one = Of({1.0f, kNan, kInfinity, -kInfinity});
  static constexpr uint64_t kMost = ~uint64_t{0};
  const auto merge = [&](auto change) {
    HistogramData data = one.data();
    change(data);
    Histogram many = std::move(Histogram::FromData(data)).value();
    const Status status = many.Merge(one);
    // Nothing has been added.
    EXPECT_TRUE(Same(many, Histogram::FromData(data).value()));
    return status;
  };
  EXPECT_TRUE(IsError(merge([](auto& d) {
                        d.counts = {&kMost, 1};
                      }),
                      StatusCode::kOutOfRange, "other"));
  EXPECT_TRUE(IsError(merge([](auto& d) { d.nans = kMost; }), StatusCode::kOutOfRange, "other"));
  EXPECT_TRUE(IsError(merge([](auto& d) { d.positive_infinities = kMost; }),
                      StatusCode::kOutOfRange, "other"));
  EXPECT_TRUE(IsError(merge([](auto& d) { d.negative_infinities = kMost; }),
                      StatusCode::kOutOfRange, "other"));
}

class BinIndices : public EveryIsaTest {};

TEST_F(BinIndices, MatchTheReference) {
  Random random(10);
  for (const Guard guard : {Guard::kBehind, Guard::kInFront}) {
    for (const int64_t length : Lengths()) {
      const auto values = Filled<float>(length, guard, [&] { return AnyFloat(random); });
      const kernels::BinGrid grid{std::ldexp(1.0f, random.Integer(-126, 126)),
                                  random.Integer(-(1 << 24), 1 << 24), random.Integer(0, 1 << 20)};
      const kernels::BinGrid usual{16.0f, -100, 200};
      for (const kernels::BinGrid& g : {grid, usual}) {
        std::vector<int32_t> expected(static_cast<size_t>(length));
        ref::BinIndices(values.data(), length, g.inverse_width, g.first, g.count, expected.data());
        const GuardedBuffer<int32_t> indices(length, Opposite(guard));
        for (const Isa isa : SupportedIsas()) {
          const auto bin_indices = GetBinIndices(isa);
          ASSERT_TRUE(bin_indices.ok()) << bin_indices.status().message();
          std::memset(indices.data(), 0x55, static_cast<size_t>(length) * sizeof(int32_t));
          (*bin_indices)(values.data(), length, &g, indices.data());
          ASSERT_TRUE(indices.CanariesIntact());
          ASSERT_TRUE(SameBits(indices.data(), expected.data(), length))
              << IsaName(isa) << ", length " << length;
          RecordChecked(isa);
        }
      }
    }
  }
}

}  // namespace
}  // namespace qforge::test
