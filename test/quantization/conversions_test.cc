// FindRange, Quantize, Dequantize and Requantize as their users call them: shapes, errors, float
// environments, allocation. The values of every kind and length are in array_functions_test.cc.
#include <gtest/gtest.h>
#include <xmmintrin.h>

#include <algorithm>
#include <cstdint>
#include <limits>
#include <vector>

#include "qforge/quantization.h"
#include "quantization/array_case.h"
#include "ref/reference.h"
#include "support/allocation_counter.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// Address 1: not aligned for anything but bytes. Nothing may be read there.
template <class T>
T* Misaligned() {
  return reinterpret_cast<T*>(uintptr_t{1});
}

std::vector<float> AnyFloats(uint64_t seed, int64_t count) {
  Random random(seed);
  std::vector<float> values(static_cast<size_t>(count));
  for (float& value : values) value = AnyFloat(random);
  return values;
}

TEST(Conversions, ByHand) {
  const std::vector<float> x{-1.0f, 0.0f, 0.25f, 0.75f, 1000.0f, kNan};
  std::vector<uint8_t> q(6);
  ASSERT_TRUE(Quantize(x, {0.5f, 10}, q).ok());
  EXPECT_EQ(q, (std::vector<uint8_t>{8, 10, 10, 12, 255, 0}));
  std::vector<float> y(6);
  ASSERT_TRUE(Dequantize(q, {0.5f, 10}, y).ok());
  EXPECT_EQ(y, (std::vector<float>{-1, 0, 0, 1, 122.5f, -5}));

  std::vector<int8_t> s(6);
  ASSERT_TRUE(Quantize(x, {0.5f, -10}, s).ok());
  EXPECT_EQ(s, (std::vector<int8_t>{-12, -10, -10, -8, 127, -128}));
  ASSERT_TRUE(Dequantize(s, {0.5f, -10}, y).ok());
  EXPECT_EQ(y, (std::vector<float>{-1, 0, 0, 1, 68.5f, -59}));

  const Result<ValueRange> range = FindRange(x);
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->min, -1.0f);
  EXPECT_EQ(range->max, 1000.0f);
}

TEST(Conversions, OfNothing) {
  const ArrayView<const float> no_floats;
  EXPECT_TRUE(Quantize(no_floats, {}, ArrayView<uint8_t>()).ok());
  EXPECT_TRUE(Quantize(no_floats, {}, ArrayView<int8_t>()).ok());
  EXPECT_TRUE(Dequantize(ArrayView<const uint8_t>(), {}, ArrayView<float>()).ok());
  EXPECT_TRUE(Dequantize(ArrayView<const int8_t>(), {}, ArrayView<float>()).ok());
  const Result<ValueRange> range = FindRange(no_floats);
  ASSERT_TRUE(range.ok());
  EXPECT_EQ(range->min, 0.0f);
  EXPECT_EQ(range->max, 0.0f);

  const float multiplier[1] = {1.0f};
  RequantizeOptions options;
  options.multipliers = multiplier;
  const MatrixView<const int32_t> empty[] = {{nullptr, 0, 0}, {nullptr, 3, 0}, {nullptr, 0, 3}};
  for (const auto& input : empty) {
    const OutputMatrix output(static_cast<uint8_t*>(nullptr), input.rows, input.cols);
    EXPECT_TRUE(Requantize(input, options, output).ok());
  }
  options.multipliers = {};
  EXPECT_TRUE(Requantize(empty[1], options, {static_cast<int8_t*>(nullptr), 3, 0}).ok());
}

// Fewer bits: what 8 give, kept to the values that are used.
TEST(Conversions, KeepToTheirBits) {
  const std::vector<float> x = AnyFloats(6, 3001);
  std::vector<uint8_t> u8(x.size()), u8_of_8(x.size());
  std::vector<int8_t> s8(x.size()), s8_of_8(x.size());
  for (int bits = 2; bits <= 8; ++bits) {
    ParameterOptions options{DataType::kU8, false, bits};
    const QuantizationParameters u = ChooseParameters(-3.0f, 5.0f, options).value();
    options.type = DataType::kS8;
    const QuantizationParameters s = ChooseParameters(-3.0f, 5.0f, options).value();
    ASSERT_TRUE(Quantize(x, u, ArrayView<uint8_t>(u8)).ok());
    ASSERT_TRUE(Quantize(x, s, ArrayView<int8_t>(s8)).ok());
    ASSERT_TRUE(Quantize(x, {u.scale, u.zero_point}, ArrayView<uint8_t>(u8_of_8)).ok());
    ASSERT_TRUE(Quantize(x, {s.scale, s.zero_point}, ArrayView<int8_t>(s8_of_8)).ok());
    const int half = 1 << (bits - 1);
    for (size_t i = 0; i < x.size(); ++i) {
      ASSERT_EQ(u8[i], std::min<int>(u8_of_8[i], 2 * half - 1)) << x[i] << ", " << bits << " bits";
      ASSERT_EQ(s8[i], std::clamp<int>(s8_of_8[i], -half, half - 1)) << x[i] << ", " << bits;
    }
  }
}

