#include "report/chart.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "report/numbers.h"

namespace qforge::report {
namespace {

constexpr double kMark = 4;  // half the width of a mark

// 1, 2 or 5 times a power of ten.
double RoundStep(double step) {
  const double power = std::pow(10.0, std::floor(std::log10(step)));
  for (const double factor : {1.0, 2.0, 5.0}) {
    if (step <= factor * power * 1.0001) return factor * power;
  }
  return 10 * power;
}

std::string Pair(double x, double y) { return Coordinate(x) + " " + Coordinate(y); }

// From its upper corner on.
std::string PathOfDiamond(double x, double y) {
  constexpr double kRadius = 1.25 * kMark;
  const std::string r = Coordinate(kRadius);
  return "M" + Pair(x, y - kRadius) + "l" + r + " " + r + "-" + r + " " + r + "-" + r + "-" + r +
         "Z";
}

Markup MarkOf(const Party& party, double x, double y) {
  constexpr double kSide = 1.8 * kMark, kDash = 9;
  const std::string style = "mark " + party.style;
  switch (party.shape) {
    case Shape::kDiamond: {
      Markup mark("path");
      mark.Set("class", style).Set("d", PathOfDiamond(x, y));
      return mark;
    }
    case Shape::kSquare: {
      Markup mark("rect");
      mark.Set("class", style).Set("x", x - kSide / 2).Set("y", y - kSide / 2);
      mark.Set("width", kSide).Set("height", kSide);
      return mark;
    }
    case Shape::kDash: {
      Markup mark("line");
      mark.Set("class", "line " + party.style);
      mark.Set("x1", x - kDash).Set("y1", y).Set("x2", x + kDash).Set("y2", y);
      return mark;
    }
    case Shape::kCircle:
    case Shape::kRing:
      break;
  }
  Markup mark("circle");
  mark.Set("class", party.shape == Shape::kRing ? style + " ring" : style);
  mark.Set("cx", x).Set("cy", y).Set("r", kMark);
  return mark;
}

}  // namespace

Scale Scale::Logarithmic(double low, double high) { return {true, low, high}; }
Scale Scale::Linear(double low, double high) { return {false, low, high}; }

double Scale::Position(double value) const {
  if (!logarithmic_) return (value - low_) / (high_ - low_);
  return std::log(value / low_) / std::log(high_ / low_);
}

std::vector<double> Scale::Ticks() const {
  std::vector<double> ticks;
  constexpr double kSlack = 1e-9;
  if (!logarithmic_) {
    const double step = RoundStep((high_ - low_) / 6);
    for (double i = std::ceil(low_ / step - kSlack); i * step <= high_ + step * kSlack; ++i) {
      ticks.push_back(i * step);
    }
    return ticks;
  }
  const double decades = std::log10(high_ / low_);
  const std::vector<double> factors = decades > 5     ? std::vector<double>{1}
                                      : decades > 2.4 ? std::vector<double>{1, 3}
                                                      : std::vector<double>{1, 2, 5};
  for (double power = std::pow(10.0, std::floor(std::log10(low_))); power <= high_; power *= 10) {
    for (const double factor : factors) {
      const double value = factor * power;
      if (value >= low_ * (1 - kSlack) && value <= high_ * (1 + kSlack)) ticks.push_back(value);
    }
  }
  return ticks;
}

Scale LogarithmicOver(const std::vector<double>& values) {
  const auto [least, most] = std::minmax_element(values.begin(), values.end());
  const auto round = [](double value, bool up) {
    const double power = std::pow(10.0, std::floor(std::log10(value)));
    double best = up ? 10 * power : power;
    for (const double factor : {1.0, 1.5, 2.0, 3.0, 5.0, 7.0, 10.0}) {
      const double end = factor * power;
      if (up && end >= value * 1.02) return end;
      if (!up && end <= value / 1.02) best = end;
    }
    return best;
  };
  // Where all values are equal there is still a scale.
  return Scale::Logarithmic(round(*least, false), std::max(round(*most, true), *least * 1.5));
}

Chart::Chart(const std::string& id, const std::string& title, const std::string& description,
             const Frame& frame, Axis x, Axis y)
    : title_(title), frame_(frame), x_(std::move(x)), y_(std::move(y)), svg_("svg") {
  svg_.Set("id", id)
      .Set("viewBox", "0 0 " + Pair(frame.width, frame.height))
      .Set("role", "img")
      .Set("aria-labelledby", id + "-title " + id + "-text");
  svg_.Add("title", title).Set("id", id + "-title");
  svg_.Add("desc", description).Set("id", id + "-text");
  DrawAxes();
}

double Chart::X(double value) const {
  return frame_.left + x_.scale.Position(value) * (frame_.width - frame_.left - frame_.right);
}

double Chart::Y(double value) const {
  return frame_.height - frame_.bottom -
         y_.scale.Position(value) * (frame_.height - frame_.top - frame_.bottom);
}

void Chart::DrawAxes() {
  const double right = frame_.width - frame_.right, bottom = frame_.height - frame_.bottom;
  const auto ticks_of = [](Axis* axis) {
    if (!axis->ticks.empty()) return;
    for (const double tick : axis->scale.Ticks()) axis->ticks.emplace_back(tick, Plain(tick));
  };
  ticks_of(&x_);
  ticks_of(&y_);
  std::string grid;
  Markup& x_texts = svg_.Add("g").Set("text-anchor", "middle");
  for (const auto& [value, text] : x_.ticks) {
    grid += "M" + Pair(X(value), frame_.top) + "V" + Coordinate(bottom);
    x_texts.Add("text", text).Set("x", X(value)).Set("y", bottom + 15);
    if (frame_.ticks_above) x_texts.Add("text", text).Set("x", X(value)).Set("y", frame_.top - 5);
  }
  Markup& y_texts = svg_.Add("g").Set("text-anchor", "end");
  for (const auto& [value, text] : y_.ticks) {
    grid += "M" + Pair(frame_.left, Y(value)) + "H" + Coordinate(right);
    y_texts.Add("text", text).Set("x", frame_.left - 6).Set("y", Y(value) + 4);
  }
  svg_.Add("path").Set("class", "grid").Set("d", grid);
  Markup& labels = svg_.Add("g").Set("class", "axis");
  labels.Add("text", x_.label)
      .Set("x", (frame_.left + right) / 2)
      .Set("y", frame_.height - 10)
      .Set("text-anchor", "middle");
  if (y_.label.empty()) return;
  labels.Add("text", y_.label)
      .Set("transform", "translate(" + Pair(13, (frame_.top + bottom) / 2) + ") rotate(-90)")
      .Set("text-anchor", "middle");
}

void Chart::Mark(const Party& party, Point at, const std::string& tooltip) {
  svg_.Add(MarkOf(party, X(at.x), Y(at.y))).Add("title", tooltip);
}

void Chart::Whisker(const Party& party, double y, double from, double to) {
  const auto clamped = [&](double value) {
    return X(std::clamp(value, x_.scale.low(), x_.scale.high()));
  };
  svg_.Add("path")
      .Set("class", "whisker " + party.style)
      .Set("d", "M" + Pair(clamped(from), Y(y)) + "H" + Coordinate(clamped(to)));
}

void Chart::Bar(const Party& party, double y, double to, const std::string& tooltip) {
  constexpr double kHeight = 9;
  svg_.Add("rect")
      .Set("class", "bar " + party.style)
      .Set("x", frame_.left)
      .Set("y", Y(y) - kHeight / 2)
      .Set("width", X(to) - frame_.left)
      .Set("height", kHeight)
      .Add("title", tooltip);
}

void Chart::Line(const std::string& style, const std::vector<Point>& points) {
  std::string path;
  for (const Point& point : points) {
    path += (path.empty() ? "" : " ") + Pair(X(point.x), Y(point.y));
  }
  svg_.Add("polyline").Set("class", "line " + style).Set("points", path);
}

void Chart::Label(const std::string& text, Point at, double degrees, double above,
                  const std::string& anchor) {
  svg_.Add("text", text)
      .Set("class", "label")
      .Set("transform",
           "translate(" + Pair(X(at.x), Y(at.y)) + ") rotate(" + Coordinate(-degrees) + ")")
      .Set("y", -above)
      .Set("text-anchor", anchor);
}

double Chart::Degrees(Point from, Point to) const {
  return std::atan2(Y(from.y) - Y(to.y), X(to.x) - X(from.x)) * 180 / std::numbers::pi;
}

Markup Chart::Figure() const {
  Markup figure("figure");
  figure.Add("figcaption", title_);
  figure.Add(svg_);
  return figure;
}

Markup Legend(const std::vector<Party>& parties) {
  Markup legend("p");
  legend.Set("class", "legend");
  for (const Party& party : parties) {
    Markup& item = legend.Add("span");
    Markup& svg = item.Add("svg")
                      .Set("viewBox", "0 0 20 14")
                      .Set("width", 20)
                      .Set("height", 14)
                      .Set("aria-hidden", "true");
    svg.Add(MarkOf(party, 10, 7));
    item.Text(" " + party.label);
  }
  return legend;
}

Markup FiguresTable(const std::string& summary, const std::vector<std::string>& heading,
                    const std::vector<std::vector<std::string>>& rows, int texts) {
  Markup details("details");
  details.Add("summary", summary);
  Markup& table = details.Add("div").Set("class", "scroll").Add("table");
  table.Set("class", "first-" + std::to_string(texts));
  Markup& head = table.Add("thead").Add("tr");
  for (const std::string& text : heading) head.Add("th", text).Set("scope", "col");
  Markup& body = table.Add("tbody");
  for (const std::vector<std::string>& row : rows) {
    Markup& line = body.Add("tr");
    for (const std::string& text : row) line.Add("td", text);
  }
  return details;
}

Markup ChartGrid(const std::vector<Chart>& charts, const std::string& style) {
  Markup grid("div");
  grid.Set("class", style);
  for (const Chart& chart : charts) grid.Add(chart.Figure());
  return grid;
}

}  // namespace qforge::report
