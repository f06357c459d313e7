#include "report/markup.h"

#include <algorithm>
#include <array>
#include <cstdio>

namespace qforge::report {
namespace {

// Quotes matter in attributes alone. They and '>' stay in texts: style sheets, which browsers do
// not unescape, need them.
std::string Escaped(const std::string& text, bool attribute) {
  std::string escaped;
  for (const char c : text) {
    if (c == '&') {
      escaped += "&amp;";
    } else if (c == '<') {
      escaped += "&lt;";
    } else if (c == '"' && attribute) {
      escaped += "&quot;";
    } else {
      escaped += c;
    }
  }
  return escaped;
}

// Elements that browsers take as closed by "/>": void ones of HTML, and shapes of SVG.
bool ClosesItself(const std::string& name) {
  constexpr std::array kNames = {"meta", "br", "line", "circle", "path", "rect", "polyline"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

// On lines of their own, for people who look at the source.
bool StartsLine(const std::string& name) {
  constexpr std::array kNames = {"head", "style", "body", "section", "figure", "svg",
                                 "g",    "table", "tr",   "details", "h2",     "p"};
  return std::find(kNames.begin(), kNames.end(), name) != kNames.end();
}

}  // namespace

std::string Coordinate(double value) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.1f", value);
  std::string digits = text;
  digits.erase(digits.find_last_not_of('0') + 1);
  if (digits.back() == '.') digits.pop_back();
  return digits == "-0" ? "0" : digits;
}

Markup& Markup::Set(const std::string& attribute, const std::string& value) {
  attributes_.emplace_back(attribute, value);
  return *this;
}

Markup& Markup::Text(std::string text) {
  Markup& child = Add(Markup(""));
  child.text_ = std::move(text);
  return *this;
}

Markup& Markup::Add(Markup child) {
  children_.push_back(std::move(child));
  return children_.back();
}

void Markup::AppendTo(std::string* out) const {
  if (name_.empty()) {
    *out += Escaped(text_, false);
    return;
  }
  if (StartsLine(name_)) *out += "\n";
  *out += "<" + name_;
  for (const auto& [attribute, value] : attributes_) {
    *out += " " + attribute + "=\"" + Escaped(value, true) + "\"";
  }
  if (children_.empty() && ClosesItself(name_)) {
    *out += "/>";
    return;
  }
  *out += ">";
  for (const Markup& child : children_) child.AppendTo(out);
  *out += "</" + name_ + ">";
}

std::string Markup::ToString() const {
  std::string out;
  AppendTo(&out);
  return out;
}

}  // namespace qforge::report
