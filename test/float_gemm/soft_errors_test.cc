// Faults in float products: no alarm without one, large ones found, and what follows from them.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <optional>
#include <vector>

#include "float_gemm/float_case.h"
#include "pack/packed_matrix.h"
#include "qforge/half.h"
#include "support/isas.h"
#include "support/status_matchers.h"

namespace qforge::test {
namespace {

class FloatFaults : public EveryIsaTest {};

FloatCase MakeCase(int64_t rows, int64_t inputs, int64_t outputs, Isa isa) {
  FloatCase c;
  c.rows = rows;
  c.inputs = inputs;
  c.outputs = outputs;
  c.isa = isa;
  c.checked = true;
  return c;
}

struct Shape {
  int64_t rows, inputs, outputs, groups;
};
// Parts of K, panels side by side, tails, rows shorter than a vector.
constexpr Shape kShapes[] = {{1, 300, 130, 1}, {1, 520, 40, 1}, {7, 5, 35, 1},
                             {30, 67, 70, 3},  {300, 33, 9, 1}, {6, 129, 260, 1}};

// Each type of weights with each that activations have beside it.
std::vector<FloatCase> Cases(const Shape& shape, Isa isa) {
  std::vector<FloatCase> cases;
  for (const DataType weights : kFloatTypes) {
    for (const DataType input : {DataType::kF32, weights}) {
      FloatCase c = MakeCase(shape.rows, shape.inputs, shape.outputs, isa);
      c.groups = shape.groups;
      c.weights = weights;
      c.input = input;
      c.output = weights;
      c.transposed_input = shape.groups > 1;
      cases.push_back(c);
    }
  }
  return cases;
}

Status RunOf(const Linear& linear, const FloatData& data, const TestMatrix& output) {
  return linear.Run(data.input.input(), output.output());
}

// The highest bit of the exponent makes of small sums enormous ones, and of others tiny ones.
TEST_F(FloatFaults, LargeOnesAreFound) {
  for (const Isa isa : SupportedIsas()) {
    for (const Shape& shape : kShapes) {
      for (const FloatCase& c : Cases(shape, isa)) {
        const FloatData data(c, 3);
        SoftErrorMonitor monitor;
        SoftErrorInjection injection;
        SoftErrorOptions options{SoftErrorPolicy::kFail, &monitor};
        options.injection = &injection;
        const Linear linear = MakeLinear(data, options).value();
        const TestMatrix output = data.output.Clone(Guard::kBehind);
        Random random(static_cast<uint64_t>(shape.inputs));
        constexpr int kFaults = 12;
        for (int i = 0; i < kFaults; ++i) {
          injection.row = random.Integer<int64_t>(0, c.rows - 1);
          injection.column = random.Integer<int64_t>(0, c.groups * c.outputs - 1);
          injection.bit = 30;
          injection.times = 1;
          ASSERT_TRUE(IsError(RunOf(linear, data, output), StatusCode::kDataCorrupted, "output"))
              << c.Text() << " row " << injection.row << " column " << injection.column;
        }
        ASSERT_TRUE(RunOf(linear, data, output).ok()) << c.Text();
        const SoftErrorCounts counts = monitor.counts();
        ASSERT_EQ(counts.checked, static_cast<uint64_t>((kFaults + 1) * c.rows));
        ASSERT_EQ(counts.detected, static_cast<uint64_t>(kFaults));
        ASSERT_EQ(counts.not_checked, 0u);
      }
    }
  }
}

TEST_F(FloatFaults, Policies) {
  for (const Isa isa : SupportedIsas()) {
    for (const int threads : {1, 2}) {
      FloatCase c = MakeCase(3, 900, 700, isa);  // two threads divide columns
      c.threads = threads;
      const FloatData data(c, 5);
      SoftErrorMonitor monitor;
      SoftErrorInjection injection;
      // A sum that becomes enormous.
      const TestMatrix expected = ReferenceResult(data);
      injection.row = 2;
      injection.column = 699;
      while (std::abs(expected.at<float>(2, injection.column)) >= 2.0f) --injection.column;
      injection.bit = 30;
      SoftErrorOptions options{SoftErrorPolicy::kRecompute, &monitor};
      options.injection = &injection;
      const TestMatrix output = data.output.Clone(Guard::kBehind);
      const Linear linear = MakeLinear(data, options).value();
      injection.times = 1;  // transient
      EXPECT_TRUE(RunOf(linear, data, output).ok());
      EXPECT_TRUE(SameBits(expected, output));
      EXPECT_EQ(monitor.counts().corrected, 1u);
      injection.times = 2;  // persistent
      EXPECT_TRUE(IsError(RunOf(linear, data, output), StatusCode::kDataCorrupted, "output"));
      EXPECT_EQ(monitor.counts().persistent, 1u);

      options.policy = SoftErrorPolicy::kReport;
      injection.times = 1;
      EXPECT_TRUE(RunOf(MakeLinear(data, options).value(), data, output).ok());
      EXPECT_EQ(monitor.counts().detected, 3u);

      options.policy = SoftErrorPolicy::kOff;
      injection.times = 1;
      const Linear off = MakeLinear(data, options).value();
      EXPECT_TRUE(RunOf(off, data, output).ok());
      EXPECT_TRUE(SameBits(expected, output));
      FloatData plain(c, 5);
      plain.c.checked = false;
      EXPECT_EQ(off.Describe(), MakeLinear(plain).value().Describe());
    }
  }
}

// Rows that cannot be checked are counted, and are no alarm.
TEST_F(FloatFaults, WhatIsNotFinite) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const Isa isa : SupportedIsas()) {
    for (const float value : {kInfinity, -kInfinity, std::nanf(""), 3e38f, -3e38f}) {
      const FloatCase c = MakeCase(9, 70, 40, isa);
      const FloatData data(c, 7);
      for (int64_t k = 10; k < 14; ++k) data.input.at<float>(4, k) = value;
      SoftErrorMonitor monitor;
      const Linear linear = MakeLinear(data, {SoftErrorPolicy::kFail, &monitor}).value();
      const TestMatrix output = data.output.Clone(Guard::kBehind);
      EXPECT_TRUE(RunOf(linear, data, output).ok()) << value;
      EXPECT_EQ(monitor.counts().checked, 8u) << value;
      EXPECT_EQ(monitor.counts().not_checked, 1u) << value;
      EXPECT_EQ(monitor.counts().detected, 0u) << value;
    }
    FloatCase c = MakeCase(9, 70, 40, isa);
    const FloatData data(c, 7);
    data.weights.at<float>(5, 6) = kInfinity;
    SoftErrorMonitor monitor;
    const Linear linear = MakeLinear(data, {SoftErrorPolicy::kFail, &monitor}).value();
    EXPECT_TRUE(RunOf(linear, data, data.output.Clone(Guard::kBehind)).ok());
    EXPECT_EQ(monitor.counts().not_checked, 9u);
  }
}

