#include "report/figures.h"

#include <algorithm>
#include <cstdlib>
#include <sstream>

#include "common/json_value.h"
#include "report/numbers.h"

namespace qforge::report {
namespace {

using bench::JsonValue;

std::string ShapeName(int64_t m, int64_t n, int64_t k) {
  std::string name;
  for (const int64_t size : {m, n, k}) {
    name += (name.empty() ? "" : " \u00d7 ") + Fixed(static_cast<double>(size), 0);
  }
  return name;
}

Spread ReadSpread(const JsonValue& value) {
  return {value.Positive("low"), value.Positive("median"), value.Positive("high")};
}

void AddOnce(const std::string& text, std::vector<std::string>* texts) {
  if (std::find(texts->begin(), texts->end(), text) == texts->end()) texts->push_back(text);
}

// As the tables of the programs mark it.
bool Disturbed(const JsonValue& entry) { return entry.Number("disturbed") > 0.2; }

Product ReadProduct(const JsonValue& entry) {
  Product product;
  product.m = entry.Integer("m");
  product.n = entry.Integer("n");
  product.k = entry.Integer("k");
  if (std::min({product.m, product.n, product.k}) < 1) entry.Fail("has a size below 1");
  product.gops = entry.Positive("gops");
  if (entry.Has("of_limit")) {
    product.of_limit = ReadSpread(entry.At("of_limit"));
    product.bound = entry.Text("bound");
  }
  if (entry.Has("issue_gops")) product.issue_gops = entry.Positive("issue_gops");
  product.disturbed = Disturbed(entry);
  if (entry.Has("stream_gb_per_s")) product.stream_gb_per_s = entry.Positive("stream_gb_per_s");
  if (!entry.Has("peers")) return product;
  for (const std::string& name : entry.Names("peers")) {
    const JsonValue peer = entry.At("peers").At(name);
    if (peer.Has("error")) continue;
    product.peers.push_back(
        {name, peer.Flag("exact"), peer.Positive("gops"), ReadSpread(peer.At("qforge_speedup"))});
  }
  return product;
}

void ReadProducts(const JsonValue& file, Figures* figures) {
  AddOnce(file.Text("cpu"), &figures->cpus);
  for (const JsonValue& entry : file.List("tables")) {
    ProductTable table;
    table.family = entry.Text("family");
    table.isa = entry.Text("isa");
    table.product = entry.Text("product");
    table.rounds = file.Integer("rounds");
    for (const JsonValue& shape : entry.List("shapes")) {
      table.products.push_back(ReadProduct(shape));
    }
    if (table.products.empty()) entry.Fail("has no entry in 'shapes'");
    figures->products.push_back(std::move(table));
  }
}

// To a table of the same setting, where there is one, by dimension.
void AddLookUps(LookUpTable table, std::vector<LookUpTable>* tables) {
  const auto same = std::find_if(tables->begin(), tables->end(), [&](const LookUpTable& other) {
    return other.isa == table.isa && other.rows == table.rows;
  });
  if (same == tables->end()) {
    tables->push_back(std::move(table));
    return;
  }
  same->look_ups.insert(same->look_ups.end(), table.look_ups.begin(), table.look_ups.end());
  std::stable_sort(same->look_ups.begin(), same->look_ups.end(),
                   [](const LookUp& a, const LookUp& b) { return a.dimension < b.dimension; });
}

void ReadLookUps(const JsonValue& file, Figures* figures) {
  AddOnce(file.Text("cpu"), &figures->cpus);
  for (const JsonValue& entry : file.List("tables")) {
    LookUpTable table;
    table.isa = entry.Text("isa");
    table.rows = entry.Integer("rows");
    table.in_caches = entry.Text("cache_state") == "warm";
    table.rounds = file.Integer("rounds");
    for (const JsonValue& row : entry.List("entries")) {
      LookUp look_up;
      look_up.format = row.Text("format");
      look_up.disturbed = Disturbed(row);
      look_up.dimension = row.Integer("d");
      look_up.nanoseconds = row.Positive("ns_per_row");
      look_up.gigabytes_per_second = row.Positive("gb_per_s");
      if (row.Has("fbgemm_ns_per_row")) {
        look_up.fbgemm_nanoseconds = row.Positive("fbgemm_ns_per_row");
      }
      if (row.Has("limit_ns_per_row")) look_up.limit_nanoseconds = row.Positive("limit_ns_per_row");
      table.look_ups.push_back(std::move(look_up));
    }
    if (table.look_ups.empty()) entry.Fail("has no entry in 'entries'");
    AddLookUps(std::move(table), &figures->look_ups);
  }
}

TableLosses ReadLosses(const JsonValue& file) {
  TableLosses losses;
  losses.tensor = file.Text("tensor");
  losses.rows = file.Integer("rows");
  losses.columns = file.Integer("columns");
  for (const JsonValue& entry : file.List("tables")) {
    losses.tables.push_back({entry.Text("format"), entry.Text("method"), entry.Integer("bytes"),
                             entry.Positive("of_fp32"), entry.Number("l2_loss")});
  }
  if (losses.tables.empty()) file.Fail("has no entry in 'tables'");
  return losses;
}

std::vector<std::string> Split(const std::string& text, char separator) {
  std::vector<std::string> parts;
  std::istringstream stream(text);
  for (std::string part; std::getline(stream, part, separator);) parts.push_back(part);
  return parts;
}

// What a case is, from its name: "int8/6x256x1024/isa:avx512_vnni/threads:1/weights",
// "embedding_bag/u4/d:64/.../isa:avx2/threads:1/payload".
struct CaseName {
  std::string family, what, isa, place;
};

CaseName ParseName(const JsonValue& entry) {
  const std::string text = entry.Text("name");
  const std::vector<std::string> parts = Split(text, '/');
  CaseName name;
  if (parts.size() < 4) entry.Fail("has a 'name' of fewer than four parts: " + text);
  name.family = parts.front();
  name.place = parts.back();
  for (size_t i = 1; i + 1 < parts.size(); ++i) {
    const std::string& part = parts[i];
    const std::vector<std::string> sizes = Split(part, 'x');
    const bool is_shape =
        sizes.size() == 3 && part.find_first_not_of("0123456789x") == std::string::npos;
    if (part.rfind("isa:", 0) == 0) {
      name.isa = part.substr(4);
    } else if (is_shape) {
      name.what = ShapeName(std::strtoll(sizes[0].c_str(), nullptr, 10),
                            std::strtoll(sizes[1].c_str(), nullptr, 10),
                            std::strtoll(sizes[2].c_str(), nullptr, 10));
    } else if (part.rfind("d:", 0) == 0) {
      name.what += ", d = " + part.substr(2);
    } else if (part.find(':') == std::string::npos) {
      name.what += part;
    }
  }
  return name;
}

void ReadCampaign(const JsonValue& file, Figures* figures) {
  for (const JsonValue& entry : file.List("entries")) {
    const CaseName name = ParseName(entry);
    auto& campaigns = figures->campaigns;
    auto campaign = std::find_if(campaigns.begin(), campaigns.end(), [&](const Campaign& other) {
      return other.family == name.family && other.isa == name.isa;
    });
    if (campaign == campaigns.end()) {
      campaigns.push_back({name.family, name.isa, {}});
      campaign = campaigns.end() - 1;
    }
    // The places of a case follow each other.
    if (campaign->cases.empty() || campaign->cases.back().what != name.what) {
      Checked& made = campaign->cases.emplace_back();
      made.what = name.what;
      made.overhead = {entry.Number("overhead_low"), entry.Number("overhead"),
                       entry.Number("overhead_high")};
      made.clean_rows = entry.Integer("clean_rows");
      made.false_positives = entry.Integer("false_positives");
    }
    campaign->cases.back().places.push_back(
        {name.place, entry.Integer("changed_result"), entry.Integer("detected")});
  }
}

Machine ReadMachine(const JsonValue& file) {
  const JsonValue cpu = file.At("cpu");
  Machine machine;
  machine.brand = cpu.Text("brand");
  machine.microarchitecture = cpu.Text("microarchitecture");
  machine.cores = cpu.Integer("cores");
  machine.logical_processors = cpu.Integer("logical_processors");
  for (const char* const level : {"L1d", "L2", "L3"}) {
    if (!file.At("caches").Has(level)) continue;
    machine.caches.emplace_back(level, file.At("caches").At(level).Integer("bytes"));
  }
  for (const JsonValue& isa : file.List("isas")) {
    if (isa.Flag("usable")) machine.isas.push_back(isa.Text("name"));
  }
  if (file.Has("chosen")) machine.chosen = file.Text("chosen");
  return machine;
}

// Bytes of an element of A, B and C.
struct ElementBytes {
  double a, b, c;
};

ElementBytes BytesOf(const ProductTable& table) {
  if (table.family == "fp32") return {4, 4, 4};
  if (table.family == "fp16") return {4, 2, 4};
  if (table.family == "bf16") return {table.isa == "avx512_bf16" ? 2.0 : 4.0, 2, 4};
  return {1, 1, 1};
}

}  // namespace

std::string Product::Name() const { return ShapeName(m, n, k); }

double Product::operations() const {
  return 2.0 * static_cast<double>(m) * static_cast<double>(n) * static_cast<double>(k);
}

double ProductTable::WeightBytes(const Product& product) const {
  return BytesOf(*this).b * static_cast<double>(product.n) * static_cast<double>(product.k);
}

double ProductTable::Intensity(const Product& product) const {
  const ElementBytes bytes = BytesOf(*this);
  const double m = static_cast<double>(product.m), n = static_cast<double>(product.n),
               k = static_cast<double>(product.k);
  return product.operations() / (bytes.a * m * k + bytes.b * n * k + bytes.c * m * n);
}

Figures ReadFigures(const Sources& sources) {
  Figures figures;
  for (const std::string& path : sources.products) ReadProducts(JsonValue::Read(path), &figures);
  for (const std::string& path : sources.look_ups) ReadLookUps(JsonValue::Read(path), &figures);
  for (const std::string& path : sources.losses) {
    figures.losses.push_back(ReadLosses(JsonValue::Read(path)));
  }
  for (const std::string& path : sources.soft_errors) {
    ReadCampaign(JsonValue::Read(path), &figures);
  }
  if (!sources.machine.empty()) figures.machine = ReadMachine(JsonValue::Read(sources.machine));
  return figures;
}

}  // namespace qforge::report
