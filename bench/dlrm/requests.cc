#include "dlrm/requests.h"

#include <algorithm>

#include "common/safetensors.h"

namespace dlrm {
namespace {

using qforge::bench::SafeTensorsFile;

Bags ReadBags(SafeTensorsFile& file, const std::string& name, int64_t requests,
              int64_t table_rows) {
  Bags bags;
  bags.indices = file.ReadIntegers(name + ".indices", {-1});
  bags.offsets = file.ReadIntegers(name + ".offsets", {requests + 1});
  const auto& offsets = bags.offsets;
  if (offsets.front() != 0 || offsets.back() != static_cast<int64_t>(bags.indices.size()) ||
      !std::is_sorted(offsets.begin(), offsets.end())) {
    file.Fail("'" + name + ".offsets' must rise from 0 to the number of indices");
  }
  const auto bad = std::find_if(bags.indices.begin(), bags.indices.end(),
                                [=](int64_t row) { return row < 0 || row >= table_rows; });
  if (bad != bags.indices.end()) {
    file.Fail("'" + name + ".indices' has " + std::to_string(*bad) + " at position " +
              std::to_string(bad - bags.indices.begin()) + "; the table has " +
              std::to_string(table_rows) + " rows");
  }
  return bags;
}

}  // namespace

Requests LoadRequests(const std::string& path, const Model& model) {
  SafeTensorsFile file(path);
  Requests requests;
  requests.dense = file.ReadFloats("dense", {-1, model.dense_features()});
  requests.rows = file.Info("dense").shape[0];
  if (requests.rows == 0) file.Fail("has no requests");
  for (size_t i = 0; i < model.tables.size(); ++i) {
    requests.bags.push_back(
        ReadBags(file, "emb." + std::to_string(i), requests.rows, model.tables[i].rows));
  }
  if (file.Has("label")) {
    requests.labels = file.ReadFloats("label", {requests.rows});
    if (!std::all_of(requests.labels.begin(), requests.labels.end(),
                     [](float label) { return label == 0.0f || label == 1.0f; })) {
      file.Fail("'label' must hold 0 and 1 only");
    }
  }
  if (file.Has("fp32_logit")) {
    requests.fp32_logits = file.ReadFloats("fp32_logit", {requests.rows});
  }
  return requests;
}

}  // namespace dlrm
