#include "dlrm/model.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "common/safetensors.h"
#include "dlrm/check.h"
#include "dlrm/interaction.h"

namespace dlrm {
namespace {

using qforge::bench::SafeTensorsFile;

constexpr char kInteraction[] =
    "dot, strictly lower triangle, row-major pairs (i,j) i>j over [bottom output, table 0, table "
    "1, ...]; top input = concat(bottom output, pairs)";
constexpr char kActivation[] = "relu between layers, logits out";

std::string Metadata(const SafeTensorsFile& file, const std::string& key) {
  const auto found = file.metadata().find(key);
  if (found == file.metadata().end()) file.Fail("has no '" + key + "' in its __metadata__");
  return found->second;
}

void ExpectMetadata(const SafeTensorsFile& file, const std::string& key,
                    const std::string& expected) {
  const std::string value = Metadata(file, key);
  if (value != expected) {
    file.Fail("states " + key + " \"" + value + "\"; this program knows \"" + expected + "\"");
  }
}

// A list or number that the metadata, whose values are all strings, holds as JSON.
template <class T>
T ParsedMetadata(const SafeTensorsFile& file, const std::string& key) {
  const std::string text = Metadata(file, key);
  try {
    return nlohmann::json::parse(text).get<T>();
  } catch (const nlohmann::json::exception&) {
    file.Fail("states " + key + " \"" + text + "\", which cannot be understood");
  }
}

// Layers "PREFIX.0", "PREFIX.1", ... of the sizes in `widths`, the inputs of the first included.
MlpLayers ReadLayers(SafeTensorsFile& file, const std::string& prefix,
                     const std::vector<int64_t>& widths) {
  MlpLayers layers;
  for (size_t i = 0; i + 1 < widths.size(); ++i) {
    const std::string name = prefix + "." + std::to_string(i);
    LinearLayer layer;
    layer.inputs = widths[i];
    layer.outputs = widths[i + 1];
    layer.weight = file.ReadFloats(name + ".weight", {layer.outputs, layer.inputs});
    layer.bias = file.ReadFloats(name + ".bias", {layer.outputs});
    layers.push_back(std::move(layer));
  }
  return layers;
}

}  // namespace

int64_t Model::top_inputs() const {
  return InteractionOutputs(static_cast<int64_t>(tables.size()) + 1, dim);
}

int64_t Model::table_rows() const {
  int64_t rows = 0;
  for (const EmbeddingTable& table : tables) rows += table.rows;
  return rows;
}

int64_t Model::table_bytes() const {
  return table_rows() * dim * static_cast<int64_t>(sizeof(float));
}

Model LoadModel(const std::string& path) {
  SafeTensorsFile file(path);
  ExpectMetadata(file, "format", "dlrm");
  ExpectMetadata(file, "interaction", kInteraction);
  ExpectMetadata(file, "activation", kActivation);

  Model model;
  model.dim = ParsedMetadata<int64_t>(file, "dim");
  const auto names = ParsedMetadata<std::vector<std::string>>(file, "tables");
  auto bottom = ParsedMetadata<std::vector<int64_t>>(file, "bot");
  auto top = ParsedMetadata<std::vector<int64_t>>(file, "top");
  for (const auto& widths : {bottom, top, {model.dim}}) {
    if (std::any_of(widths.begin(), widths.end(), [](int64_t width) { return width <= 0; })) {
      file.Fail("states a size that is not positive");
    }
  }
  if (bottom.size() < 2 || bottom.back() != model.dim) {
    file.Fail("states a bottom MLP that does not end in the embeddings' dimension");
  }
  if (top.empty() || top.back() != 1) file.Fail("states a top MLP that does not end in 1");

  for (size_t i = 0; i < names.size(); ++i) {
    const std::string name = "emb." + std::to_string(i) + ".weight";
    EmbeddingTable table;
    table.values = file.ReadFloats(name, {-1, model.dim});
    table.rows = file.Info(name).shape[0];
    model.tables.push_back(std::move(table));
  }
  model.bottom = ReadLayers(file, "bot", bottom);
  top.insert(top.begin(), model.top_inputs());
  model.top = ReadLayers(file, "top", top);
  return model;
}

std::string ShapeText(const MlpLayers& layers) {
  std::string text = std::to_string(layers.front().inputs);
  for (const LinearLayer& layer : layers) text += "-" + std::to_string(layer.outputs);
  return text;
}

}  // namespace dlrm
