// The demo with faults.
#include "dlrm/soft_errors.h"

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "support/isas.h"

namespace dlrm {
namespace {

SoftErrorExperimentOptions TinyExperiment(double rate) {
  SoftErrorExperimentOptions options;
  options.rate = rate;
  SyntheticOptions& synthetic = options.experiment.synthetic;
  synthetic.shape = {
      .dim = 8, .bottom = {5, 32, 8}, .top = {24, 1}, .table_rows = {100, 3, 20'000}};
  synthetic.rows_scale = 0.5;
  synthetic.calibration_requests = 256;
  synthetic.evaluation_requests = 5000;
  return options;
}

TEST(SoftErrors, EveryFaultIsCaughtAndPutRight) {
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    SoftErrorExperimentOptions options = TinyExperiment(1.0);
    options.experiment.max_isa = isa;
    const SoftErrorResult result = MeasureSoftErrors(options);
    ASSERT_EQ(result.faults.size(), 2u);
    for (const FaultCounts& counts : result.faults) {
      EXPECT_EQ(counts.injected, 20) << counts.place;  // one in each of 40 batches, in turn
      EXPECT_EQ(counts.detected, counts.injected) << counts.place << " " << qforge::IsaName(isa);
      EXPECT_GT(counts.changed, 0) << counts.place;
      EXPECT_EQ(counts.changed_detected, counts.changed) << counts.place;
    }
    EXPECT_GT(result.checked, 5000 * 3);
    ASSERT_EQ(result.answers.size(), 3u);
    EXPECT_GT(result.answers[1].logit_difference.max, 0.0);
    EXPECT_EQ(result.answers[2].logit_difference.max, 0.0) << qforge::IsaName(isa);
    EXPECT_EQ(result.answers[2].logloss, result.answers[0].logloss);
  }
}

TEST(SoftErrors, NoAlarmWithoutAFault) {
  const SoftErrorResult result = MeasureSoftErrors(TinyExperiment(0.0));
  EXPECT_EQ(result.false_alarms, 0);
  EXPECT_EQ(result.faults[0].injected + result.faults[1].injected, 0);
  EXPECT_EQ(result.answers[1].logit_difference.max, 0.0);
  const auto json = nlohmann::json::parse(JsonReport(result));
  EXPECT_EQ(json["false_positives"], 0);
  EXPECT_EQ(json["answers"]["faults"]["logloss"], result.answers[1].logloss);
  EXPECT_NE(TextReport(result).find("0 false alarm(s)"), std::string::npos);
}

}  // namespace
}  // namespace dlrm
