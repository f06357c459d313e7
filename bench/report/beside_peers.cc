// How many times as fast as other libraries, shape by shape.
#include <algorithm>
#include <set>

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

Party PartyOf(const std::string& name) {
  if (name == "fbgemm") return kFbgemm;
  if (name == "onednn") return kOneDnn;
  return {"other", Shape::kRing, name};
}

std::set<std::string> PeersOf(const ProductTable& table) {
  std::set<std::string> names;
  for (const Product& product : table.products) {
    for (const PeerFigures& peer : product.peers) names.insert(peer.name);
  }
  return names;
}

// Ticks at simple ratios between the ends.
std::vector<std::pair<double, std::string>> RatioTicks(const Scale& scale) {
  std::vector<std::pair<double, std::string>> ticks;
  for (const double ratio : {0.1, 0.2, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0, 20.0, 50.0}) {
    if (ratio < scale.low() * 0.999 || ratio > scale.high() * 1.001) continue;
    ticks.emplace_back(
        ratio, (ratio == static_cast<int>(ratio) ? Fixed(ratio, 0) : Fixed(ratio, 1)) + "×");
  }
  return ticks;
}

Chart ChartOf(const ProductTable& table, size_t index) {
  std::vector<double> ratios = {0.9, 1.5};
  for (const Product& product : table.products) {
    for (const PeerFigures& peer : product.peers) {
      ratios.push_back(peer.speedup.low);
      ratios.push_back(peer.speedup.high);
    }
  }
  Chart::Frame frame;
  frame.left = 130;
  frame.top = 24;
  frame.ticks_above = true;
  frame.height = 15.0 * static_cast<double>(table.products.size()) + frame.top + frame.bottom;
  Axis x{"times as fast as the peer (quartiles)", LogarithmicOver(ratios), {}};
  x.ticks = RatioTicks(x.scale);
  const double count = static_cast<double>(table.products.size());
  Axis y{"", Scale::Linear(-0.5, count - 0.5), {}};
  for (size_t i = 0; i < table.products.size(); ++i) {
    y.ticks.emplace_back(count - 1 - static_cast<double>(i), table.products[i].Name());
  }
  Chart chart("peers-" + std::to_string(index), TitleOf(table),
              "Speed beside peers, one row per shape M × N × K; right of the line at 1 qforge is "
              "faster.",
              frame, x, y);
  chart.Line("one", {{1, y.scale.low()}, {1, y.scale.high()}});
  for (size_t i = 0; i < table.products.size(); ++i) {
    const Product& product = table.products[i];
    const double row = count - 1 - static_cast<double>(i);
    for (const PeerFigures& peer : product.peers) {
      Party party = Pale(PartyOf(peer.name), product.disturbed);
      if (!peer.exact) party.style += " ring";
      chart.Whisker(party, row, peer.speedup.low, peer.speedup.high);
      chart.Mark(party, {peer.speedup.median, row},
                 product.Name() + "\n" + Times(peer.speedup.median) + " as fast as " +
                     PartyOf(peer.name).label + " (" + Fixed(peer.speedup.low, 2) + " to " +
                     Fixed(peer.speedup.high, 2) + ")\n" + Number(product.gops) + " and " +
                     Number(peer.gops) + " GOPS" +
                     (peer.exact ? "" : "\nits results saturate and are wrong") +
                     DisturbedNote(product.disturbed));
    }
  }
  return chart;
}

Markup TableOf(const ProductTable& table) {
  const std::set<std::string> names = PeersOf(table);
  std::vector<std::string> heading = {"M × N × K", "qforge, GOPS"};
  for (const std::string& name : names) {
    heading.push_back(PartyOf(name).label + ", GOPS");
    heading.insert(heading.end(), {"times as fast", "quartiles"});
  }
  std::vector<std::vector<std::string>> rows;
  for (const Product& product : table.products) {
    std::vector<std::string> row = {product.Name(), Number(product.gops)};
    for (const std::string& name : names) {
      const auto peer = std::find_if(product.peers.begin(), product.peers.end(),
                                     [&](const PeerFigures& one) { return one.name == name; });
      if (peer == product.peers.end()) {
        row.insert(row.end(), {"", "", ""});
        continue;
      }
      row.insert(row.end(),
                 {Number(peer->gops) + (peer->exact ? "" : " (wrong)"), Times(peer->speedup.median),
                  Fixed(peer->speedup.low, 2) + " to " + Fixed(peer->speedup.high, 2)});
    }
    rows.push_back(std::move(row));
  }
  return FiguresTable("Figures: " + TitleOf(table), heading, rows, 1);
}

}  // namespace

Markup BesidePeers(const Figures& figures) {
  Markup section = Section(
      "peers", "Beside peers",
      "How many times as fast qforge is as other libraries that are installed, measured in turn "
      "with it in the same rounds, weights packed beforehand. Right of the line qforge is faster; "
      "the bars are quartiles. Hollow marks: results that are wrong, as 16-bit sums saturate.");
  std::set<std::string> names;
  for (const ProductTable& table : figures.products) names.merge(PeersOf(table));
  if (names.empty()) {
    section.Add("p", "No peer was installed where this was measured.");
    return section;
  }
  std::vector<Party> parties;
  for (const std::string& name : names) parties.push_back(PartyOf(name));
  section.Add(Legend(parties));
  std::vector<Chart> charts;
  for (const ProductTable& table : figures.products) {
    if (!PeersOf(table).empty()) charts.push_back(ChartOf(table, charts.size()));
  }
  section.Add(ChartGrid(charts));
  for (const ProductTable& table : figures.products) {
    if (!PeersOf(table).empty()) section.Add(TableOf(table));
  }
  return section;
}

}  // namespace qforge::report
