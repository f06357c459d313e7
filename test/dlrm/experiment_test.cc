// The demo end to end.
#include "dlrm/experiment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "dlrm/report.h"
#include "support/isas.h"
#include "temporary_file.h"

namespace dlrm {
namespace {

ExperimentOptions TinyExperiment() {
  ExperimentOptions options;
  options.synthetic.shape = {
      .dim = 8, .bottom = {5, 32, 8}, .top = {24, 1}, .table_rows = {100, 3, 20'000}};
  options.synthetic.rows_scale = 0.5;
  options.synthetic.calibration_requests = 256;
  options.synthetic.evaluation_requests = 1000;
  options.batches = {1, 7};
  options.seconds = 0.02;
  return options;
}

TEST(Synthetic, IsMadeToMeasure) {
  const ExperimentOptions options = TinyExperiment();
  const SyntheticData data = MakeSyntheticData(Take(qforge::Context::Create()), options.synthetic);
  EXPECT_EQ(data.model.tables[0].rows, 100);
  EXPECT_EQ(data.model.tables[1].rows, 3);
  EXPECT_EQ(data.model.tables[2].rows, 10'000);
  EXPECT_EQ(ShapeText(data.model.top), "14-24-1");
  EXPECT_EQ(data.evaluation.rows, 1000);
  ASSERT_EQ(data.evaluation.labels.size(), 1000u);
  EXPECT_EQ(std::set<float>(data.evaluation.labels.begin(), data.evaluation.labels.end()),
            (std::set<float>{0.0f, 1.0f}));
  for (size_t i = 0; i < data.model.tables.size(); ++i) {
    for (const int64_t row : data.evaluation.bags[i].indices) {
      ASSERT_GE(row, 0);
      ASSERT_LT(row, data.model.tables[i].rows);
    }
  }
}

TEST(Synthetic, IsTheSameForOneSeed) {
  const qforge::Context context = Take(qforge::Context::Create());
  SyntheticOptions options = TinyExperiment().synthetic;
  const SyntheticData first = MakeSyntheticData(context, options);
  const SyntheticData again = MakeSyntheticData(context, options);
  options.seed = 2;
  const SyntheticData other = MakeSyntheticData(context, options);
  EXPECT_EQ(first.model.tables[2].values, again.model.tables[2].values);
  EXPECT_EQ(first.evaluation.labels, again.evaluation.labels);
  EXPECT_NE(first.model.tables[2].values, other.model.tables[2].values);
  EXPECT_NE(first.evaluation.dense, other.evaluation.dense);
}

TEST(Synthetic, CriteoKaggleShape) {
  const ModelShape shape = CriteoKaggleShape();
  ASSERT_EQ(shape.table_rows.size(), 26u);
  int64_t rows = 0;
  for (const int64_t count : shape.table_rows) rows += count;
  EXPECT_EQ(rows, 33'762'577);
}

TEST(Experiment, RunsOnEveryIsa) {
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    ExperimentOptions options = TinyExperiment();
    options.max_isa = isa;
    const ExperimentResult result = RunExperiment(options);
    EXPECT_EQ(result.isa, qforge::IsaName(isa));
    ASSERT_EQ(result.variants.size(), 2u);
    const VariantResult& fp32 = result.variants[0];
    const VariantResult& int8 = result.variants[1];
    EXPECT_EQ(fp32.name, "fp32");
    EXPECT_EQ(int8.name, "int8");
    // Labels were drawn from the model's own probabilities: it must beat the base rate's guess.
    EXPECT_GT(fp32.auc, 0.6);
    EXPECT_LT(fp32.logloss, std::log(2.0));
    EXPECT_EQ(fp32.logit_difference.max, 0.0);
    EXPECT_GT(int8.logit_difference.max, 0.0);
    EXPECT_LT(int8.logit_difference.mean, 0.1);
    EXPECT_NEAR(int8.auc, fp32.auc, 0.02);
    for (const VariantResult& variant : result.variants) {
      EXPECT_GT(variant.mlp_weight_bytes, 0);
      ASSERT_EQ(variant.batches.size(), 2u);
      for (const BatchTiming& timing : variant.batches) {
        EXPECT_GT(timing.requests_per_second, 0.0);
        EXPECT_GT(timing.mlp_requests_per_second, 0.0);
        EXPECT_LE(timing.p50_microseconds, timing.p99_microseconds);
      }
    }
  }
}

TEST(Experiment, ReportsTheSameFiguresAsTextAndAsJson) {
  const ExperimentResult result = RunExperiment(TinyExperiment());
  const auto json = nlohmann::json::parse(JsonReport(result));
  const VariantResult& int8 = result.variants[1];
  EXPECT_EQ(json["fp32"]["logloss"], result.variants[0].logloss);
  EXPECT_EQ(json["fp32"]["auc"], result.variants[0].auc);
  EXPECT_FALSE(json["fp32"].contains("relative_logloss_change"));
  EXPECT_EQ(json["int8"]["relative_logloss_change"], int8.loss_change.relative);
  EXPECT_EQ(json["int8"]["mean_logit_difference"], int8.logit_difference.mean);
  EXPECT_EQ(json["int8"]["batches"][1]["batch"], 7);
  EXPECT_EQ(json["int8"]["batches"][1]["p99_us"], int8.batches[1].p99_microseconds);
  EXPECT_EQ(json["setup"]["threads"], 1);

  const std::string text = TextReport(result);
  char logloss[32];
  std::snprintf(logloss, sizeof(logloss), "%.6f", int8.logloss);
  EXPECT_TRUE(Says(text, logloss));
  EXPECT_TRUE(Says(text, "Batches of 7"));
}

TEST(Experiment, RefusesABatchLargerThanTheEvaluationSet) {
  ExperimentOptions options = TinyExperiment();
  options.batches = {1001};
  EXPECT_TRUE(Says(ErrorOf([&] { RunExperiment(options); }), "larger than the evaluation set"));
}

TEST(Timing, Quantile) {
  std::vector<double> values = {5, 1, 4, 2, 3};
  EXPECT_EQ(Quantile(values, 0.0), 1);
  EXPECT_EQ(Quantile(values, 0.5), 3);
  EXPECT_EQ(Quantile(values, 0.99), 5);
  values = {7};
  EXPECT_EQ(Quantile(values, 0.5), 7);
}

// A model that was trained on real requests, in $QFORGE_TEST_DATA or where the build says.
TEST(Experiment, MovieLensKeepsItsAccuracyInInt8) {
  const char* directory = std::getenv("QFORGE_TEST_DATA");
  const std::filesystem::path data = directory != nullptr ? directory : QFORGE_TEST_DATA;
  const auto file = [&](const char* name) {
    return (data / ("dlrm_ml_d16." + std::string(name) + ".safetensors")).string();
  };
  if (!std::filesystem::exists(file("model"))) {
    GTEST_SKIP() << file("model") << " is not there; QFORGE_TEST_DATA names its folder";
  }
  for (const qforge::Isa isa : qforge::test::SupportedIsas()) {
    ExperimentOptions options;
    options.model = file("model");
    options.calibration = file("calib");
    options.evaluation = file("eval");
    options.max_isa = isa;
    options.batches = {128};
    options.seconds = 0.02;
    const ExperimentResult result = RunExperiment(options);
    ASSERT_TRUE(result.fp32_file_difference.has_value());
    EXPECT_LE(*result.fp32_file_difference, 1e-4) << qforge::IsaName(isa);
    EXPECT_NEAR(result.variants[0].logloss, 0.566076397895813, 1e-6);
    EXPECT_NEAR(result.variants[0].auc, 0.770774803213339, 1e-6);
    const VariantResult& int8 = result.variants[1];
    EXPECT_LE(int8.loss_change.relative, 0.0002 + 2.0 * int8.loss_change.standard_error)
        << qforge::IsaName(isa);
    EXPECT_LE(int8.loss_change.standard_error, 0.0005);
    EXPECT_LE(int8.logit_difference.mean, 0.02) << qforge::IsaName(isa);
  }
}

}  // namespace
}  // namespace dlrm