TEST(Conversions, NameTheBadArgument) {
  float x[4] = {};
  uint8_t q[4];
  for (const float scale : {0.0f, -1.0f, kInfinity, kNan, 0x1p-127f}) {
    EXPECT_TRUE(IsError(Quantize(x, {scale, 0}, q), StatusCode::kOutOfRange, "parameters.scale"));
    EXPECT_TRUE(IsError(Dequantize(q, {scale, 0}, x), StatusCode::kOutOfRange, "parameters.scale"));
  }
  for (const int32_t zero_point : {-1, 256}) {
    EXPECT_TRUE(IsError(Quantize(x, {1.0f, zero_point}, q), StatusCode::kOutOfRange,
                        "parameters.zero_point"));
    EXPECT_TRUE(IsError(Dequantize(q, {1.0f, zero_point}, x), StatusCode::kOutOfRange,
                        "parameters.zero_point"));
  }
  int8_t s[4];
  for (const int32_t zero_point : {-129, 128}) {
    EXPECT_TRUE(IsError(Quantize(x, {1.0f, zero_point}, s), StatusCode::kOutOfRange,
                        "parameters.zero_point"));
    EXPECT_TRUE(IsError(Dequantize(s, {1.0f, zero_point}, x), StatusCode::kOutOfRange,
                        "parameters.zero_point"));
  }
  for (const int bits : {-8, 0, 1, 9}) {
    EXPECT_TRUE(
        IsError(Quantize(x, {1.0f, 0, bits}, q), StatusCode::kOutOfRange, "parameters.bits"));
    EXPECT_TRUE(
        IsError(Dequantize(s, {1.0f, 0, bits}, x), StatusCode::kOutOfRange, "parameters.bits"));
  }
  EXPECT_TRUE(
      IsError(Quantize(x, {1.0f, 16, 4}, q), StatusCode::kOutOfRange, "parameters.zero_point"));
  EXPECT_TRUE(
      IsError(Quantize(x, {1.0f, 8, 4}, s), StatusCode::kOutOfRange, "parameters.zero_point"));

  using Floats = ArrayView<const float>;
  using Bytes = ArrayView<uint8_t>;
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  EXPECT_TRUE(IsError(Quantize(Floats(nullptr, 4), {}, q), kInvalid, "input"));
  EXPECT_TRUE(IsError(Quantize(Floats(Misaligned<float>(), 4), {}, q), kInvalid, "input"));
  EXPECT_TRUE(IsError(Quantize(Floats(x, -1), {}, q), StatusCode::kOutOfRange, "input"));
  EXPECT_TRUE(IsError(Quantize(Floats(x, int64_t{1} << 62), {}, Bytes(q, int64_t{1} << 62)),
                      StatusCode::kOutOfRange, "input"));
  EXPECT_TRUE(IsError(Quantize(x, {}, Bytes(nullptr, 4)), kInvalid, "output"));
  EXPECT_TRUE(IsError(Quantize(x, {}, Bytes(q, 3)), kInvalid, "output"));
  EXPECT_TRUE(
      IsError(Quantize(x, {}, Bytes(reinterpret_cast<uint8_t*>(x) + 15, 4)), kInvalid, "output"));
  EXPECT_TRUE(
      IsError(Dequantize(q, {}, ArrayView<float>(Misaligned<float>(), 4)), kInvalid, "output"));
  EXPECT_TRUE(IsError(FindRange(Floats(nullptr, 1)).status(), kInvalid, "values"));
  EXPECT_TRUE(IsError(FindRange(Floats(x, -1)).status(), StatusCode::kOutOfRange, "values"));
}

