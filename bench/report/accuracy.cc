// What quantising a table loses, against what it saves.
#include <algorithm>
#include <cmath>
#include <map>
#include <utility>

#include "report/numbers.h"
#include "report/sections.h"

namespace qforge::report {
namespace {

const Party kBest{"qforge", Shape::kCircle, "the method that loses least, by format"};
const Party kOther{"other", Shape::kRing, "other methods of that format"};

std::string Loss(double loss) { return Percent(loss, loss < 1e-3 ? 4 : 2); }

using ByFormat = std::map<std::string, const Quantized*>;

// Below the marks. Formats that are so near to each other that their names would overlap share a
// text.
void DrawNames(const ByFormat& best, Chart* chart) {
  constexpr double kNearSize = 1.22, kNearLoss = 1.3;  // ratios
  constexpr double kBelow = -17;                       // pixels
  std::vector<std::pair<std::string, const Quantized*>> left(best.begin(), best.end());
  std::sort(left.begin(), left.end(),
            [](const auto& a, const auto& b) { return a.second->of_fp32 < b.second->of_fp32; });
  while (!left.empty()) {
    const Quantized& first = *left.front().second;
    const auto is_near = [&](const Quantized& other) {
      return other.of_fp32 < first.of_fp32 * kNearSize &&
             std::fabs(std::log(other.loss / first.loss)) < std::log(kNearLoss);
    };
    std::string names;
    Point at{first.of_fp32, first.loss};
    std::vector<std::pair<std::string, const Quantized*>> others;
    for (const auto& [format, table] : left) {
      if (!is_near(*table)) {
        others.emplace_back(format, table);
        continue;
      }
      names += (names.empty() ? "" : ", ") + format;
      at = {std::sqrt(first.of_fp32 * table->of_fp32), std::min(at.y, table->loss)};
    }
    chart->Label(names, at, 0, kBelow, "middle");
    left = std::move(others);
  }
}

Chart ChartOf(const TableLosses& losses, size_t index) {
  std::vector<double> sizes, values;
  ByFormat best;
  for (const Quantized& table : losses.tables) {
    if (table.loss <= 0) continue;  // f32 itself: not on a logarithmic scale
    sizes.push_back(table.of_fp32);
    values.push_back(table.loss);
    const Quantized*& least = best[table.format];
    if (least == nullptr || table.loss < least->loss) least = &table;
  }
  if (sizes.empty()) {  // nothing but f32
    sizes = {0.5, 1.0};
    values = {1e-3, 1e-1};
  }
  Axis x{"size of the table, % of fp32", LogarithmicOver(sizes), {}};
  for (const double tick : {0.02, 0.05, 0.07, 0.1, 0.15, 0.2, 0.3, 0.5, 0.7, 1.0}) {
    if (tick >= x.scale.low() && tick <= x.scale.high()) {
      x.ticks.emplace_back(tick, Fixed(100 * tick, 0) + " %");
    }
  }
  values.push_back(*std::min_element(values.begin(), values.end()) / 1.5);  // room for a name
  Axis y{"L2 loss, % of a row's norm", LogarithmicOver(values), {}};
  for (const double tick : y.scale.Ticks()) y.ticks.emplace_back(tick, Plain(100 * tick) + " %");
  const std::string title = losses.tensor + ": " + Fixed(static_cast<double>(losses.rows), 0) +
                            " rows of " + std::to_string(losses.columns);
  Chart::Frame frame;
  frame.width = 560;
  frame.height = 360;
  frame.left = 64;
  frame.right = 30;
  Chart chart("accuracy-" + std::to_string(index), title,
              "Normalised L2 loss against size for each table format. Lower left is better.", frame,
              x, y);
  // The best on top of the others.
  for (const bool draws_best : {false, true}) {
    for (const Quantized& table : losses.tables) {
      if (table.loss <= 0 || (best[table.format] == &table) != draws_best) continue;
      chart.Mark(draws_best ? kBest : kOther, {table.of_fp32, table.loss},
                 table.format + ", " + table.method + "\n" + Percent(table.of_fp32, 2) +
                     " of fp32, loss " + Loss(table.loss));
    }
  }
  DrawNames(best, &chart);
  return chart;
}

Markup TableOf(const TableLosses& losses) {
  std::vector<std::vector<std::string>> rows;
  for (const Quantized& table : losses.tables) {
    rows.push_back({table.format, table.method, Fixed(static_cast<double>(table.bytes), 0),
                    Percent(table.of_fp32, 2), Loss(table.loss)});
  }
  return FiguresTable("Figures: " + losses.tensor,
                      {"format", "method", "bytes", "of fp32", "L2 loss"}, rows, 2);
}

}  // namespace

Markup Accuracy(const Figures& figures) {
  Markup section = Section(
      "accuracy", "Accuracy and size of tables",
      "What each row format keeps of a table, by each method that chooses its ranges or "
      "codebooks. The loss is the mean over rows of |x − q(x)| / |x|; scales, biases and codebooks "
      "are part of the size. Lower left is better.");
  section.Add(Legend({kBest, kOther}));
  std::vector<Chart> charts;
  for (const TableLosses& losses : figures.losses) {
    charts.push_back(ChartOf(losses, charts.size()));
  }
  section.Add(ChartGrid(charts, "charts wide"));
  for (const TableLosses& losses : figures.losses) section.Add(TableOf(losses));
  return section;
}

}  // namespace qforge::report
