// The demo end to end.
#include "dlrm/experiment.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>

#include "dlrm/check.h"
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

std::vector<std::string> Names(const ExperimentResult& result) {
  std::vector<std::string> names;
  for (const VariantResult& variant : result.variants) names.push_back(variant.name);
  return names;
}

const VariantResult& Find(const ExperimentResult& result, const std::string& name) {
  for (const VariantResult& variant : result.variants) {
    if (variant.name == name) return variant;
  }
  throw Error("no variant " + name);
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
    EXPECT_EQ(Names(result),
              (std::vector<std::string>{"fp32", "fp32_qforge", "fp16", "bf16", "int8", "int8_fp32",
                                        "int8_u8_minmax", "int8_u4_minmax", "int8_u4_greedy"}));
    const VariantResult& fp32 = Find(result, "fp32");
    const VariantResult& int8 = Find(result, "int8");
    // Labels were drawn from the model's own probabilities: it must beat the base rate's guess.
    EXPECT_GT(fp32.auc, 0.6);
    EXPECT_LT(fp32.logloss, std::log(2.0));
    EXPECT_EQ(fp32.logit_difference.max, 0.0);
    EXPECT_LT(Find(result, "fp32_qforge").logit_difference.max, 1e-5);
    EXPECT_LT(Find(result, "fp16").logit_difference.mean, 1e-3);
    EXPECT_LT(Find(result, "bf16").logit_difference.mean, 1e-2);
    if (isa != qforge::Isa::kScalar) {  // kernels pad columns
      EXPECT_LT(Find(result, "fp16").mlp_weight_bytes,
                Find(result, "fp32_qforge").mlp_weight_bytes);
    }
    EXPECT_GT(int8.logit_difference.max, 0.0);
    EXPECT_LT(int8.logit_difference.mean, 0.1);
    EXPECT_NEAR(int8.auc, fp32.auc, 0.02);
    // The same sums, in the same order.
    EXPECT_EQ(Find(result, "int8_fp32").logloss, int8.logloss);
    for (const VariantResult& variant : result.variants) {
      EXPECT_LT(variant.logit_difference.mean, 0.2) << variant.name;
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

TEST(Experiment, RowsInEveryFormat) {
  ExperimentOptions options = TinyExperiment();
  options.embeddings = EmbeddingFormatNames();
  options.batches = {7};
  const ExperimentResult result = RunExperiment(options);
  const double rows = 100 + 3 + 10'000;
  EXPECT_EQ(result.embedding_bytes, rows * 32);
  const std::pair<const char*, double> row_bytes[] = {
      {"fp32", 32},           {"int8_fp32", 32},     {"int8_fp16", 16},     {"int8_bf16", 16},
      {"int8_u8_minmax", 16}, {"int8_u4_greedy", 8}, {"int8_u2_greedy", 6}, {"int8_codebook", 36}};
  for (const auto& [name, bytes] : row_bytes) {
    EXPECT_EQ(Find(result, name).embedding_bytes, bytes * rows) << name;
  }
  // Less is lost with more bits.
  const auto difference = [&](const char* name) {
    return Find(result, name).logit_difference.mean;
  };
  EXPECT_LT(difference("int8_u8_minmax"), difference("int8_u4_minmax"));
  EXPECT_LT(difference("int8_u4_minmax"), difference("int8_u2_minmax"));
  EXPECT_LT(difference("int8_fp16"), difference("int8_u2_greedy"));
}

TEST(Experiment, TheMlpsThatAreAskedFor) {
  ExperimentOptions options = TinyExperiment();
  options.batches = {7};
  options.embeddings = {"u8"};
  options.mlps = {"bf16", "fp16"};
  EXPECT_EQ(Names(RunExperiment(options)),
            (std::vector<std::string>{"fp32", "fp16", "bf16", "bf16_u8_minmax"}));
  options.mlps = {"fp8"};
  EXPECT_TRUE(Says(ErrorOf([&] { RunExperiment(options); }), "--mlp does not know 'fp8'"));
}

TEST(EmbeddingFormats, MethodsWhereTheyMatter) {
  const auto names = [](const std::vector<std::string>& formats,
                        const std::vector<std::string>& methods) {
    std::vector<std::string> full;
    for (const auto& format : EmbeddingFormats(formats, methods)) full.push_back(format.FullName());
    return full;
  };
  using Strings = std::vector<std::string>;
  EXPECT_EQ(names({"u4", "fp16"}, {}), (Strings{"u4_minmax", "u4_greedy", "fp16"}));
  EXPECT_EQ(names({"u8", "codebook"}, {"greedy", "symmetric"}),
            (Strings{"u8_greedy", "u8_symmetric", "codebook"}));
  EXPECT_EQ(names({}, {"greedy"}), Strings{});
  EXPECT_TRUE(
      Says(ErrorOf([&] { names({"u3"}, {}); }), "no embedding format 'u3'; there are fp32,"));
  EXPECT_TRUE(Says(ErrorOf([&] { names({"u4"}, {"best"}); }), "no embedding method 'best'"));
}

TEST(Experiment, ReportsTheSameFiguresAsTextAndAsJson) {
  const ExperimentResult result = RunExperiment(TinyExperiment());
  const auto json = nlohmann::json::parse(JsonReport(result));
  const VariantResult& int8 = Find(result, "int8");
  EXPECT_EQ(json["fp32"]["logloss"], result.variants[0].logloss);
  EXPECT_EQ(json["fp32"]["auc"], result.variants[0].auc);
  EXPECT_FALSE(json["fp32"].contains("relative_logloss_change"));
  EXPECT_EQ(json["int8"]["relative_logloss_change"], int8.loss_change.relative);
  EXPECT_EQ(json["int8"]["mean_logit_difference"], int8.logit_difference.mean);
  EXPECT_EQ(json["int8"]["batches"][1]["batch"], 7);
  EXPECT_EQ(json["int8"]["batches"][1]["p99_us"], int8.batches[1].p99_microseconds);
  EXPECT_EQ(json["setup"]["threads"], 1);
  const VariantResult& u4 = Find(result, "int8_u4_greedy");
  EXPECT_EQ(json["int8_u4_greedy"]["embedding_format"], "u4");
  EXPECT_EQ(json["int8_u4_greedy"]["embedding_method"], "greedy");
  EXPECT_EQ(json["int8_u4_greedy"]["embedding_bytes"], u4.embedding_bytes);
  EXPECT_EQ(json["int8_u4_greedy"]["embedding_bytes_of_fp32"], 0.25);
  EXPECT_EQ(json["int8_u4_greedy"]["relative_logloss_change"], u4.loss_change.relative);
  EXPECT_EQ(json["int8_u4_greedy"]["relative_logloss_change_standard_error"],
            u4.loss_change.standard_error);

  const std::string text = TextReport(result);
  char logloss[32];
  std::snprintf(logloss, sizeof(logloss), "%.6f", int8.logloss);
  EXPECT_TRUE(Says(text, logloss));
  EXPECT_TRUE(Says(text, "Batches of 7"));
  for (const std::string& name : Names(result)) EXPECT_TRUE(Says(text, "\n" + name + " "));
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
TEST(Experiment, MovieLensKeepsItsAccuracy) {
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
    const VariantResult& int8 = Find(result, "int8");
    EXPECT_LE(int8.logit_difference.mean, 0.02) << qforge::IsaName(isa);
    EXPECT_LE(Find(result, "fp16").logit_difference.mean, 1e-3) << qforge::IsaName(isa);
    for (const char* name : {"fp32_qforge", "fp16", "bf16", "int8", "int8_u8_minmax",
                             "int8_u4_minmax", "int8_u4_greedy"}) {
      const LossChange& change = Find(result, name).loss_change;
      EXPECT_LE(change.relative, 0.0002 + 2.0 * change.standard_error)
          << name << " " << qforge::IsaName(isa);
      EXPECT_LE(change.standard_error, 0.0005) << name;
    }
    const VariantResult& u4 = Find(result, "int8_u4_greedy");
    EXPECT_EQ(static_cast<double>(u4.embedding_bytes),
              0.1875 * static_cast<double>(result.embedding_bytes));
    // The search loses less than the plain range, and both come from the same rows.
    EXPECT_LT(u4.logit_difference.mean, Find(result, "int8_u4_minmax").logit_difference.mean);
  }
}

}  // namespace
}  // namespace dlrm
