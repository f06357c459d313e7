#include "dlrm/model.h"

#include <gtest/gtest.h>

#include <string>

#include "dlrm/requests.h"
#include "temporary_file.h"

namespace dlrm {
namespace {

std::string Replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

const char kMetadata[] = R"~({
  "format": "dlrm",
  "dim": "2",
  "bot": "[3, 2]",
  "top": "[4, 1]",
  "tables": "[\"a\", \"b\"]",
  "interaction": "dot, strictly lower triangle, row-major pairs (i,j) i>j over [bottom output, table 0, table 1, ...]; top input = concat(bottom output, pairs)",
  "activation": "relu between layers, logits out"})~";

// Bottom 3-2, tables of 5 and 1 rows, three pairs, top 5-4-1.
std::string ModelFile(const std::string& metadata = kMetadata) {
  return SafetensorsBuilder(metadata)
      .Add("bot.0.weight", "[2,3]", std::vector<float>(6, 0.5f))
      .Add("bot.0.bias", "[2]", std::vector<float>{1, 2})
      .Add("top.0.weight", "[4,5]", std::vector<float>(20, 0.25f))
      .Add("top.0.bias", "[4]", std::vector<float>(4))
      .Add("top.1.weight", "[1,4]", std::vector<float>(4, 1.0f))
      .Add("top.1.bias", "[1]", std::vector<float>{-1})
      .Add("emb.0.weight", "[5,2]", std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
      .Add("emb.1.weight", "[1,2]", std::vector<float>{10, 11})
      .Build();
}

Model LoadedModel() {
  const TemporaryFile file(ModelFile());
  return LoadModel(file.path());
}

std::string ErrorOfMetadata(const std::string& from, const std::string& to) {
  const TemporaryFile file(ModelFile(Replaced(kMetadata, from, to)));
  return ErrorOf([&] { LoadModel(file.path()); });
}

TEST(Model, IsWhatTheFileDescribes) {
  const Model model = LoadedModel();
  EXPECT_EQ(model.dim, 2);
  EXPECT_EQ(model.dense_features(), 3);
  EXPECT_EQ(model.top_inputs(), 5);
  EXPECT_EQ(model.table_rows(), 6);
  EXPECT_EQ(ShapeText(model.bottom), "3-2");
  EXPECT_EQ(ShapeText(model.top), "5-4-1");
  EXPECT_EQ(model.bottom[0].bias, (std::vector<float>{1, 2}));
  EXPECT_EQ(model.tables[1].values, (std::vector<float>{10, 11}));
}

TEST(Model, RefusesAnotherStructure) {
  EXPECT_TRUE(Says(ErrorOfMetadata("\"dlrm\"", "\"wide\""), "format \"wide\""));
  EXPECT_TRUE(Says(ErrorOfMetadata("strictly lower", "upper"), "interaction"));
  EXPECT_TRUE(Says(ErrorOfMetadata("relu", "gelu"), "activation"));
  EXPECT_TRUE(Says(ErrorOfMetadata("\"dim\"", "\"dime\""), "no 'dim'"));
  EXPECT_TRUE(Says(ErrorOfMetadata("\"2\"", "\"two\""), "cannot be understood"));
  EXPECT_TRUE(Says(ErrorOfMetadata("[3, 2]", "[3, x]"), "cannot be understood"));
}

TEST(Model, RefusesSizesThatDisagree) {
  EXPECT_TRUE(Says(ErrorOfMetadata("[3, 2]", "[3, 4]"), "bottom MLP"));
  EXPECT_TRUE(Says(ErrorOfMetadata("[3, 2]", "[2]"), "bottom MLP"));
  EXPECT_TRUE(Says(ErrorOfMetadata("[3, 2]", "[-1, 2]"), "not positive"));
  EXPECT_TRUE(Says(ErrorOfMetadata("\"2\"", "\"0\""), "not positive"));
  EXPECT_TRUE(Says(ErrorOfMetadata("[4, 1]", "[4, 2]"), "top MLP"));
  EXPECT_TRUE(Says(ErrorOfMetadata("[4, 1]", "[]"), "top MLP"));
  EXPECT_TRUE(Says(ErrorOfMetadata("[3, 2]", "[7, 2]"), "'bot.0.weight' has shape [2, 3]"));
  EXPECT_TRUE(Says(ErrorOfMetadata(R"(, \"b\")", ""), "'top.0.weight' has shape [4, 5]"));
  EXPECT_TRUE(Says(ErrorOfMetadata(R"(\"b\")", R"(\"b\", \"c\")"), "no tensor 'emb.2.weight'"));
}

struct RequestTensors {
  std::vector<float> dense = std::vector<float>(6, 0.5f);
  std::vector<int64_t> indices = {4, 0, 1};
  std::vector<int64_t> offsets = {0, 3, 3};
  std::vector<float> labels = {1, 0};

  Requests Load() const {
    const TemporaryFile file(
        SafetensorsBuilder("{}")
            .Add("dense", "[" + std::to_string(dense.size() / 3) + ",3]", dense)
            .Add("emb.0.indices", "[" + std::to_string(indices.size()) + "]", indices)
            .Add("emb.0.offsets", "[" + std::to_string(offsets.size()) + "]", offsets)
            .Add("emb.1.indices", "[2]", std::vector<int64_t>{0, 0})
            .Add("emb.1.offsets", "[3]", std::vector<int64_t>{0, 1, 2})
            .Add("label", "[" + std::to_string(labels.size()) + "]", labels)
            .Build());
    return LoadRequests(file.path(), LoadedModel());
  }
  std::string LoadError() const {
    return ErrorOf([&] { Load(); });
  }
};

TEST(Requests, AreWhatTheFileHolds) {
  const Requests requests = RequestTensors().Load();
  EXPECT_EQ(requests.rows, 2);
  EXPECT_EQ(requests.dense.size(), 6u);
  EXPECT_EQ(requests.bags[0].indices, (std::vector<int64_t>{4, 0, 1}));
  EXPECT_EQ(requests.bags[1].offsets, (std::vector<int64_t>{0, 1, 2}));
  EXPECT_EQ(requests.labels, (std::vector<float>{1, 0}));
  EXPECT_TRUE(requests.fp32_logits.empty());
}

TEST(Requests, RefusesIndicesOutsideTheTable) {
  for (const int64_t row : {int64_t{5}, int64_t{-1}, INT64_MAX, INT64_MIN}) {
    RequestTensors tensors;
    tensors.indices[1] = row;
    EXPECT_TRUE(Says(tensors.LoadError(), std::to_string(row) + " at position 1"));
  }
}

TEST(Requests, RefusesBadOffsets) {
  for (const std::vector<int64_t>& offsets :
       {std::vector<int64_t>{1, 3, 3}, {0, 4, 3}, {0, 3, 2}, {0, 3, 4}, {0, -1, 3}}) {
    RequestTensors tensors;
    tensors.offsets = offsets;
    EXPECT_TRUE(Says(tensors.LoadError(), "must rise from 0"));
  }
  RequestTensors tensors;
  tensors.offsets = {0, 3};
  EXPECT_TRUE(Says(tensors.LoadError(), "'emb.0.offsets' has shape [2]"));
}

TEST(Requests, RefusesOtherLabels) {
  RequestTensors tensors;
  tensors.labels = {1, 0.5f};
  EXPECT_TRUE(Says(tensors.LoadError(), "'label'"));
  tensors.labels = {1};
  EXPECT_TRUE(Says(tensors.LoadError(), "'label'"));
}

TEST(Requests, RefusesAnEmptyFile) {
  RequestTensors tensors;
  tensors.dense.clear();
  EXPECT_TRUE(Says(tensors.LoadError(), "no requests"));
}

}  // namespace
}  // namespace dlrm
