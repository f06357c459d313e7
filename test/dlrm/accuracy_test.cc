// dlrm --report.
#include "dlrm/accuracy.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "dlrm/accuracy_report.h"
#include "dlrm/check.h"
#include "dlrm/text_table.h"
#include "temporary_file.h"

namespace dlrm {
namespace {

AccuracyOptions TinyReport() {
  AccuracyOptions options;
  options.experiment.synthetic.shape = {
      .dim = 8, .bottom = {5, 32, 8}, .top = {24, 1}, .table_rows = {100, 3, 20'000}};
  options.experiment.synthetic.rows_scale = 0.5;
  options.experiment.synthetic.calibration_requests = 256;
  options.experiment.synthetic.evaluation_requests = 1000;
  return options;
}

const WayAccuracy& Find(const AccuracyResult& result, const std::string& name) {
  for (const WayAccuracy& way : result.ways) {
    if (way.name == name) return way;
  }
  throw Error("no way " + name);
}

TEST(Accuracy, MeasuresEveryLayer) {
  for (const qforge::Isa isa : {qforge::Isa::kScalar, qforge::Isa::kAvx512Vnni}) {
    AccuracyOptions options = TinyReport();
    options.experiment.max_isa = isa;
    const AccuracyResult result = MeasureAccuracy(options);
    EXPECT_EQ(result.isa, qforge::IsaName(Take(qforge::BestIsa(isa))));
    ASSERT_EQ(result.layers.size(), 4u);
    EXPECT_EQ(result.layers[0].name, "bottom.0");
    EXPECT_EQ(result.layers[3].name, "top.1");
    EXPECT_EQ(result.layers[3].inputs, 24);
    EXPECT_EQ(result.layers[3].outputs, 1);
    for (const LayerAccuracy& layer : result.layers) {
      ASSERT_EQ(layer.errors.size(), result.methods.size());
      // The first is min-max, in which nothing is clipped.
      EXPECT_GT(layer.errors.front().SignalToNoise(), 25.0) << layer.name;
      EXPECT_LT(layer.errors.front().SignalToNoise(), 70.0) << layer.name;
      EXPECT_EQ(layer.errors.front().count, 256 * layer.outputs);
    }
    EXPECT_EQ(result.ways.front().name, "fp32");
    EXPECT_GT(Find(result, "minmax").logit_difference.mean, 0.0);
    EXPECT_LT(Find(result, "minmax").logit_difference.mean, 0.1);
  }
}

// All in fp32 is the model itself, none of it is min-max.
TEST(Accuracy, KeepsTheLayersBelowTheBudget) {
  AccuracyOptions options = TinyReport();
  options.min_signal_to_noise = 200.0;
  const AccuracyResult all = MeasureAccuracy(options);
  EXPECT_EQ(all.choice.higher, 4);
  EXPECT_EQ(Find(all, "minmax_mixed").logit_difference.max, 0.0);
  options.min_signal_to_noise = -200.0;
  const AccuracyResult none = MeasureAccuracy(options);
  EXPECT_EQ(none.choice.higher, 0);
  EXPECT_EQ(Find(none, "minmax_mixed").logloss, Find(none, "minmax").logloss);
}

TEST(Accuracy, ReportsTheSameFiguresAsTextAndAsJson) {
  const AccuracyResult result = MeasureAccuracy(TinyReport());
  const auto json = nlohmann::json::parse(JsonReport(result));
  const LayerAccuracy& layer = result.layers[1];
  EXPECT_EQ(json["layers"]["bottom.1"]["inputs"], 32);
  EXPECT_EQ(json["layers"]["bottom.1"]["precision"], layer.in_fp32 ? "fp32" : "int8");
  EXPECT_EQ(json["layers"]["bottom.1"]["minmax"]["signal_to_noise_db"],
            layer.errors[0].SignalToNoise());
  EXPECT_EQ(json["ways"]["l2"]["logloss"], Find(result, "l2").logloss);
  EXPECT_FALSE(json["ways"]["fp32"].contains("relative_logloss_change"));
  const std::string text = TextReport(result);
  EXPECT_TRUE(Says(text, Format("%.1f", layer.errors[0].SignalToNoise())));
  EXPECT_TRUE(Says(text, Format("%.6f", Find(result, "kl").logloss)));
  for (const LayerAccuracy& each : result.layers) EXPECT_TRUE(Says(text, "\n" + each.name + " "));
  for (const WayAccuracy& way : result.ways) EXPECT_TRUE(Says(text, "\n" + way.name + " "));
}

// A model that was trained on real requests, in $QFORGE_TEST_DATA or where the build says.
TEST(Accuracy, MovieLensLosesNothing) {
  const char* directory = std::getenv("QFORGE_TEST_DATA");
  const std::filesystem::path data = directory != nullptr ? directory : QFORGE_TEST_DATA;
  const auto file = [&](const char* name) {
    return (data / ("dlrm_ml_d16." + std::string(name) + ".safetensors")).string();
  };
  if (!std::filesystem::exists(file("model"))) {
    GTEST_SKIP() << file("model") << " is not there; QFORGE_TEST_DATA names its folder";
  }
  AccuracyOptions options;
  options.experiment.model = file("model");
  options.experiment.calibration = file("calib");
  options.experiment.evaluation = file("eval");
  const AccuracyResult result = MeasureAccuracy(options);
  ASSERT_EQ(result.layers.size(), 5u);
  for (const char* name : {"minmax", "l2_approximate", "minmax_mixed"}) {
    const LossChange& change = Find(result, name).loss_change;
    EXPECT_LE(change.relative, 0.0002 + 2.0 * change.standard_error) << name;
  }
  // Layers that were chosen by their noise take most of it away with them.
  EXPECT_LT(Find(result, "minmax_mixed").logit_difference.mean,
            0.5 * Find(result, "minmax").logit_difference.mean);
}

TEST(TextTable, AlignsItsColumns) {
  TextTable table("Title");
  table.Column("", {"a", "long"});
  table.Column("value", {"1", "± 2"});
  EXPECT_EQ(table.Text(), "\nTitle\n       value\n------------\na          1\nlong     ± 2\n");
}

}  // namespace
}  // namespace dlrm
