#include "embedding/formats.h"

#include <stdexcept>

namespace qforge::bench {

const std::vector<Format>& AllFormats() {
  static const std::vector<Format> formats = {
      {"u8", RowFormat::kU8},
      {"u4", RowFormat::kU4},
      {"u2", RowFormat::kU2},
      {"codebook4", RowFormat::kCodebook4},
      {"twotier4", RowFormat::kTwoTier4},
      {"fp16", RowFormat::kF16},
      {"bf16", RowFormat::kBF16},
      {"fp32", RowFormat::kF32},
      {"e4m3", RowFormat::kE4M3},
  };
  return formats;
}

Format FindFormat(const std::string& name) {
  std::string known;
  for (const Format& format : AllFormats()) {
    if (name == format.name) return format;
    known += std::string(known.empty() ? "" : ", ") + format.name;
  }
  throw std::runtime_error("no format '" + name + "'; there are " + known);
}

std::string Case::Name() const {
  return std::string(format.name) + "/d:" + std::to_string(dimension) +
         "/rows:" + std::to_string(setting.rows);
}

RowLayout Case::layout() const {
  RowLayout layout;
  layout.format = format.rows;
  layout.dimension = dimension;
  layout.checksum = checksums == Checksums::kInRow;
  return layout;
}

double Case::TargetOverFbgemm() const {
  if (setting.flushed) return 0;
  switch (format.rows) {
    case RowFormat::kU4:
      return dimension <= 32 ? 3.0 : 1.7;
    case RowFormat::kU8:
      return 1.2;
    case RowFormat::kF16:
    case RowFormat::kF32:
      return 1.0;
    default:
      return 0;
  }
}

double Case::TargetOverU4() const {
  // Out of the caches, centres in the row cost what their bytes cost.
  const bool codebook = format.rows == RowFormat::kCodebook4 && !setting.flushed;
  return codebook || format.rows == RowFormat::kU2 ? 1.0 : 0;
}

double Case::CheckBudget() const {
  if (setting.flushed) return dimension >= 64 ? 0.15 : 1;
  if (dimension >= 256) return 0.05;
  if (dimension >= 128) return 0.08;
  if (dimension >= 64) return 0.12;
  return dimension >= 32 ? 0.3 : dimension >= 16 ? 0.6 : 1;
}

double Case::TargetOfLimit() const { return setting.flushed ? 0.9 : 0; }

}  // namespace qforge::bench