// No alarm for values of very different sizes, zeros and subnormal numbers among them.
TEST_F(FloatFaults, NoFalseAlarms) {
  for (const Isa isa : SupportedIsas()) {
    for (const Shape& shape : kShapes) {
      for (const FloatCase& c : Cases(shape, isa)) {
        const FloatData data(c, 11);
        Random random(12);
        const auto wild = [&](int64_t, int64_t) {
          if (random.Integer(0, 9) == 0) return 0.0f;
          return std::ldexp(random.Real(-1.0f, 1.0f), random.Integer(-150, 15));
        };
        for (const TestMatrix* matrix : {&data.input, &data.weights}) {
          const bool half = matrix->type() == DataType::kF16;
          for (int64_t i = 0; i < matrix->rows(); ++i) {
            for (int64_t j = 0; j < matrix->cols(); ++j) {
              const float value = half ? wild(i, j) * 0x1p-3f : wild(i, j);
              if (half) {
                matrix->at<Half>(i, j) = ToHalf(value);
              } else if (matrix->type() == DataType::kBF16) {
                matrix->at<BFloat16>(i, j) = ToBFloat16(value);
              } else {
                matrix->at<float>(i, j) = value;
              }
            }
          }
        }
        SoftErrorMonitor monitor;
        const Linear linear = MakeLinear(data, {SoftErrorPolicy::kFail, &monitor}).value();
        const TestMatrix output = data.output.Clone(Guard::kBehind);
        ASSERT_TRUE(RunOf(linear, data, output).ok()) << c.Text();
        ASSERT_EQ(monitor.counts().checked, static_cast<uint64_t>(c.rows)) << c.Text();
      }
    }
  }
}

TEST(FloatFaultOptions, Refused) {
  const Isa isa = SupportedIsas().front();
  FloatCase c = MakeCase(4, 40, 20, isa);
  c.beta = 0.5f;
  EXPECT_TRUE(IsError(MakeLinear(FloatData(c, 1), {SoftErrorPolicy::kRecompute}).status(),
                      StatusCode::kUnsupported, "options.soft_errors.policy"));
  SoftErrorMonitor monitor;
  c.checked = false;
  EXPECT_TRUE(IsError(MakeLinear(FloatData(c, 1), {SoftErrorPolicy::kFail, &monitor}).status(),
                      StatusCode::kInvalidArgument, "options.soft_errors"));
  c = MakeCase(4, 40, 20, isa);
  c.residual = DataType::kF32;
  const FloatData data(c, 1);
  const Linear linear = MakeLinear(data, {SoftErrorPolicy::kRecompute}).value();
  const TestMatrix output = data.output.Clone(Guard::kBehind);
  RunArguments arguments;
  arguments.residual = output.input();
  EXPECT_TRUE(IsError(linear.Run(data.input.input(), output.output(), arguments),
                      StatusCode::kUnsupported, "arguments.residual"));
}

TEST_F(FloatFaults, Scrubbing) {
  for (const Isa isa : SupportedIsas()) {
    const PackedWeights weights = Pack(FloatData(MakeCase(1, 301, 200, isa), 4)).value();
    RecordChecked(isa);
    EXPECT_TRUE(weights.Scrub().ok());
    auto* bytes = const_cast<uint8_t*>(weights.matrix().weights.As<uint8_t>());
    bytes[70000] ^= 4;
    EXPECT_TRUE(IsError(weights.Scrub(), StatusCode::kDataCorrupted, "weights"));
    EXPECT_TRUE(IsError(weights.Scrub(1, 1), StatusCode::kDataCorrupted, "weights"));
    EXPECT_TRUE(weights.Scrub(0, 1).ok());
    bytes[70000] ^= 4;
    EXPECT_TRUE(weights.Scrub().ok());
  }
}

}  // namespace
}  // namespace qforge::test