class RequantizeMatrix : public ::testing::Test {
 protected:
  RequantizeMatrix() { options.multipliers = multipliers; }

  Status Run(int64_t output_stride = 4) {
    return Requantize({x, 2, 3, 5}, options, {y, 2, 3, output_stride});
  }

  // Two rows of three, and what stands between.
  const int32_t x[8] = {1, 2, 3, 99, 99, 500, -1, -2};
  const std::vector<float> multipliers{2.0f};
  RequantizeOptions options;
  uint8_t y[7] = {7, 7, 7, 7, 7, 7, 7};
};

TEST_F(RequantizeMatrix, TakesStrides) {
  options.zero_point = 3;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(std::vector<uint8_t>(y, y + 7), (std::vector<uint8_t>{5, 7, 9, 7, 255, 1, 0}));
}

TEST_F(RequantizeMatrix, TakesMultipliersPerColumnAndAClamp) {
  const std::vector<float> per_column{1.0f, 10.0f, 100.0f};
  options.multipliers = per_column;
  options.zero_point = 20;
  options.clamp_min = 20;  // ReLU
  options.clamp_max = 200;
  ASSERT_TRUE(Run().ok());
  EXPECT_EQ(std::vector<uint8_t>(y, y + 7), (std::vector<uint8_t>{21, 40, 200, 7, 200, 20, 20}));
}

TEST_F(RequantizeMatrix, GivesSigned) {
  int8_t s[6];
  options.zero_point = -100;
  ASSERT_TRUE(Requantize({x, 2, 3, 5}, options, {s, 2, 3}).ok());
  EXPECT_EQ(std::vector<int>(s, s + 6), (std::vector<int>{-98, -96, -94, 127, -102, -104}));
}

TEST_F(RequantizeMatrix, NamesTheBadArgument) {
  constexpr StatusCode kInvalid = StatusCode::kInvalidArgument;
  constexpr StatusCode kOutOfRange = StatusCode::kOutOfRange;
  const MatrixView<const int32_t> input(x, 2, 3, 5);
  const OutputMatrix output(y, 2, 3);
  const auto with = [&](auto change) {
    RequantizeOptions changed = options;
    change(changed);
    return Requantize(input, changed, output);
  };
  EXPECT_TRUE(
      IsError(with([](auto& o) { o.zero_point = 256; }), kOutOfRange, "options.zero_point"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.zero_point = -1; }), kOutOfRange, "options.zero_point"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.clamp_min = 256; }), kOutOfRange, "options.clamp_min"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.clamp_max = -1; }), kOutOfRange, "options.clamp_max"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.clamp_min = 5, o.clamp_max = 4; }), kInvalid,
                      "options.clamp_min"));
  EXPECT_TRUE(IsError(with([](auto& o) { o.multipliers = {}; }), kInvalid, "options.multipliers"));
  const std::vector<float> two{1.0f, 1.0f};
  EXPECT_TRUE(
      IsError(with([&](auto& o) { o.multipliers = two; }), kInvalid, "options.multipliers"));
  for (const float bad : {0.0f, -1.0f, kInfinity, kNan}) {
    const std::vector<float> values{1.0f, bad, 1.0f};
    const Status status = with([&](auto& o) { o.multipliers = values; });
    EXPECT_TRUE(IsError(status, kOutOfRange, "options.multipliers")) << bad;
  }

  EXPECT_TRUE(IsError(Requantize({nullptr, 2, 3}, options, output), kInvalid, "input"));
  EXPECT_TRUE(IsError(Requantize({x, 2, 3, 2}, options, output), kInvalid, "input"));
  EXPECT_TRUE(IsError(Requantize({x, -2, 3}, options, output), kOutOfRange, "input"));
  EXPECT_TRUE(
      IsError(Requantize({Misaligned<int32_t>(), 2, 3}, options, output), kInvalid, "input"));
  EXPECT_TRUE(IsError(Requantize({x, int64_t{1} << 60, 8}, options, output), kOutOfRange, "input"));
  EXPECT_TRUE(IsError(Run(2), kInvalid, "output"));
  EXPECT_TRUE(IsError(Requantize(input, options, {y, 2, 2}), kInvalid, "output"));
  EXPECT_TRUE(IsError(Requantize(input, options, {static_cast<uint8_t*>(nullptr), 2, 3}), kInvalid,
                      "output"));
  float floats[6];
  EXPECT_TRUE(IsError(Requantize(input, options, {floats, 2, 3}), kInvalid, "output"));
  EXPECT_TRUE(IsError(Requantize(input, options, OutputMatrix()), kInvalid, "output"));
  int32_t shared[6] = {};
  EXPECT_TRUE(
      IsError(Requantize({shared, 2, 3}, options, {reinterpret_cast<int8_t*>(shared), 2, 3}),
              kInvalid, "output"));
  EXPECT_EQ(std::vector<uint8_t>(y, y + 7), std::vector<uint8_t>(7, 7));
}

