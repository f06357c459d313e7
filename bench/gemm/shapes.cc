#include "gemm/shapes.h"

#include <algorithm>
#include <fstream>
#include <istream>
#include <sstream>
#include <stdexcept>

namespace qforge::bench {
namespace {

constexpr char kPublishedShapes[] =
#include "published_shapes.inc"  // shapes.txt as a string literal, made by CMake
    ;

std::vector<Shape> Parse(std::istream& text, const std::string& name) {
  std::vector<Shape> shapes;
  std::string line;
  for (int number = 1; std::getline(text, line); ++number) {
    line.erase(std::min(line.find('#'), line.size()));
    if (line.find_first_not_of(" \t\r") == std::string::npos) continue;
    std::istringstream fields(line);
    Shape shape;
    double percent = 0;
    bool valid = static_cast<bool>(fields >> shape.m >> shape.n >> shape.k) && shape.m > 0 &&
                 shape.n > 0 && shape.k > 0;
    if (valid && !(fields >> std::ws).eof()) {
      valid = fields >> percent && (fields >> std::ws).eof() && percent > 0 && percent <= 100;
    }
    if (!valid) {
      throw std::runtime_error(name + ":" + std::to_string(number) +
                               ": expected M N K [target in percent], found \"" + line + "\"");
    }
    shape.target = percent / 100;
    shapes.push_back(shape);
  }
  if (shapes.empty()) throw std::runtime_error(name + ": no shapes");
  return shapes;
}

}  // namespace

std::string Shape::Name() const {
  return std::to_string(m) + "x" + std::to_string(n) + "x" + std::to_string(k);
}

std::vector<Shape> PublishedShapes() {
  std::istringstream text(kPublishedShapes);
  return Parse(text, "shapes.txt");
}

std::vector<Shape> ReadShapes(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error("cannot read " + path);
  return Parse(file, path);
}

}  // namespace qforge::bench
