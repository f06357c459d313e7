#include "report/numbers.h"

#include <algorithm>
#include <cmath>
#include <cstdio>

namespace qforge::report {

std::string Fixed(double value, int decimals) {
  char text[64];
  std::snprintf(text, sizeof(text), "%.*f", decimals, std::fabs(value));
  std::string digits = text;
  const size_t point = std::min(digits.find('.'), digits.size());
  for (size_t i = point; i > 3; i -= 3) digits.insert(i - 3, ",");
  const bool negative = value < 0 && digits.find_first_not_of("0.") != std::string::npos;
  return (negative ? "\u2212" : "") + digits;
}

std::string Number(double value) {
  if (value == 0) return "0";
  const int magnitude = static_cast<int>(std::floor(std::log10(std::fabs(value))));
  return Fixed(value, std::clamp(2 - magnitude, 0, 9));
}

std::string Plain(double value) {
  std::string text = Number(value);
  if (text.find('.') == std::string::npos) return text;
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

std::string Percent(double fraction, int decimals) {
  return Fixed(100 * fraction, decimals) + "\u00a0%";
}

std::string Times(double ratio) { return Fixed(ratio, 2) + "\u00d7"; }

std::string Bytes(int64_t bytes) {
  if (bytes >= 1 << 30 && bytes % (1 << 30) == 0) return Fixed(double(bytes >> 30), 0) + " GiB";
  if (bytes >= 1 << 20 && bytes % (1 << 20) == 0) return Fixed(double(bytes >> 20), 0) + " MiB";
  if (bytes >= 1 << 10 && bytes % (1 << 10) == 0) return Fixed(double(bytes >> 10), 0) + " KiB";
  return Fixed(static_cast<double>(bytes), 0) + " bytes";
}

std::string Count(int64_t count, const std::string& what) {
  return Fixed(static_cast<double>(count), 0) + " " + what + (count == 1 ? "" : "s");
}

double Median(std::vector<double> values) {
  if (values.empty()) return 0;
  std::sort(values.begin(), values.end());
  const size_t half = values.size() / 2;
  return values.size() % 2 == 1 ? values[half] : (values[half - 1] + values[half]) / 2;
}

double GeometricMean(const std::vector<double>& values) {
  double sum = 0;
  for (const double value : values) sum += std::log(value);
  return values.empty() ? 0 : std::exp(sum / static_cast<double>(values.size()));
}

}  // namespace qforge::report
