// The few figures that a reader should take away.
#include <algorithm>
#include <limits>

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

void AddTile(const std::string& figure, const std::string& meaning, Markup* tiles) {
  Markup& tile = tiles->Add("div").Set("class", "tile");
  tile.Add("strong", figure);
  tile.Add("span", meaning);
}

// These leave out what was disturbed.
void AddOfLimit(const ProductTable& table, Markup* tiles) {
  std::vector<double> parts;
  for (const Product& product : table.products) {
    if (!product.disturbed && product.of_limit) parts.push_back(product.of_limit->median);
  }
  if (parts.empty()) return;
  AddTile(Percent(Median(parts), 0),
          "of what the core could do: median of " +
              Count(static_cast<int64_t>(parts.size()), "shape") + ", " + TitleOf(table),
          tiles);
}

// Beside the faster peer of each shape.
void AddSpeed(const ProductTable& table, Markup* tiles) {
  std::vector<double> ratios;
  for (const Product& product : table.products) {
    double least = std::numeric_limits<double>::infinity();
    for (const PeerFigures& peer : product.peers) least = std::min(least, peer.speedup.median);
    if (!product.disturbed && !product.peers.empty()) ratios.push_back(least);
  }
  if (ratios.empty()) return;
  AddTile(Times(GeometricMean(ratios)),
          "as fast as the fastest peer: geometric mean, " + TitleOf(table), tiles);
}

void AddLookUps(const LookUpTable& table, Markup* tiles) {
  std::vector<double> ratios;
  for (const LookUp& look_up : table.look_ups) {
    if (look_up.fbgemm_nanoseconds) {
      ratios.push_back(*look_up.fbgemm_nanoseconds / look_up.nanoseconds);
    }
  }
  if (ratios.empty()) return;
  AddTile(Times(Median(ratios)),
          std::string("as fast as FBGEMM: median of look-ups ") +
              (table.in_caches ? "in the caches" : "from memory"),
          tiles);
}

void AddSoftErrors(const std::vector<Campaign>& campaigns, Markup* tiles) {
  for (const Campaign& campaign : campaigns) {
    int64_t changed = 0, detected = 0;
    std::vector<double> overheads;
    for (const Checked& one : campaign.cases) {
      overheads.push_back(one.overhead.median);
      for (const FaultPlace& place : one.places) {
        changed += place.changed;
        detected += place.detected;
      }
    }
    if (changed == 0) continue;
    AddTile(Percent(static_cast<double>(detected) / static_cast<double>(changed),
                    detected == changed ? 0 : 1),
            "of harmful bit flips detected, at " + Percent(Median(overheads)) +
                " more time in the median: " + campaign.family,
            tiles);
    return;
  }
}

}  // namespace

Markup Summary(const Figures& figures) {
  Markup tiles("div");
  tiles.Set("class", "tiles");
  if (!figures.products.empty()) {
    AddOfLimit(figures.products.front(), &tiles);
    AddSpeed(figures.products.front(), &tiles);
  }
  for (const LookUpTable& table : figures.look_ups) {
    AddLookUps(table, &tiles);
    break;
  }
  AddSoftErrors(figures.campaigns, &tiles);
  return tiles;
}

}  // namespace qforge::report
