// GOPS against arithmetic intensity, under the limits that were measured beside the products.
#include <algorithm>
#include <map>
#include <optional>

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

const Party kIssueBound{"qforge", Shape::kCircle, "bound by the issue rate"};
const Party kStreamBound{"qforge", Shape::kRing, "bound by streaming its weights"};
const Party kRoof{"limit", Shape::kDash, "measured limit"};

// A rate at which weights stream, and where they lie.
struct Stream {
  std::string level;
  double gigabytes_per_second = 0;
};

// Where the weights lie: the smallest cache that holds them, or "weights" where sizes are not
// known.
std::string Level(double bytes, const std::optional<Machine>& machine) {
  if (!machine) return "weights";
  for (const auto& [name, size] : machine->caches) {
    if (bytes <= static_cast<double>(size)) return name;
  }
  return "memory";
}

// The median rate of each level, of all shapes for which it was measured undisturbed.
std::vector<Stream> StreamsOf(const ProductTable& table, const std::optional<Machine>& machine) {
  std::map<std::string, std::vector<double>> rates;
  for (const Product& product : table.products) {
    if (product.disturbed || !product.stream_gb_per_s) continue;
    rates[Level(table.WeightBytes(product), machine)].push_back(*product.stream_gb_per_s);
  }
  std::vector<Stream> streams;
  for (const auto& [level, of_level] : rates) streams.push_back({level, Median(of_level)});
  std::sort(streams.begin(), streams.end(), [](const Stream& a, const Stream& b) {
    return a.gigabytes_per_second > b.gigabytes_per_second;
  });
  return streams;
}

std::optional<double> IssueRate(const ProductTable& table) {
  std::vector<double> rates;
  for (const Product& product : table.products) {
    if (!product.disturbed && product.issue_gops) rates.push_back(*product.issue_gops);
  }
  return rates.empty() ? std::nullopt : std::make_optional(Median(rates));
}

std::string Tooltip(const ProductTable& table, const Product& product) {
  std::string text = product.Name() + "\n" + Number(product.gops) + " GOPS, " +
                     Number(table.Intensity(product)) + " operations per byte";
  if (product.of_limit) {
    text += "\n" + Percent(product.of_limit->median) + " of the limit (" + product.bound + ")";
  }
  return text + DisturbedNote(product.disturbed);
}

Chart ChartOf(const ProductTable& table, const std::optional<Machine>& machine, size_t index) {
  const std::vector<Stream> streams = StreamsOf(table, machine);
  const std::optional<double> issue = IssueRate(table);
  std::vector<double> intensities, rates;
  for (const Product& product : table.products) {
    intensities.push_back(table.Intensity(product));
    rates.push_back(product.gops);
  }
  if (issue) rates.push_back(*issue * 1.15);
  const Axis x{"operations per byte of A, B and C", LogarithmicOver(intensities), {}};
  const Axis y{"GOPS", LogarithmicOver(rates), {}};
  std::string description = "Rate against arithmetic intensity of " +
                            Count(static_cast<int64_t>(table.products.size()), "shape") + ".";
  if (issue) description += " Issue rate: " + Number(*issue) + " GOPS.";
  for (const Stream& stream : streams) {
    description += " Weights stream from " + stream.level + " at " +
                   Number(stream.gigabytes_per_second) + " GB/s.";
  }
  Chart chart("roofline-" + std::to_string(index), TitleOf(table), description, {}, x, y);

  if (issue) {
    chart.Line("limit", {{x.scale.low(), *issue}, {x.scale.high(), *issue}});
    chart.Label("issue rate, " + Number(*issue) + " GOPS", {x.scale.high(), *issue}, 0, 5, "end");
  }
  for (const Stream& stream : streams) {
    // From the left or lower edge up to the issue rate, or the right or upper edge.
    const double rate = stream.gigabytes_per_second;
    const double from = std::max(x.scale.low(), y.scale.low() / rate);
    const double to = std::min(x.scale.high(), issue.value_or(y.scale.high()) / rate);
    if (from >= to) continue;
    const Point start{from, from * rate}, end{to, to * rate};
    chart.Line("limit", {start, end});
    // The first one's name stands above its line, the others' below theirs.
    const bool first = &stream == &streams.front();
    chart.Label(stream.level + ", " + Number(rate) + " GB/s", end, chart.Degrees(start, end),
                first ? 4 : -11, "end");
  }
  for (const Product& product : table.products) {
    const Party& party = product.bound == "stream" ? kStreamBound : kIssueBound;
    chart.Mark(Pale(party, product.disturbed), {table.Intensity(product), product.gops},
               Tooltip(table, product));
  }
  return chart;
}

Markup TableOf(const ProductTable& table) {
  std::vector<std::vector<std::string>> rows;
  for (const Product& product : table.products) {
    std::string range;
    if (product.of_limit) {
      range = Fixed(100 * product.of_limit->low, 1) + " to " + Percent(product.of_limit->high);
    }
    rows.push_back({product.Name(), product.bound, Number(table.Intensity(product)),
                    Number(product.gops), product.of_limit ? Percent(product.of_limit->median) : "",
                    range});
  }
  return FiguresTable(
      "Figures: " + TitleOf(table),
      {"M × N × K", "bound by", "operations per byte", "GOPS", "of the limit", "quartiles"}, rows,
      2);
}

}  // namespace

Markup Roofline(const Figures& figures) {
  Markup section = Section(
      "roofline", "Under the roof",
      "Each mark is a product of a published shape. What a core could do is measured beside it in "
      "the same rounds: the rate at which it issues the multiplications, and the rate at which it "
      "reads weights from where they lie. Marks near a line are as fast as the machine allows.");
  std::vector<Party> parties = {kIssueBound, kStreamBound, kRoof};
  for (const ProductTable& table : figures.products) {
    const bool any = std::any_of(table.products.begin(), table.products.end(),
                                 [](const Product& product) { return product.disturbed; });
    if (!any) continue;
    parties.push_back(Pale({"qforge", Shape::kCircle, "disturbed by other processes"}, true));
    break;
  }
  section.Add(Legend(parties));
  std::vector<Chart> charts;
  for (const ProductTable& table : figures.products) {
    charts.push_back(ChartOf(table, figures.machine, charts.size()));
  }
  section.Add(ChartGrid(charts));
  for (const ProductTable& table : figures.products) section.Add(TableOf(table));
  return section;
}

}  // namespace qforge::report