// Rounding up, flush-to-zero and denormals-are-zero in the host change nothing, and stay.
TEST(Conversions, SetTheFloatEnvironment) {
  const unsigned default_mxcsr = _mm_getcsr();
  const unsigned changed_mxcsr = _MM_MASK_MASK | _MM_ROUND_UP | _MM_FLUSH_ZERO_ON | 0x0040;
  const std::vector<float> x = AnyFloats(1, 333);
  const std::vector<int32_t> accumulators{1, 3, -1, -3, 77777};
  const float multiplier[1] = {0.5f};
  RequantizeOptions options;
  options.multipliers = multiplier;
  options.zero_point = 100;
  std::vector<uint8_t> q[2] = {std::vector<uint8_t>(333), std::vector<uint8_t>(333)};
  std::vector<float> y[2] = {std::vector<float>(333), std::vector<float>(333)};
  std::vector<uint8_t> r[2] = {std::vector<uint8_t>(5), std::vector<uint8_t>(5)};
  const float tiny[2] = {-0x1p-140f, 0x1p-140f};
  ValueRange range[2];
  QuantizationParameters parameters[2];
  for (int changed = 0; changed < 2; ++changed) {
    _mm_setcsr(changed ? changed_mxcsr : default_mxcsr);
    bool ok = Quantize(x, {0x1.1p-4f, 100}, q[changed]).ok();
    ok = Dequantize(q[changed], {0x1.7p-126f, 128}, y[changed]).ok() && ok;
    ok = Requantize({accumulators.data(), 1, 5}, options, {r[changed].data(), 1, 5}).ok() && ok;
    const auto found = FindRange(tiny);
    ok = found.ok() && ok;
    if (found.ok()) range[changed] = *found;
    const auto chosen = ChooseParameters(-0.3f, 1.7f);
    ok = chosen.ok() && ok;
    if (chosen.ok()) parameters[changed] = *chosen;
    const unsigned mxcsr_after = _mm_getcsr();
    _mm_setcsr(default_mxcsr);
    EXPECT_TRUE(ok);
    // Sticky exception flags aside.
    EXPECT_EQ(mxcsr_after & 0xFFC0, (changed ? changed_mxcsr : default_mxcsr) & 0xFFC0);
  }
  EXPECT_EQ(q[0], q[1]);
  EXPECT_TRUE(SameBits(y[0].data(), y[1].data(), 333));
  EXPECT_EQ(r[0], r[1]);
  EXPECT_EQ(range[1].min, -0x1p-140f);
  EXPECT_EQ(range[1].max, 0x1p-140f);
  EXPECT_EQ(parameters[0].scale, parameters[1].scale);
  EXPECT_EQ(parameters[0].zero_point, parameters[1].zero_point);
}

TEST(Conversions, AllocateNothingTheSecondTime) {
  const std::vector<float> x = AnyFloats(2, 100);
  std::vector<uint8_t> q(100);
  std::vector<float> y(100);
  const std::vector<int32_t> accumulators(100, 5);
  const float multiplier[1] = {0.5f};
  RequantizeOptions options;
  options.multipliers = multiplier;
  const auto all = [&] {
    return FindRange(x).ok() && Quantize(x, {}, q).ok() && Dequantize(q, {}, y).ok() &&
           Requantize({accumulators.data(), 1, 100}, options, {q.data(), 1, 100}).ok();
  };
  ASSERT_TRUE(all());
  const int64_t before = AllocationCount();
  const bool ok = all();
  const int64_t after = AllocationCount();
  EXPECT_TRUE(ok);
  EXPECT_EQ(after - before, 0);
}

}  // namespace
}  // namespace qforge::test
