// Tables and paragraphs for the terminal.
#ifndef QFORGE_BENCH_DLRM_TEXT_TABLE_H_
#define QFORGE_BENCH_DLRM_TEXT_TABLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

namespace dlrm {

// As printf.
__attribute__((format(printf, 1, 2))) std::string Format(const char* format, ...);

// 1234567 as "1,234,567".
std::string Grouped(double value);
std::string Bytes(int64_t bytes);

// Spaces that fill `text` up to `width` columns on the terminal.
std::string Padding(const std::string& text, size_t width);

// Broken at spaces into lines that start at `indent`, but for the first.
std::string Wrapped(const std::string& text, size_t indent);

// A label in front of a value that is broken into lines: two spaces, the label in `label_width`
// columns, the value.
std::string LabelledLine(const std::string& label, size_t label_width, const std::string& value);

class TextTable {
 public:
  explicit TextTable(std::string title) : title_(std::move(title)) {}

  // A cell per row, the same number in every column.
  void Column(const std::string& heading, std::vector<std::string> cells);

  // Every column as wide as it needs to be; the first one to the left, the others to the right.
  std::string Text() const;

 private:
  const std::string title_;
  std::vector<std::vector<std::string>> columns_;  // with their headings
};

}  // namespace dlrm

#endif  // QFORGE_BENCH_DLRM_TEXT_TABLE_H_
