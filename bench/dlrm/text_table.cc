#include "dlrm/text_table.h"

#include <algorithm>
#include <cstdarg>
#include <cstdio>
#include <utility>

namespace dlrm {
namespace {

constexpr size_t kLineWidth = 98;
constexpr size_t kColumnGap = 3;

// Columns on the terminal: code points, as the text has no others than of width one.
size_t Width(const std::string& text) {
  size_t width = 0;
  for (const char c : text) width += (static_cast<unsigned char>(c) & 0xc0) != 0x80;
  return width;
}

}  // namespace

std::string Format(const char* format, ...) {
  char text[128];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof(text), format, arguments);
  va_end(arguments);
  return text;
}

std::string Grouped(double value) {
  std::string digits = Format("%.0f", value);
  for (size_t i = digits.size(); i > 3; i -= 3) digits.insert(i - 3, ",");
  return digits;
}

std::string Bytes(int64_t bytes) {
  const double value = static_cast<double>(bytes);
  if (bytes < 10'000) return Grouped(value) + " B";
  if (bytes < 10'000'000) return Grouped(value / 1e3) + " kB";
  return Grouped(value / 1e6) + " MB";
}

std::string Padding(const std::string& text, size_t width) {
  return std::string(width - std::min(width, Width(text)), ' ');
}

std::string Wrapped(const std::string& text, size_t indent) {
  std::string lines;
  size_t column = indent;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find(' ', begin), text.size());
    const std::string word = text.substr(begin, end - begin);
    if (column > indent && column + 1 + Width(word) > kLineWidth) {
      lines += "\n" + std::string(indent, ' ');
      column = indent;
    } else if (column > indent) {
      lines += ' ';
      ++column;
    }
    lines += word;
    column += Width(word);
    begin = end + 1;
  }
  return lines;
}

std::string LabelledLine(const std::string& label, size_t label_width, const std::string& value) {
  return "  " + label + Padding(label, label_width) + "  " + Wrapped(value, label_width + 4) + "\n";
}

void TextTable::Column(const std::string& heading, std::vector<std::string> cells) {
  cells.insert(cells.begin(), heading);
  columns_.push_back(std::move(cells));
}

std::string TextTable::Text() const {
  std::string text = "\n" + title_ + "\n";
  for (size_t row = 0; row < columns_.front().size(); ++row) {
    std::string line;
    for (size_t i = 0; i < columns_.size(); ++i) {
      size_t width = 0;
      for (const std::string& cell : columns_[i]) width = std::max(width, Width(cell));
      const std::string& cell = columns_[i][row];
      const std::string padding = Padding(cell, width);
      line += i == 0 ? cell + padding : std::string(kColumnGap, ' ') + padding + cell;
    }
    text += line.substr(0, line.find_last_not_of(' ') + 1) + "\n";
    if (row == 0) text += std::string(Width(line), '-') + "\n";
  }
  return text;
}

}  // namespace dlrm
