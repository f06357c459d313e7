// What checking for soft errors costs, and what it finds.
#include <algorithm>

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

std::string TitleOf(const Campaign& campaign) { return campaign.family + " on " + campaign.isa; }

struct Found {
  int64_t changed = 0;
  int64_t detected = 0;

  double rate() const {
    return changed == 0 ? 1.0 : static_cast<double>(detected) / static_cast<double>(changed);
  }
};

std::string Text(const Found& found) {
  return Fixed(static_cast<double>(found.detected), 0) + " of " +
         Fixed(static_cast<double>(found.changed), 0);
}

// By place, in the order in which places appear.
std::vector<std::pair<std::string, Found>> FoundByPlace(const Campaign& campaign) {
  std::vector<std::pair<std::string, Found>> all;
  for (const Checked& one : campaign.cases) {
    for (const FaultPlace& place : one.places) {
      auto found = std::find_if(all.begin(), all.end(),
                                [&](const auto& entry) { return entry.first == place.place; });
      if (found == all.end()) found = all.insert(all.end(), {place.place, Found()});
      found->second.changed += place.changed;
      found->second.detected += place.detected;
    }
  }
  return all;
}

Chart OverheadChart(const Campaign& campaign, size_t index) {
  double least = 0, most = 0.05;
  for (const Checked& one : campaign.cases) {
    least = std::min(least, one.overhead.median - 0.01);
    most = std::max({most, one.overhead.median + 0.01, std::min(one.overhead.high, 1.0)});
  }
  const double count = static_cast<double>(campaign.cases.size());
  Chart::Frame frame;
  frame.left = 130;
  frame.top = 24;
  frame.ticks_above = true;
  frame.height = 15.0 * count + frame.top + frame.bottom;
  Axis x{"time that checking adds, % (quartiles)", Scale::Linear(least, most), {}};
  for (const double tick : x.scale.Ticks()) x.ticks.emplace_back(tick, Fixed(100 * tick, 0) + " %");
  Axis y{"", Scale::Linear(-0.5, count - 0.5), {}};
  for (size_t i = 0; i < campaign.cases.size(); ++i) {
    y.ticks.emplace_back(count - 1 - static_cast<double>(i), campaign.cases[i].what);
  }
  Chart chart("overhead-" + std::to_string(index), "Overhead: " + TitleOf(campaign),
              "Part of the time that checking adds, one row per case.", frame, x, y);
  chart.Line("one", {{0, y.scale.low()}, {0, y.scale.high()}});
  for (size_t i = 0; i < campaign.cases.size(); ++i) {
    const Checked& one = campaign.cases[i];
    const double row = count - 1 - static_cast<double>(i);
    chart.Whisker(kQforge, row, one.overhead.low, one.overhead.high);
    chart.Mark(kQforge, {one.overhead.median, row},
               one.what + "\n" + Percent(one.overhead.median, 2) + " (" +
                   Fixed(100 * one.overhead.low, 2) + " to " + Percent(one.overhead.high, 2) + ")");
  }
  return chart;
}

// One row per family and place.
Chart DetectionChart(const std::vector<Campaign>& campaigns) {
  std::vector<std::pair<std::string, Found>> rows;
  for (const Campaign& campaign : campaigns) {
    for (const auto& [place, found] : FoundByPlace(campaign)) {
      rows.emplace_back(campaign.family + " (" + campaign.isa + "), " + place, found);
    }
  }
  const double count = static_cast<double>(rows.size());
  Chart::Frame frame;
  frame.left = 12;
  frame.right = 20;
  frame.height = 34.0 * count + 12 + frame.bottom;
  Axis x{"detected, of the flipped bits that changed a result", Scale::Linear(0, 1), {}};
  for (const double tick : {0.0, 0.25, 0.5, 0.75, 1.0}) {
    x.ticks.emplace_back(tick, Fixed(100 * tick, 0) + " %");
  }
  // Rows are as far apart as 1; their names stand above their bars.
  Axis y{"", Scale::Linear(0, count), {{0, ""}}};
  Chart chart("detection", "Detection", "Share of harmful faults that checks found, by place.",
              frame, x, y);
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto& [name, found] = rows[i];
    const double row = count - 0.75 - static_cast<double>(i);
    chart.Bar(kQforge, row, found.rate(), name + "\n" + Text(found));
    chart.Label(name + ": " + Text(found), {0, row}, 0, 8);
  }
  return chart;
}

Markup TableOf(const Campaign& campaign) {
  const auto places = FoundByPlace(campaign);
  std::vector<std::string> heading = {"case", "overhead", "quartiles", "clean rows",
                                      "false alarms"};
  for (const auto& [place, found] : places) heading.push_back("detected in " + place);
  std::vector<std::vector<std::string>> rows;
  for (const Checked& one : campaign.cases) {
    std::vector<std::string> row = {
        one.what, Percent(one.overhead.median, 2),
        Fixed(100 * one.overhead.low, 2) + " to " + Percent(one.overhead.high, 2),
        Fixed(static_cast<double>(one.clean_rows), 0),
        Fixed(static_cast<double>(one.false_positives), 0)};
    for (const auto& wanted : places) {
      const auto place = std::find_if(one.places.begin(), one.places.end(),
                                      [&](const FaultPlace& p) { return p.place == wanted.first; });
      row.push_back(place == one.places.end() ? "" : Text({place->changed, place->detected}));
    }
    rows.push_back(std::move(row));
  }
  return FiguresTable("Figures: " + TitleOf(campaign), heading, rows, 1);
}

}  // namespace

Markup SoftErrors(const Figures& figures) {
  int64_t clean_rows = 0, alarms = 0;
  for (const Campaign& campaign : figures.campaigns) {
    for (const Checked& one : campaign.cases) {
      clean_rows += one.clean_rows;
      alarms += one.false_positives;
    }
  }
  Markup section = Section(
      "soft-errors", "Soft errors",
      "Bits are flipped one at a time, in packed weights, in accumulators and in rows of tables, "
      "and checks look for them. Integers must agree exactly; floats have to allow for rounding, "
      "so that flips in low bits pass. Alarms without a fault: " +
          Fixed(static_cast<double>(alarms), 0) + " in " + Count(clean_rows, "row") + ".");
  section.Add(Legend({{kQforge.style, kQforge.shape, "with checks, beside the same without"}}));
  std::vector<Chart> charts;
  for (const Campaign& campaign : figures.campaigns) {
    charts.push_back(OverheadChart(campaign, charts.size()));
  }
  charts.push_back(DetectionChart(figures.campaigns));
  section.Add(ChartGrid(charts));
  for (const Campaign& campaign : figures.campaigns) section.Add(TableOf(campaign));
  return section;
}

}  // namespace qforge::report
