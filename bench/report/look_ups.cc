// Time per row of pooled look-ups, format by format.
#include <algorithm>
#include <functional>
#include <optional>

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

const Party kLimit{"limit", Shape::kDash, "limit: one byte of each line is read"};

std::string TitleOf(const LookUpTable& table) {
  return std::string(table.in_caches ? "In the caches" : "From memory") + " (" +
         Fixed(static_cast<double>(table.rows), 0) + " rows, " + table.isa + ")";
}

template <class Key>
std::vector<Key> Distinct(const LookUpTable& table,
                          const std::function<Key(const LookUp&)>& key_of) {
  std::vector<Key> keys;
  for (const LookUp& look_up : table.look_ups) {
    const Key key = key_of(look_up);
    if (std::find(keys.begin(), keys.end(), key) == keys.end()) keys.push_back(key);
  }
  return keys;
}

// Up to four times what qforge takes at most: a peer that has no vector code for a format would
// squeeze all the others.
Scale NanosecondScale(const LookUpTable& table) {
  std::vector<double> values;
  for (const LookUp& look_up : table.look_ups) {
    values.push_back(look_up.nanoseconds);
    if (look_up.limit_nanoseconds) values.push_back(*look_up.limit_nanoseconds);
  }
  const double most = 4 * *std::max_element(values.begin(), values.end());
  for (const LookUp& look_up : table.look_ups) {
    const std::optional<double>& peer = look_up.fbgemm_nanoseconds;
    if (peer && *peer <= most) values.push_back(*peer);
  }
  return LogarithmicOver(values);
}

// In words, what is too slow for the scale.
void NoteBeyond(const std::vector<const LookUp*>& rows, const Axis& x, const Axis& y,
                Chart* chart) {
  std::vector<double> beyond;
  for (const LookUp* row : rows) {
    if (row->fbgemm_nanoseconds.value_or(0) > y.scale.high()) {
      beyond.push_back(*row->fbgemm_nanoseconds);
    }
  }
  if (beyond.empty()) return;
  const auto [least, most] = std::minmax_element(beyond.begin(), beyond.end());
  const std::string range =
      Number(*least) + (beyond.size() > 1 ? " to " + Number(*most) : std::string());
  chart->Label("FBGEMM: " + range + " ns, above \u2191", {x.scale.low(), y.scale.high()}, 0, -12);
}

using Value = std::function<std::optional<double>(const LookUp&)>;

void Draw(const std::vector<const LookUp*>& rows, const std::vector<int64_t>& dimensions,
          const Party& party, const Value& value, Chart* chart) {
  std::vector<Point> points;
  std::vector<std::string> tooltips;
  std::vector<Party> parties;
  for (const LookUp* row : rows) {
    const std::optional<double> nanoseconds = value(*row);
    if (!nanoseconds || *nanoseconds > chart->y_scale().high()) continue;
    const auto place = std::find(dimensions.begin(), dimensions.end(), row->dimension);
    points.push_back({static_cast<double>(place - dimensions.begin()), *nanoseconds});
    parties.push_back(Pale(party, row->disturbed));
    tooltips.push_back(party.label + ", " + row->format +
                       ", d = " + std::to_string(row->dimension) + "\n" + Number(*nanoseconds) +
                       " ns per row, " +
                       Number(row->gigabytes_per_second * row->nanoseconds / *nanoseconds) +
                       " GB/s" + DisturbedNote(row->disturbed));
  }
  if (points.size() > 1) chart->Line(party.style, points);
  if (party.shape == Shape::kDash) return;
  for (size_t i = 0; i < points.size(); ++i) chart->Mark(parties[i], points[i], tooltips[i]);
}

std::vector<Chart> ChartsOf(const LookUpTable& table, size_t index) {
  const auto dimensions =
      Distinct<int64_t>(table, [](const LookUp& look_up) { return look_up.dimension; });
  Axis x{
      "d, values per row", Scale::Linear(-0.3, static_cast<double>(dimensions.size()) - 0.7), {}};
  for (size_t i = 0; i < dimensions.size(); ++i) {
    x.ticks.emplace_back(static_cast<double>(i), std::to_string(dimensions[i]));
  }
  const Axis y{"ns per row", NanosecondScale(table), {}};
  Chart::Frame frame;
  frame.width = 280;
  frame.height = 220;
  std::vector<Chart> charts;
  for (const std::string& format :
       Distinct<std::string>(table, [](const LookUp& look_up) { return look_up.format; })) {
    std::vector<const LookUp*> rows;
    for (const LookUp& look_up : table.look_ups) {
      if (look_up.format == format) rows.push_back(&look_up);
    }
    const std::string id = "lookups-" + std::to_string(index) + "-" + format;
    Chart& chart = charts.emplace_back(
        id, format, "Nanoseconds per row of " + format + " by dimension. Lower is better.", frame,
        x, y);
    NoteBeyond(rows, x, y, &chart);
    Draw(
        rows, dimensions, kLimit, [](const LookUp& l) { return l.limit_nanoseconds; }, &chart);
    Draw(
        rows, dimensions, kFbgemm, [](const LookUp& l) { return l.fbgemm_nanoseconds; }, &chart);
    Draw(
        rows, dimensions, kQforge,
        [](const LookUp& l) { return std::optional<double>(l.nanoseconds); }, &chart);
  }
  return charts;
}

Markup TableOf(const LookUpTable& table) {
  std::vector<std::vector<std::string>> rows;
  for (const LookUp& l : table.look_ups) {
    const auto over = [&](const std::optional<double>& other) {
      return other ? Number(*other) : std::string();
    };
    rows.push_back({l.format, std::to_string(l.dimension), Number(l.nanoseconds),
                    Number(l.gigabytes_per_second), over(l.fbgemm_nanoseconds),
                    l.fbgemm_nanoseconds ? Times(*l.fbgemm_nanoseconds / l.nanoseconds) : "",
                    over(l.limit_nanoseconds),
                    l.limit_nanoseconds ? Percent(*l.limit_nanoseconds / l.nanoseconds) : ""});
  }
  return FiguresTable("Figures: " + TitleOf(table),
                      {"format", "d", "ns per row", "GB/s", "FBGEMM, ns per row", "times as fast",
                       "limit, ns per row", "of the limit"},
                      rows, 1);
}

}  // namespace

Markup LookUps(const Figures& figures) {
  Markup section = Section(
      "lookups", "Embedding look-ups",
      "Sums of rows as they are stored, one thread, indices and offsets checked in every call. "
      "Lower is better. The scale is the same in all charts of a row of charts.");
  const auto any = [&](auto of) {
    for (const LookUpTable& table : figures.look_ups) {
      for (const LookUp& look_up : table.look_ups) {
        if (of(look_up)) return true;
      }
    }
    return false;
  };
  std::vector<Party> parties = {kQforge};
  if (any([](const LookUp& l) { return l.fbgemm_nanoseconds.has_value(); })) {
    parties.push_back(kFbgemm);
  }
  if (any([](const LookUp& l) { return l.limit_nanoseconds.has_value(); })) {
    parties.push_back(kLimit);
  }
  section.Add(Legend(parties));
  size_t index = 0;
  for (const LookUpTable& table : figures.look_ups) {
    section.Add("h3", TitleOf(table));
    section.Add(ChartGrid(ChartsOf(table, index++), "charts small"));
    section.Add(TableOf(table));
  }
  return section;
}

}  // namespace qforge::report
