#include "dlrm/metrics.h"

#include <gtest/gtest.h>

#include <cmath>

namespace dlrm {
namespace {

TEST(Metrics, LogLoss) {
  const std::vector<double> losses = LogLosses({0.0f, 0.0f, 2.0f, -1.0f}, {0, 1, 0, 1});
  EXPECT_DOUBLE_EQ(losses[0], std::log(2.0));
  EXPECT_DOUBLE_EQ(losses[1], std::log(2.0));
  EXPECT_NEAR(losses[2], 2.1269280110429727, 1e-15);  // log(1 + e^2)
  EXPECT_NEAR(losses[3], 1.3132616875182228, 1e-15);  // log(1 + e)
}

TEST(Metrics, LogLossOfExtremeLogits) {
  const std::vector<double> losses = LogLosses({1000.0f, 1000.0f, -1000.0f, 40.0f}, {1, 0, 1, 1});
  EXPECT_EQ(losses[0], 0.0);
  EXPECT_EQ(losses[1], 1000.0);
  EXPECT_EQ(losses[2], 1000.0);
  EXPECT_NEAR(losses[3] / 4.248354255291589e-18, 1.0, 1e-12);  // e^-40, not rounded to 0
}

TEST(Metrics, Mean) { EXPECT_DOUBLE_EQ(Mean({1.0, 2.0, 6.0}), 3.0); }

TEST(Metrics, AucCountsOrderedPairs) {
  // Positives 0.3 and 0.8 against negatives 0.1 and 0.5: three of four pairs in order.
  EXPECT_DOUBLE_EQ(AreaUnderCurve({0.8f, 0.1f, 0.3f, 0.5f}, {1, 0, 1, 0}), 0.75);
  EXPECT_DOUBLE_EQ(AreaUnderCurve({1.0f, 2.0f, 3.0f}, {0, 1, 1}), 1.0);
  EXPECT_DOUBLE_EQ(AreaUnderCurve({3.0f, 2.0f, 1.0f}, {0, 1, 1}), 0.0);
}

TEST(Metrics, AucCountsTiesHalf) {
  EXPECT_DOUBLE_EQ(AreaUnderCurve({1.0f, 1.0f, 1.0f, 1.0f}, {1, 0, 1, 0}), 0.5);
  // Positives 2, 2 and negatives 1, 2: (1 + 1/2 + 1 + 1/2) / 4.
  EXPECT_DOUBLE_EQ(AreaUnderCurve({2.0f, 1.0f, 2.0f, 2.0f}, {1, 0, 0, 1}), 0.75);
}

TEST(Metrics, AucNeedsBothClasses) {
  EXPECT_TRUE(std::isnan(AreaUnderCurve({1.0f, 2.0f}, {1, 1})));
  EXPECT_TRUE(std::isnan(AreaUnderCurve({1.0f, 2.0f}, {0, 0})));
}

TEST(Metrics, PairedStandardError) {
  // Differences 0.1, 0.3, -0.1, 0.1: mean 0.1, sample variance 0.08 / 3; baseline mean 2.
  const LossChange change = CompareLosses({1.1, 2.3, 2.9, 2.1}, {1.0, 2.0, 3.0, 2.0});
  EXPECT_NEAR(change.relative, 0.05, 1e-15);
  EXPECT_NEAR(change.standard_error, std::sqrt(0.08 / 3.0 / 4.0) / 2.0, 1e-15);
}

TEST(Metrics, LogitDifference) {
  const LogitDifference difference =
      CompareLogits({1.0f, -2.0f, 0.5f, 0.0f}, {1.5f, -2.0f, 0.25f, 0.25f});
  EXPECT_DOUBLE_EQ(difference.mean, 0.25);
  EXPECT_DOUBLE_EQ(difference.max, 0.5);
}

}  // namespace
}  // namespace dlrm
