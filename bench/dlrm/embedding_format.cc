#include "dlrm/embedding_format.h"

#include <algorithm>

#include "dlrm/check.h"

namespace dlrm {
namespace {

using qforge::RangeSearch;
using qforge::RowFormat;

struct KnownFormat {
  const char* name;
  RowFormat rows;
  const char* description;
  std::vector<RangeSearch> methods;  // the sensible ones; empty: there is nothing to choose
};

const std::vector<KnownFormat>& KnownFormats() {
  static const std::vector<KnownFormat> formats = {
      {"fp32", RowFormat::kF32, "fp32", {}},
      {"fp16", RowFormat::kF16, "fp16", {}},
      {"bf16", RowFormat::kBF16, "bf16", {}},
      {"u8", RowFormat::kU8, "8 bits, fp32 scale and bias of each row", {RangeSearch::kMinMax}},
      {"u4",
       RowFormat::kU4,
       "4 bits, fp16 scale and bias of each row",
       {RangeSearch::kMinMax, RangeSearch::kGreedy}},
      {"u2",
       RowFormat::kU2,
       "2 bits, fp16 scale and bias of each row",
       {RangeSearch::kMinMax, RangeSearch::kGreedy}},
      {"codebook", RowFormat::kCodebook4, "4 bits, 16 fp16 centres of each row, by k-means", {}},
      {"twotier",
       RowFormat::kTwoTier4,
       "4 bits, 16 fp16 centres of each cluster of rows, by k-means",
       {}},
  };
  return formats;
}

constexpr RangeSearch kMethods[] = {RangeSearch::kMinMax, RangeSearch::kSymmetric,
                                    RangeSearch::kGreedy, RangeSearch::kHistogram};

template <class Container>
std::string Joined(const Container& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

const KnownFormat& FindFormat(const std::string& name) {
  for (const KnownFormat& format : KnownFormats()) {
    if (name == format.name) return format;
  }
  throw Error("no embedding format '" + name + "'; there are " + Joined(EmbeddingFormatNames()));
}

RangeSearch FindMethod(const std::string& name) {
  for (const RangeSearch method : kMethods) {
    if (name == qforge::RangeSearchName(method)) return method;
  }
  throw Error("no embedding method '" + name + "'; there are " + Joined(EmbeddingMethodNames()));
}

const char* MethodText(RangeSearch method) {
  switch (method) {
    case RangeSearch::kMinMax:
      return "from its smallest and largest value";
    case RangeSearch::kSymmetric:
      return "from its largest magnitude";
    case RangeSearch::kGreedy:
      return "by greedy search";
    case RangeSearch::kHistogram:
      return "from its histogram";
    case RangeSearch::kKMeans:
      break;
  }
  return "by k-means";
}

}  // namespace

std::string EmbeddingFormat::FullName() const {
  return has_method ? name + "_" + qforge::RangeSearchName(method) : name;
}

std::string EmbeddingFormat::Description() const {
  const std::string description = FindFormat(name).description;
  return has_method ? description + ", " + MethodText(method) : description;
}

std::vector<std::string> EmbeddingFormatNames() {
  std::vector<std::string> names;
  for (const KnownFormat& format : KnownFormats()) names.push_back(format.name);
  return names;
}

std::vector<std::string> EmbeddingMethodNames() {
  std::vector<std::string> names;
  for (const RangeSearch method : kMethods) names.push_back(qforge::RangeSearchName(method));
  return names;
}

std::vector<EmbeddingFormat> EmbeddingFormats(const std::vector<std::string>& names,
                                              const std::vector<std::string>& methods) {
  std::vector<RangeSearch> wanted;
  for (const std::string& method : methods) wanted.push_back(FindMethod(method));

  std::vector<EmbeddingFormat> formats;
  for (const std::string& name : names) {
    const KnownFormat& known = FindFormat(name);
    if (known.methods.empty()) formats.push_back({known.name, known.rows});
    if (known.methods.empty()) continue;
    for (const RangeSearch method : wanted.empty() ? known.methods : wanted) {
      formats.push_back({known.name, known.rows, method, /*has_method=*/true});
    }
  }
  return formats;
}

}  // namespace dlrm
