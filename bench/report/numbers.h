// Numbers as people read them.
#ifndef QFORGE_BENCH_REPORT_NUMBERS_H_
#define QFORGE_BENCH_REPORT_NUMBERS_H_

#include <cstdint>
#include <string>
#include <vector>

namespace qforge::report {

// With `decimals` decimals, thousands grouped, and a true minus sign.
std::string Fixed(double value, int decimals);
// To three significant digits, and no more than the whole of larger ones: "0.0312", "4.16",
// "1,235".
std::string Number(double value);
// Without zeros at the end, as at the ticks of an axis: "0.3", "3", "1,000".
std::string Plain(double value);
// A fraction as "95.2 %".
std::string Percent(double fraction, int decimals = 1);
// "1.25×"
std::string Times(double ratio);
// "48 KiB", "32 MiB"
std::string Bytes(int64_t bytes);
// "1 shape", "3 shapes"
std::string Count(int64_t count, const std::string& what);

double Median(std::vector<double> values);
double GeometricMean(const std::vector<double>& values);

}  // namespace qforge::report

#endif  // QFORGE_BENCH_REPORT_NUMBERS_H_
