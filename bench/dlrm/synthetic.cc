#include "dlrm/synthetic.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <numeric>

#include "common/progress.h"
#include "dlrm/engine.h"
#include "dlrm/fp32_embeddings.h"
#include "dlrm/fp32_mlp.h"
#include "dlrm/random.h"

namespace dlrm {
namespace {

using qforge::bench::Progress;

constexpr int64_t kUnscaledRows = 10'000;
constexpr double kZipfExponent = 1.05;
constexpr double kLogCountMean = 1.5;
constexpr double kLogCountDeviation = 1.5;
// About a quarter of Criteo's requests are clicked.
constexpr double kLogitMean = -1.3;
constexpr double kLogitDeviation = 1.2;

// Uniform in [-0.5, 0.5), two values from each random number: most of the time goes here.
EmbeddingTable MakeTable(int64_t rows, int64_t dim, Random& random) {
  EmbeddingTable table;
  table.rows = rows;
  table.values.resize(rows * dim);
  const auto to_float = [](uint32_t bits) {
    return static_cast<float>(static_cast<int32_t>(bits)) * 0x1.0p-32f;
  };
  size_t i = 0;
  for (; i + 1 < table.values.size(); i += 2) {
    const uint64_t bits = random.Next();
    table.values[i] = to_float(static_cast<uint32_t>(bits));
    table.values[i + 1] = to_float(static_cast<uint32_t>(bits >> 32));
  }
  if (i < table.values.size()) table.values[i] = to_float(static_cast<uint32_t>(random.Next()));
  return table;
}

MlpLayers MakeLayers(const std::vector<int64_t>& widths, Random& random) {
  MlpLayers layers;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    LinearLayer layer;
    layer.inputs = widths[i];
    layer.outputs = widths[i + 1];
    layer.weight.resize(layer.inputs * layer.outputs);
    layer.bias.resize(layer.outputs);
    // Uniform, of variance 2 / inputs: what a ReLU halves, the next layer restores.
    const double limit = std::sqrt(6.0 / static_cast<double>(layer.inputs));
    const auto draw = [&](double bound) {
      return static_cast<float>(bound * (2.0 * random.Uniform() - 1.0));
    };
    for (float& weight : layer.weight) weight = draw(limit);
    for (float& bias : layer.bias) bias = draw(0.1);
    layers.push_back(std::move(layer));
  }
  return layers;
}

Model MakeModel(const SyntheticOptions& options, Random& random) {
  const ModelShape& shape = options.shape;
  std::vector<int64_t> rows = shape.table_rows;
  for (int64_t& count : rows) {
    const auto scaled = static_cast<int64_t>(options.rows_scale * static_cast<double>(count));
    if (count > kUnscaledRows) count = std::clamp(scaled, kUnscaledRows, count);
  }

  Progress progress("making the embedding tables");
  Model model;
  model.dim = shape.dim;
  const auto total = static_cast<double>(std::accumulate(rows.begin(), rows.end(), int64_t{0}));
  for (const int64_t count : rows) {
    model.tables.push_back(MakeTable(count, shape.dim, random));
    progress.Update(static_cast<double>(model.table_rows()) / total);
  }
  model.bottom = MakeLayers(shape.bottom, random);
  std::vector<int64_t> top = shape.top;
  top.insert(top.begin(), model.top_inputs());
  model.top = MakeLayers(top, random);
  return model;
}

// A row of a table: P(rank) is the integral of x^-s from rank to rank + 1, and ranks are scattered
// over the table, as hot rows are in practice.
int64_t DrawRow(int64_t rows, Random& random) {
  constexpr double kPower = 1.0 - kZipfExponent;
  const double tail = std::pow(static_cast<double>(rows) + 1.0, kPower);
  const double x = std::pow(1.0 + random.Uniform() * (tail - 1.0), 1.0 / kPower);
  const uint64_t rank = std::min(static_cast<int64_t>(x) - 1, rows - 1);
  // A prime, larger than any table: multiplying by it permutes the rows.
  constexpr uint64_t kScatter = 2'654'435'761;
  return static_cast<int64_t>(rank * kScatter % static_cast<uint64_t>(rows));
}

Requests MakeRequests(const Model& model, int64_t rows, Random& random) {
  Requests requests;
  requests.rows = rows;
  requests.dense.resize(rows * model.dense_features());
  for (float& feature : requests.dense) {
    const double count = std::floor(std::exp(kLogCountMean + kLogCountDeviation * random.Normal()));
    feature = static_cast<float>((std::log1p(count) - kLogCountMean) / kLogCountDeviation);
  }
  for (const EmbeddingTable& table : model.tables) {
    Bags bags;
    bags.offsets.resize(rows + 1);
    std::iota(bags.offsets.begin(), bags.offsets.end(), int64_t{0});
    for (int64_t i = 0; i < rows; ++i) bags.indices.push_back(DrawRow(table.rows, random));
    requests.bags.push_back(std::move(bags));
  }
  return requests;
}

std::vector<float> Fp32Logits(const qforge::Context& context, const Model& model,
                              const Requests& requests) {
  constexpr int64_t kRows = 128;
  return Engine(context, model, std::make_shared<Fp32Embeddings>(context, model),
                std::make_shared<Fp32Mlp>(context, model.bottom, /*relu_last=*/true, kRows),
                std::make_shared<Fp32Mlp>(context, model.top, /*relu_last=*/false, kRows), kRows)
      .Score(requests);
}

void StandardizeLogits(const std::vector<float>& logits, LinearLayer& last_layer) {
  const auto count = static_cast<double>(logits.size());
  const double mean = std::accumulate(logits.begin(), logits.end(), 0.0) / count;
  double squares = 0.0;
  for (const float logit : logits) squares += (logit - mean) * (logit - mean);
  const double factor = kLogitDeviation / std::sqrt(squares / count);
  for (float& weight : last_layer.weight) weight = static_cast<float>(factor * weight);
  float& bias = last_layer.bias.front();
  bias = static_cast<float>(factor * (bias - mean) + kLogitMean);
}

}  // namespace

ModelShape CriteoKaggleShape() {
  return {.dim = 16,
          .bottom = {13, 512, 256, 64, 16},
          .top = {512, 256, 1},
          .table_rows = {1460,  583,  10131227, 2202608, 305, 24,     12517,   633,   3,
                         93145, 5683, 8351593,  3194,    27,  14992,  5461306, 10,    5652,
                         2173,  4,    7046547,  18,      15,  286181, 105,     142572}};
}

SyntheticData MakeSyntheticData(const qforge::Context& context, const SyntheticOptions& options) {
  Random random(options.seed);
  SyntheticData data;
  data.model = MakeModel(options, random);
  data.calibration = MakeRequests(data.model, options.calibration_requests, random);
  data.evaluation = MakeRequests(data.model, options.evaluation_requests, random);

  StandardizeLogits(Fp32Logits(context, data.model, data.calibration), data.model.top.back());
  for (const float logit : Fp32Logits(context, data.model, data.evaluation)) {
    const double probability = 1.0 / (1.0 + std::exp(-static_cast<double>(logit)));
    data.evaluation.labels.push_back(random.Uniform() < probability ? 1.0f : 0.0f);
  }
  return data;
}

}  // namespace dlrm
