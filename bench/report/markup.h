// HTML and SVG as a tree, so that every tag is closed and every text escaped by construction. What
// comes out is well-formed XML as well.
#ifndef QFORGE_BENCH_REPORT_MARKUP_H_
#define QFORGE_BENCH_REPORT_MARKUP_H_

#include <list>
#include <string>
#include <utility>
#include <vector>

namespace qforge::report {

// For coordinates: with up to one decimal, which is a tenth of a pixel.
std::string Coordinate(double value);

class Markup {
 public:
  explicit Markup(std::string name) : name_(std::move(name)) {}

  Markup& Set(const std::string& attribute, const std::string& value);
  Markup& Set(const std::string& attribute, double value) {
    return Set(attribute, Coordinate(value));
  }

  // Appends text and returns this element.
  Markup& Text(std::string text);
  // Appends an element and returns that: a reference that stays valid.
  Markup& Add(Markup child);
  Markup& Add(const std::string& name) { return Add(Markup(name)); }
  Markup& Add(const std::string& name, std::string text) {
    return Add(Markup(name)).Text(std::move(text));
  }

  std::string ToString() const;

 private:
  void AppendTo(std::string* out) const;

  std::string name_;  // "": a text
  std::string text_;
  std::vector<std::pair<std::string, std::string>> attributes_;
  std::list<Markup> children_;
};

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_MARKUP_H_
