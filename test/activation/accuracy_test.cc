// Activations against their exact values, computed in double: within the bounds that qforge/types.h
// states. All binary32 numbers take about a minute and are left to
//   activation_test --gtest_also_run_disabled_tests --gtest_filter='*EveryFloat*'
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include "activation/activation_case.h"
#include "qforge/half.h"

namespace qforge::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

class ActivationAccuracy : public ::testing::TestWithParam<ActivationCase> {};
INSTANTIATE_TEST_SUITE_P(All, ActivationAccuracy, ::testing::ValuesIn(kActivations),
                         [](const auto& info) { return info.param.name; });

void ExpectWithinBound(const ActivationCase& c, float x, float y) {
  const double exact = c.exact(static_cast<double>(x));
  const double error = std::fabs(static_cast<double>(y) - exact);
  const double bound = c.bound(static_cast<double>(x)) * UlpOf(exact);
  ASSERT_LE(error, bound) << "of " << x << " (0x" << std::hex << internal::FloatBits(x)
                          << "): " << y << ", exactly " << exact;
}

TEST_P(ActivationAccuracy, IsWithinTheBound) {
  const ActivationCase& c = GetParam();
  constexpr uint64_t kStep = 1709;  // a prime
  for (uint64_t bits = 0; bits < uint64_t{1} << 32; bits += kStep) {
    const float x = internal::BitsFloat(static_cast<uint32_t>(bits));
    if (!std::isfinite(x)) continue;
    ExpectWithinBound(c, x, c.reference(x));
    if (HasFatalFailure()) return;
  }
}

// Computed by the kernel, which gives the reference's bits in a fraction of its time. Where the
// magnitude is so small or so large that the result is a half, x / 2, x or 0, but for the last
// place, a part of them is looked at.
TEST_P(ActivationAccuracy, DISABLED_OfEveryFloat) {
  const ActivationCase& c = GetParam();
  if (VectorIsas().empty()) GTEST_SKIP() << "too slow without a kernel";
  ActivationFunction* const activate = ActivationLoop(VectorIsas().back(), c);
  ASSERT_NE(activate, nullptr);
  constexpr uint64_t kBlock = 1 << 16;
  std::vector<float> x(kBlock);
  std::vector<float> y(kBlock);
  std::vector<int32_t> registers(32 * 16);
  double worst = 0;
  for (uint64_t block = 0; block < uint64_t{1} << 32; block += kBlock) {
    for (uint64_t i = 0; i < kBlock; ++i) {
      x[i] = internal::BitsFloat(static_cast<uint32_t>(block + i));
    }
    const bool plain = !(std::fabs(x[0]) >= 0x1p-28f && std::fabs(x[0]) < 128.0f);
    activate(x.data(), y.data(), kBlock, registers.data());
    for (uint64_t i = 0; i < kBlock; i += plain ? 255 : 1) {
      if (!std::isfinite(x[i])) continue;
      const double exact = c.exact(static_cast<double>(x[i]));
      const double error = std::fabs(static_cast<double>(y[i]) - exact) / UlpOf(exact);
      if (error > c.bound(static_cast<double>(x[i]))) ExpectWithinBound(c, x[i], y[i]);
      worst = std::max(worst, error);
    }
    ASSERT_FALSE(HasFailure());
  }
  RecordProperty("worst_ulp", std::to_string(worst));
}

TEST_P(ActivationAccuracy, AtTheEnds) {
  const ActivationCase& c = GetParam();
  const auto same = [&](float x, float expected) {
    EXPECT_EQ(internal::FloatBits(c.reference(x)), internal::FloatBits(expected))
        << x << ": " << c.reference(x) << ", expected " << expected;
  };
  if (c.activation == Activation::kSigmoid) {
    for (const float x : {0.0f, -0.0f, 0x1p-149f, -0x1p-149f}) same(x, 0.5f);
    for (const float x : {kInfinity, 0x1.fffffep127f, 20.0f}) same(x, 1.0f);
    for (const float x : {-kInfinity, -0x1.fffffep127f, -105.0f}) same(x, 0.0f);
    // Subnormal results are not lost.
    same(-103.0f, 0x1p-149f);
  } else {
    for (const float x : {0.0f, -0.0f, kInfinity, 0x1.fffffep127f, 200.0f}) same(x, x);
    for (const float x : {-kInfinity, -0x1.fffffep127f, -110.0f}) same(x, -0.0f);
    same(0x1p-140f, 0x1p-141f);
    same(-0x1p-140f, -0x1p-141f);
    same(-0x1p-149f, -0.0f);  // half of it, to even
  }
}

TEST_P(ActivationAccuracy, NanStaysNanAndBecomesQuiet) {
  for (const uint32_t bits : {0x7FC00000u, 0xFFC00000u, 0x7F800001u, 0xFFBFFFFFu, 0x7FD23456u}) {
    EXPECT_EQ(internal::FloatBits(GetParam().reference(internal::BitsFloat(bits))),
              bits | 0x400000u);
  }
}

}  // namespace
}  // namespace qforge::test
