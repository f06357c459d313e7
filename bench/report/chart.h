// A chart with two axes as inline SVG, its legend, and the table of the same figures.
//
// Charts are drawn for the width of a phone and set side by side where there is room. Colours and
// marks of a party come from the style sheet of the page (style.h), by the name of its class.
#ifndef QFORGE_BENCH_REPORT_CHART_H_
#define QFORGE_BENCH_REPORT_CHART_H_

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "report/markup.h"

namespace qforge::report {

// From values to pixels.
class Scale {
 public:
  // Both ends of a logarithmic scale are above 0.
  static Scale Logarithmic(double low, double high);
  static Scale Linear(double low, double high);

  double low() const { return low_; }
  double high() const { return high_; }
  // The part of the way from low to high.
  double Position(double value) const;
  // Round values between low and high; at most about eight.
  std::vector<double> Ticks() const;

 private:
  Scale(bool logarithmic, double low, double high)
      : logarithmic_(logarithmic), low_(low), high_(high) {}

  bool logarithmic_;
  double low_, high_;
};

// The smallest scale with round ends that holds all `values`, which are not empty.
Scale LogarithmicOver(const std::vector<double>& values);

struct Axis {
  std::string label;  // with its unit
  Scale scale;
  std::vector<std::pair<double, std::string>> ticks;  // value and text; empty: Scale::Ticks()
};

// How a party is drawn. Shapes differ as well as colours.
enum class Shape { kCircle, kRing, kDiamond, kSquare, kDash };

struct Party {
  std::string style;  // class: "qforge", "fbgemm", "onednn", "limit", "other"
  Shape shape = Shape::kCircle;
  std::string label;  // in the legend
};

struct Point {
  double x = 0, y = 0;
};

class Chart {
 public:
  struct Frame {
    double width = 420, height = 320;
    double left = 52, right = 12, top = 12, bottom = 46;
    bool ticks_above = false;  // as well as below, where a chart is taller than a screen
  };

  // `id` is unique on the page; `description` says in words what the chart shows.
  Chart(const std::string& id, const std::string& title, const std::string& description,
        const Frame& frame, Axis x, Axis y);

  // A mark with a tooltip.
  void Mark(const Party& party, Point at, const std::string& tooltip);
  // From `from` to `to` on the horizontal axis.
  void Whisker(const Party& party, double y, double from, double to);
  // From the left to `to`, with a tooltip.
  void Bar(const Party& party, double y, double to, const std::string& tooltip);
  void Line(const std::string& style, const std::vector<Point>& points);
  // Beginning at the point; `degrees` anticlockwise, `above` pixels above it.
  void Label(const std::string& text, Point at, double degrees = 0, double above = 4,
             const std::string& anchor = "start");
  // The angle at which a line between two points rises.
  double Degrees(Point from, Point to) const;

  const Scale& y_scale() const { return y_.scale; }
  // The chart as a figure with its title.
  Markup Figure() const;

 private:
  double X(double value) const;
  double Y(double value) const;
  void DrawAxes();

  std::string title_;
  Frame frame_;
  Axis x_, y_;
  Markup svg_;
};

// A line of marks and what they stand for.
Markup Legend(const std::vector<Party>& parties);

// A table in a block that opens on request. The first one or two columns, `texts`, are texts, the
// others numbers.
Markup FiguresTable(const std::string& summary, const std::vector<std::string>& heading,
                    const std::vector<std::vector<std::string>>& rows, int texts);

// A row of charts, as many side by side as there is room for.
Markup ChartGrid(const std::vector<Chart>& charts, const std::string& style = "charts");

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_CHART_H_
